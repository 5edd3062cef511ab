"""Data sets that tests state by keyword."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset


def data_set(**values: Any) -> Dataset:
    """Return a data set, or an item of a sequence, with these values."""
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def identifier(level: str | None = "STUDY", **keys: Any) -> Dataset:
    """Return the identifier of a C-FIND, C-GET or C-MOVE; with None it has no level."""
    return data_set(**keys) if level is None else data_set(QueryRetrieveLevel=level, **keys)
