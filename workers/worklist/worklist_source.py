"""What all sources of worklist items have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydicom.dataset import Dataset

    from workers.worklist.worklist_match import WorklistQuery


class WorklistSource(Protocol):
    """Where worklist items come from; safe for several threads."""

    @property
    def trouble(self) -> str:
        """What is wrong with some of the items at present, in words; empty: nothing."""
        ...

    def items(self, query: WorklistQuery, identifier: Dataset) -> Iterable[Dataset]:
        """Return the items among which are all that match; raises Unavailable."""
        ...

    def check(self) -> None:
        """Raise ConfigError for what only another configuration mends, or Unavailable."""
        ...

    def facts(self) -> dict[str, Any]:
        """Return what `dicom-gateway status --json` shows."""
        ...
