"""N-CREATEs and N-SETs that are to be passed on: rows in the index, in an order for each step.

A row is put in by the transaction that changes the step. Senders of all gateways that share the
index take rows by moving their time into the future, so that those of a sender that died are due
again by themselves. A row is taken only when all before it of its step and destination are sent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from workers.archive.index import Index
    from workers.archive.index.grouping import Execute

CREATE, SET = "N-CREATE", "N-SET"
WAITING, PARKED, SENT = STATES = ("waiting", "parked", "sent")
"""States of a row: sent when it is due, not before an operator says so, or kept until the step is
forgotten, so that nothing is sent twice."""
NO_RESPONSE = "no response"
"""Begins the reason of a row that the destination may have taken: its response was lost."""
HURRIED = 0.0
"""When a row is due that an operator wants sent now: a pause of its destination ends by it."""
LEASE = 60.0
"""Seconds for which a sender has the rows that it took."""
_COLUMNS = (
    "id, destination, uid, number, operation, attributes, state, queued, due, attempts, reason, "
    "owner"
)


@dataclass(slots=True)
class StepMessage:
    """A row: what a destination is to be told of a step."""

    id: int
    destination: str
    uid: str
    """SOP Instance UID of the step."""
    number: int
    """1 for the N-CREATE, and so on."""
    operation: str
    attributes: dict[str, Any]
    """In the DICOM JSON model."""
    state: str
    queued: float
    due: float
    attempts: int
    """Attempts that the destination failed."""
    reason: str
    """Why the last attempt failed."""


def put(
    execute: Execute,
    destinations: Iterable[str],
    step: tuple[str, int],
    operation: str,
    attributes: dict[str, Any],
    now: float,
) -> None:
    """Put a message in for each destination; `step` is the UID and the number of the message."""
    for name in destinations:
        execute(
            "INSERT INTO step_message (destination, uid, number, operation, attributes, state, "
            "queued, due, owner, attempts, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', 0, '')",
            (name, *step, operation, json.dumps(attributes), WAITING, now, now),
        )


class StepOutbox:
    """The rows, read and changed; safe for several threads, processes and hosts.

    All methods raise IndexFailure.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._skip = " FOR UPDATE OF m SKIP LOCKED" if index.names_holders else ""

    def take(self, destination: str, owner: str, most: int) -> list[StepMessage]:
        """Return rows that are due, which nobody else gets before the lease is over."""
        text = (
            f"SELECT {', '.join(f'm.{one}' for one in _COLUMNS.split(', '))} FROM step_message m "
            "WHERE m.destination = ? AND m.state = ? AND m.due <= ? AND NOT EXISTS (SELECT 1 "
            "FROM step_message e WHERE e.uid = m.uid AND e.destination = m.destination "
            f"AND e.number < m.number AND e.state <> '{SENT}') ORDER BY m.id LIMIT ?"
        )
        now = self._index.clock()
        where = (destination, WAITING, now, most)
        if not self._index.ask(lambda execute: execute(text, where).fetchone()):
            return []

        def work(execute: Execute) -> list[StepMessage]:
            rows = execute(text + self._skip, where).fetchall()
            for row in rows:
                given = (now + LEASE, owner, row[0])
                execute("UPDATE step_message SET due = ?, owner = ? WHERE id = ?", given)
            return [_of_row(row) for row in rows]

        return self._index.change(work)

    def settle(self, message: StepMessage, owner: str) -> None:
        """Write what became of a row that was taken; `due` is in seconds from now on."""

        def work(execute: Execute) -> None:
            execute(
                "UPDATE step_message SET state = ?, due = ?, owner = '', attempts = ?, reason = ? "
                "WHERE id = ? AND owner = ?",
                (
                    *(message.state, self._index.clock() + message.due, message.attempts),
                    *(message.reason, message.id, owner),
                ),
            )

        self._index.change(work)

    def rows(self, destination: str = "", state: str = "", after: int = 0) -> list[StepMessage]:
        """Return rows in the order of their ids, a page after one; empty: any."""
        where, values = _where(destination, state)
        text = f"SELECT {_COLUMNS} FROM step_message WHERE {where} AND id > ? ORDER BY id LIMIT 500"
        rows = self._index.ask(lambda execute: execute(text, (*values, after)).fetchall())
        return [_of_row(row) for row in rows]

    def counts(self) -> dict[tuple[str, str], int]:
        """Return the numbers of rows that are not sent, by destination and state."""
        text = (
            "SELECT destination, state, COUNT(*) FROM step_message WHERE state IN (?, ?) "
            "GROUP BY destination, state"
        )
        states = (WAITING, PARKED)
        rows = self._index.ask(lambda execute: execute(text, states).fetchall())
        return {(name, state): int(number) for name, state, number in rows}

    def ages(self) -> dict[str, float]:
        """Return the seconds for which the oldest row that waits has done so, by destination."""
        text = (
            "SELECT destination, MIN(queued) FROM step_message WHERE state = ? GROUP BY destination"
        )
        rows = self._index.ask(lambda execute: execute(text, (WAITING,)).fetchall())
        now = self._index.clock()
        return {name: max(0.0, now - queued) for name, queued in rows}

    def retry(self, destination: str = "", ids: Sequence[int] = ()) -> int:
        """Make rows that are not sent due, parked ones too; return their number.

        A pause of the destination ends by it.
        """
        text = "UPDATE step_message SET state = 'waiting', owner = '', attempts = 0, due = ?"
        return self._change(text, (HURRIED,), destination, ids)

    def take_hurry(self, destination: str) -> bool:
        """Return whether there was a `retry` for a destination since this was asked last."""
        where = "destination = ? AND state = ? AND due <= ?"
        given = (destination, WAITING, HURRIED)
        look = f"SELECT 1 FROM step_message WHERE {where} LIMIT 1"
        if self._index.ask(lambda execute: execute(look, given).fetchone()) is None:
            return False
        text = f"UPDATE step_message SET due = ? WHERE {where} RETURNING id"
        now = self._index.clock()
        found = self._index.change(lambda execute: execute(text, (now, *given)).fetchall())
        return bool(found)

    def drop(self, destination: str = "", ids: Sequence[int] = ()) -> int:
        """Count rows that are not sent as sent, so that what follows is; return their number."""
        text = f"UPDATE step_message SET state = '{SENT}', owner = '', reason = 'dropped'"
        return self._change(text, (), destination, ids)

    def _change(
        self, text: str, given: tuple[Any, ...], destination: str, ids: Sequence[int]
    ) -> int:
        where, values = _where(destination, "")
        if ids:
            where += f" AND id IN ({', '.join('?' * len(ids))})"
        whole = f"{text} WHERE {where} AND state <> '{SENT}' RETURNING id"
        return self._index.change(
            lambda execute: len(execute(whole, (*given, *values, *ids)).fetchall())
        )


def _where(destination: str, state: str) -> tuple[str, list[Any]]:
    parts, values = ["1 = 1"], list[Any]()
    for name, value in (("destination", destination), ("state", state)):
        if value:
            parts.append(f"{name} = ?")
            values.append(value)
    return " AND ".join(parts), values


def _of_row(row: Sequence[Any]) -> StepMessage:
    number, destination, uid, of_step, operation, attributes, state, queued, due, *rest = row
    attempts, reason, owner = rest
    if owner:  # nobody settled it
        reason = f"{NO_RESPONSE}: its sender ended"
    return StepMessage(
        *(int(number), destination, uid, int(of_step), operation, json.loads(attributes)),
        *(state, float(queued), float(due), int(attempts), reason),
    )
