"""Worklist items from a function of the site, which the configuration names."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from gateway.sdk import Unavailable
from workers.archive.function_names import load_function
from workers.worklist.worklist_keys import UTF_8

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from workers.worklist.worklist_match import WorklistQuery

log = logging.getLogger("workers.worklist")


class WorklistHook:
    """A function that returns worklist items for an identifier; the worker matches them."""

    def __init__(self, named: str) -> None:
        self._function: Callable[..., Any] = load_function(named, "workers.worklist.options.hook")
        self._named = named
        self._calls = self._failed = 0
        self.trouble = ""

    def check(self) -> None:
        """Do nothing: the function was loaded."""

    def facts(self) -> dict[str, Any]:
        return {"calls": self._calls, "failed": self._failed}

    def items(self, _query: WorklistQuery, identifier: Dataset) -> Iterable[Dataset]:
        self._calls += 1
        try:
            yield from map(_data_set, self._function(identifier))
        except Exception as error:  # a site's function may raise anything
            self._failed += 1
            # Its text may have values of a patient, so it is named by its kind and place only.
            self.trouble = f"{self._named} raised {type(error).__name__} in {_place(error)}"
            log.error("hook %s", self.trouble)  # noqa: TRY400 - its traceback has patient data
            raise Unavailable(self.trouble) from None
        self.trouble = ""


def _data_set(item: Any) -> Dataset:
    """Return an item of a hook; a dictionary is one in the DICOM JSON model."""
    if isinstance(item, Dataset):
        return item
    made = Dataset.from_json(item)
    if "SpecificCharacterSet" not in made:
        made.SpecificCharacterSet = UTF_8
    return made


def _place(error: Exception) -> str:
    """Return file and line of where an error was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
