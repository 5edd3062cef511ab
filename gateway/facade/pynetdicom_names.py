"""The table of names that pynetdicom has, names.tsv."""

from __future__ import annotations

from typing import NoReturn

from gateway.table_files import read_table


def names(kind: str) -> dict[str, str]:
    """Return the names of a kind, and what each stands for, as the head of the table says."""
    rows = read_table("facade/names.tsv")
    return {name: meaning for row_kind, name, meaning in rows if row_kind == kind}


def no_name(module: str, public: str, name: str) -> NoReturn:
    """Raise for a name that a module does not have: the `__getattr__` of a module ends so.

    Args:
        module: the module's `__name__`.
        public: the name by which programs import the module from `gateway`.
        name: what was asked for.

    Raises:
        ImportError: pynetdicom has the name; the text says what to use.
        AttributeError: nobody has it.
    """
    if reason := names("absent").get(f"{public}.{name}"):
        raise ImportError(f"gateway.{public} has no {name}: {reason}")
    raise AttributeError(f"module {module!r} has no attribute {name!r}")
