"""Performed procedure steps in the index, with their attributes in the DICOM JSON model (PS3.18 F).

The worker `mpps` writes them; others read here what a modality says that it made.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from workers.archive.peer_shares import check_totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from workers.archive.index import Index
    from workers.archive.index.grouping import Execute
    from workers.archive.peer_shares import Limit

IN_PROGRESS, COMPLETED, DISCONTINUED = "IN PROGRESS", "COMPLETED", "DISCONTINUED"
"""Values of Performed Procedure Step Status (0040,0252)."""
NOTES = {
    IN_PROGRESS: "step_in_progress",
    COMPLETED: "step_completed",
    DISCONTINUED: "step_discontinued",
}
"""The kind of the journal's line about a step that came to a state."""
_PAGE = 500

_STATUS, _SCHEDULED, _SERIES = "00400252", "00400270", "00400340"
_STUDY_UID, _SERIES_UID, _INSTANCE_UID = "0020000D", "0020000E", "00081155"
_REFERENCES = ("00081140", "00400220")
"""Referenced Image Sequence, Referenced Non-Image Composite SOP Instance Sequence."""


@dataclass(frozen=True, slots=True)
class ProcedureStep:
    """A modality performed procedure step."""

    uid: str
    """Its SOP Instance UID."""
    peer: str
    """The AE title that created it."""
    address: str
    """The address that created it."""
    created: float
    """Seconds of the epoch."""
    changed: float
    attributes: dict[str, Any]
    """In the DICOM JSON model."""
    messages: int = 0
    """How often it was created and changed."""

    @property
    def state(self) -> str:
        """The value of Performed Procedure Step Status."""
        return _text(self.attributes, _STATUS)

    @property
    def studies(self) -> list[str]:
        """The Study Instance UIDs that it is scheduled for, each once."""
        uids = (_text(item, _STUDY_UID) for item in _items(self.attributes, _SCHEDULED))
        return list(dict.fromkeys(uid for uid in uids if uid))

    @property
    def instances(self) -> dict[str, list[str]]:
        """The SOP Instance UIDs of all that was made, by Series Instance UID."""
        found: dict[str, list[str]] = {}
        for series in _items(self.attributes, _SERIES):
            uids = found.setdefault(_text(series, _SERIES_UID), [])
            for sequence in _REFERENCES:
                uids += [_text(item, _INSTANCE_UID) for item in _items(series, sequence)]
        return found

    def data_set(self) -> Dataset:
        """Return the attributes as a data set."""
        return Dataset.from_json(self.attributes)

    def text(self, tag: str) -> str:
        """Return the first value of an attribute, named by its eight digits; empty: none."""
        return _text(self.attributes, tag)


class StepTable:
    """The performed procedure steps in the index, of all gateways that share it.

    All methods raise IndexFailure.
    """

    def __init__(self, index: Index) -> None:
        self._index = index

    def find(self, uid: str) -> ProcedureStep | None:
        """Return the step with a SOP Instance UID; None if there is none."""
        return self._index.ask(lambda execute: _find(execute, uid))

    def change(self, uid: str, work: Callable[[Execute, ProcedureStep | None], Any]) -> None:
        """Call `work` with a step, which nobody else changes meanwhile, in one transaction.

        It may be called again if the transaction is repeated. What it raises has no effect.
        """
        lock = " FOR UPDATE" if self._index.names_holders else ""
        self._index.change(lambda execute: work(execute, _find(execute, uid, lock)))

    def steps(self) -> Iterator[ProcedureStep]:
        """Yield all steps in the order of their creation, a page at a time."""
        text = (
            f"SELECT {_COLUMNS} FROM step WHERE created > ? OR (created = ? AND uid > ?) "
            "ORDER BY created, uid LIMIT ?"
        )
        last: tuple[float, str] = (float("-inf"), "")
        while True:
            where = (last[0], *last, _PAGE)
            rows = self._index.ask(partial(_rows, text=text, where=where))
            for row in rows:
                yield _of_row(row)
            if len(rows) < _PAGE:
                return
            last = (float(rows[-1][3]), str(rows[-1][0]))

    def forget(self, before: float) -> int:
        """Remove the steps that were last changed before a time; return their number."""

        def work(execute: Execute) -> int:
            text = "DELETE FROM step WHERE changed < ? RETURNING uid"
            gone = execute(text, (before,)).fetchall()
            for (uid,) in gone:
                execute("DELETE FROM step_message WHERE uid = ?", (uid,))
            return len(gone)

        return self._index.change(work)


def insert(execute: Execute, step: ProcedureStep, bounds: Sequence[Limit] = ()) -> None:
    """Add a new step; raises TooMany if its peer has as many as it may have."""
    data = json.dumps(step.attributes)
    held = {
        (address, peer): (int(number), int(size))
        for address, peer, number, size in execute(
            "SELECT address, peer, COUNT(*), SUM(size) FROM step GROUP BY address, peer"
        ).fetchall()
    }
    check_totals(bounds, len(data), held, (step.address, step.peer))
    execute(
        f"INSERT INTO step ({_COLUMNS}, size) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(step.uid, step.peer, step.address, step.created, step.changed),
            *(step.messages, data, len(data)),
        ),
    )


def update(execute: Execute, step: ProcedureStep) -> None:
    """Write a step that has changed."""
    data = json.dumps(step.attributes)
    execute(
        "UPDATE step SET changed = ?, messages = ?, attributes = ?, size = ? WHERE uid = ?",
        (step.changed, step.messages, data, len(data), step.uid),
    )


def _rows(execute: Execute, *, text: str, where: tuple[Any, ...]) -> list[Any]:
    return execute(text, where).fetchall()


_COLUMNS = "uid, peer, address, created, changed, messages, attributes"


def _find(execute: Execute, uid: str, lock: str = "") -> ProcedureStep | None:
    row = execute(f"SELECT {_COLUMNS} FROM step WHERE uid = ?{lock}", (uid,)).fetchone()
    return _of_row(row) if row is not None else None


def _of_row(row: Sequence[Any]) -> ProcedureStep:
    uid, peer, address, created, changed, messages, attributes = row
    return ProcedureStep(
        *(uid, peer, address, float(created), float(changed)),
        *(json.loads(attributes), int(messages)),
    )


def _items(item: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    values = item.get(tag, {}).get("Value", [])
    return [one for one in values if isinstance(one, dict)]


def _text(item: dict[str, Any], tag: str) -> str:
    value = next(iter(item.get(tag, {}).get("Value", [])), "")
    if isinstance(value, dict):  # a person's name
        value = value.get("Alphabetic", "")
    return str(value if value is not None else "").strip()
