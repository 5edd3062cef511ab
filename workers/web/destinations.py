"""Destinations of `[[routes]]`, for the page: how they are, what waits, and what is done with it.

How they are, the worker `forward` says in the status; what waits is in the outbox, a table of the
index, and what an operator decides is written there, as by `dicom-gateway outbox`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.sdk import GatewayError
from workers.archive.outbox_control import OutboxControl
from workers.archive.outbox_rows import STATES, Selection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.archive.outbox_rows import QueuedInstance
    from workers.web.archive_view import ArchiveView

PAGE = 50
"""Instances of one answer."""
MOST = 200
"""Destinations that are shown."""


def destinations(status: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the processes of the worker `forward` say, those that fail first."""
    found: dict[str, dict[str, Any]] = {}
    processes = (one for worker in status.get("workers", []) for one in worker["processes"])
    for process in processes:
        for name, told in process.get("outbox", {}).get("destinations", {}).items():
            known = found.get(name)
            if known is None or known["error_at"] < told["error_at"]:
                found[name] = {"name": name, **told}
    rows = sorted(found.values(), key=lambda one: (one["state"] == "ok", one["name"]))
    return rows[:MOST]


class QueueView:
    """The instances in the outbox, and what an operator does with them."""

    def __init__(self, archive: ArchiveView) -> None:
        self._archive = archive

    def rows(self, destination: str, state: str, after: int) -> dict[str, Any]:
        """Return a page of the instances of a destination, in the order of their numbers."""
        selection = Selection(destination, state=state if state in STATES else "")
        try:
            rows = OutboxControl(self._archive.index).rows(selection, PAGE + 1, after)
        except GatewayError as error:
            return {"rows": [], "more": False, "error": str(error)}
        return {"rows": [_told(row) for row in rows[:PAGE]], "more": len(rows) > PAGE}

    def suspend(self, destination: str, is_suspended: bool) -> None:
        """Send nothing more to a destination, from any host, or go on; raises GatewayError."""
        with self._archive.to_change() as index:
            OutboxControl(index).suspend(destination, is_suspended)

    def retry(self, destination: str, number: int) -> None:
        """Send what waits or is parked as soon as possible; `number`: this one alone."""
        with self._archive.to_change() as index:
            OutboxControl(index).retry(_selection(destination, number))

    def drop(self, destination: str, number: int) -> None:
        """Take what is parked out of the outbox; `number`: this one, parked or not."""
        selection = _selection(destination, number)
        if not number:
            selection.state = "parked"
        with self._archive.to_change() as index:
            OutboxControl(index).drop(selection)


def _selection(destination: str, number: int) -> Selection:
    return Selection(destination, ids=(number,) if number else ())


def _told(row: QueuedInstance) -> dict[str, Any]:
    return {
        "number": row.id,
        "uid": row.entry.sop_instance_uid,
        "state": row.state,
        "route": row.route,
        "attempts": row.attempts,
        "queued": row.queued,
        "due": row.due,
        "size": row.entry.size,
        "reason": row.reason,
    }
