"""What operators see of the outbox, and do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.archive.outbox_rows import COLUMNS, HURRIED, QueueState, of_row

if TYPE_CHECKING:
    from workers.archive.index import Index
    from workers.archive.index.grouping import Execute
    from workers.archive.outbox_rows import QueuedInstance, Selection


class OutboxControl:
    """The rows as a whole, whoever sends them; the gateway may run or not."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def suspend(self, destination: str, is_suspended: bool) -> None:
        """Send nothing more to a destination, or go on."""

        def work(execute: Execute) -> None:
            make_control(execute, destination)
            execute(
                "UPDATE outbox_control SET suspended = ? WHERE destination = ?",
                (int(is_suspended), destination),
            )

        self._index.change(work)

    def suspended(self) -> frozenset[str]:
        """Return the destinations that nothing is sent to."""
        text = "SELECT destination FROM outbox_control WHERE suspended <> 0"
        rows = self._index.ask(lambda execute: execute(text).fetchall())
        return frozenset(row[0] for row in rows)

    def states(self) -> dict[str, QueueState]:
        """Return the state of each destination that has rows or is suspended."""
        rows = self._index.ask(
            lambda execute: execute(
                "SELECT destination, COUNT(CASE WHEN state = 'waiting' THEN 1 END), "
                "COUNT(CASE WHEN state = 'parked' THEN 1 END), "
                "MIN(CASE WHEN state = 'waiting' THEN queued END), "
                "COUNT(CASE WHEN state = 'waiting' AND attempts > 0 THEN 1 END), "
                "COUNT(CASE WHEN state IN ('sent', 'asked') THEN 1 END) "
                "FROM outbox GROUP BY destination"
            ).fetchall()
        )
        suspended = self.suspended()
        found = {
            name: QueueState(
                *(name, int(waiting), int(parked), float(oldest or 0.0), int(attempted)),
                suspended=name in suspended,
                unconfirmed=int(unconfirmed),
            )
            for name, waiting, parked, oldest, attempted, unconfirmed in rows
        }
        return {name: QueueState(name, suspended=True) for name in suspended} | found

    def rows(self, selection: Selection, most: int, after: int = 0) -> list[QueuedInstance]:
        """Return rows with a higher id than `after`, in the order of their ids."""
        where, values = selection.where()
        text = f"SELECT id, {COLUMNS} FROM outbox WHERE {where} AND id > ? ORDER BY id LIMIT ?"
        rows = self._index.ask(lambda execute: execute(text, (*values, after, most)).fetchall())
        return [of_row(row) for row in rows]

    def retry(self, selection: Selection) -> int:
        """Make rows due, parked ones too; return their number. Those under way stay so.

        A pause of the destination ends by it (see `HURRIED`).
        """
        where, values = selection.where()
        text = (
            "UPDATE outbox SET state = 'waiting', owner = '', attempts = 0, due = ?, queued = ? "
            f"WHERE {where} AND (owner = '' OR due <= ? OR state = 'asked') RETURNING id"
        )
        now = self._index.clock()
        given = (HURRIED, now, *values, now)
        return self._index.change(lambda execute: len(execute(text, given).fetchall()))

    def drop(self, selection: Selection) -> int:
        """Remove rows, so that they are never sent; return their number."""
        where, values = selection.where()
        text = f"DELETE FROM outbox WHERE {where} RETURNING id"
        return self._index.change(lambda execute: len(execute(text, values).fetchall()))


def make_control(execute: Execute, destination: str) -> None:
    """Have a row of `outbox_control` for a destination."""
    execute(
        "INSERT INTO outbox_control VALUES (?, 0, '', 0) ON CONFLICT (destination) DO NOTHING",
        (destination,),
    )
