"""The outbox: instances that are to be sent, one row for each destination, in the index's database.

A sender takes rows by moving the time at which they are due into the future, and renews that while
it lives; so the rows of a sender that died are due again by themselves, on any host. All statements
use an index, mostly `outbox_by_due`, and cost the same however many rows there are.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from workers.archive.index.notes import add_note
from workers.archive.outbox_control import make_control
from workers.archive.outbox_rows import (
    COLUMNS,
    HURRIED,
    MARKS,
    RANKS,
    WAITING,
    QueuedInstance,
    of_row,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from workers.archive.index import Index
    from workers.archive.index.grouping import Execute
    from workers.archive.index.notes import StudyNote

LEASE = 15.0
"""Seconds for which a sender has the rows that it took, unless it renews that."""

_DUE = "destination = ? AND holder = ? AND state = ? AND priority = ? AND due <= ?"


_DIVERTIBLE = (
    "destination = ? AND holder = ? AND state = 'waiting' AND priority = ? AND due <= ? "
    "AND alternatives <> ''"
)


class ForwardOutbox:
    """The rows, read and changed; safe for several threads, processes and hosts."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._skip = " FOR UPDATE SKIP LOCKED" if index.names_holders else ""
        self._ahead = 0.0
        self._measured = float("-inf")

    def now(self) -> float:
        """Return the time by the clock of the database, which all hosts share."""
        if time.monotonic() - self._measured > 60.0:
            self._ahead = self._index.clock() - time.time()
            self._measured = time.monotonic()
        return time.time() + self._ahead

    # filling

    def position(self, reader: str) -> int:
        """Return how far a reader of the journal is; at first, the end of the journal."""

        def work(execute: Execute) -> int:
            text = "SELECT seq FROM journal_reader WHERE name = ?"
            if (row := execute(text, (reader,)).fetchone()) is not None:
                return int(row[0])
            (end,) = execute("SELECT COALESCE(MAX(seq), 0) FROM journal").fetchone()
            execute(
                "INSERT INTO journal_reader VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
                (reader, end),
            )
            return int(execute(text, (reader,)).fetchone()[0])

        return self._index.change(work)

    def put(self, reader: str, before: int, after: int, news: Sequence[QueuedInstance]) -> bool:
        """Move a reader of the journal on, and put in what it has found, in one transaction.

        Returns False if another process has moved it meanwhile: then nothing is put in.
        """

        def work(execute: Execute) -> bool:
            moved = execute(
                "UPDATE journal_reader SET seq = ? WHERE name = ? AND seq = ? RETURNING seq",
                (after, reader, before),
            ).fetchone()
            if moved is None:
                return False
            self._insert(execute, news)
            return True

        return self._index.change(work)

    def add(self, news: Sequence[QueuedInstance]) -> None:
        """Put in rows that no reader of the journal has found."""
        self._index.change(lambda execute: self._insert(execute, news))

    def _insert(self, execute: Execute, news: Iterable[QueuedInstance]) -> None:
        for one in news:
            execute(f"INSERT INTO outbox ({COLUMNS}) VALUES ({MARKS})", one.row())

    # sending

    def take(
        self,
        destination: str,
        holders: Sequence[str],
        owner: str,
        most: int,
        late: float = 0.0,
        *,
        state: str = WAITING,
    ) -> list[QueuedInstance]:
        """Return rows that are due, which nobody else gets before the lease is over.

        `late`: only those that have been due for so many seconds.
        """
        now = self.now()
        taken: list[QueuedInstance] = []
        for holder in holders:
            for rank in sorted(RANKS):
                if (room := most - len(taken)) <= 0:
                    return taken
                where = (destination, holder, state, rank, now - late)
                if self._index.ask(partial(_is_due, where=where)):
                    claim = partial(self._claim, where=where, owner=owner, most=room)
                    taken += self._index.change(partial(claim, until=now + LEASE))
        return taken

    def _claim(
        self,
        execute: Execute,
        *,
        where: tuple[Any, ...],
        owner: str,
        until: float,
        most: int,
        due: str = _DUE,
    ) -> list[QueuedInstance]:
        rows = execute(
            f"SELECT id, {COLUMNS} FROM outbox WHERE {due} ORDER BY due, id LIMIT ?{self._skip}",
            (*where, most),
        ).fetchall()
        if rows:
            marks = ", ".join("?" * len(rows))
            execute(
                f"UPDATE outbox SET due = ?, owner = ? WHERE id IN ({marks})",
                (until, owner, *(row[0] for row in rows)),
            )
        taken = [of_row(row) for row in rows]
        for one in taken:
            one.owner = owner
        return taken

    def take_hurry(self, destination: str, holders: Sequence[str]) -> bool:
        """Return whether there was an `outbox retry` for rows since this was asked last."""
        found = 0
        for holder in holders:
            for rank in sorted(RANKS):
                where = (destination, holder, WAITING, rank, HURRIED)
                if self._index.ask(partial(_is_due, where=where)):
                    found += self._index.change(partial(_make_due, where=where, now=self.now()))
        return found > 0

    def first(self, destination: str, holders: Sequence[str], most: int) -> list[QueuedInstance]:
        """Return rows that are due, in their order, without taking them (see `lead`)."""
        text = f"SELECT id, {COLUMNS} FROM outbox WHERE {_DUE} ORDER BY due, id LIMIT ?"
        now = self.now()

        def work(execute: Execute) -> list[QueuedInstance]:
            return [
                of_row(row)
                for rank in sorted(RANKS)
                for holder in holders
                for row in execute(text, (destination, holder, WAITING, rank, now, most)).fetchall()
            ]

        found = self._index.ask(work)
        return sorted(found, key=lambda row: (row.priority, row.due, row.id))[:most]

    def take_divertible(
        self, destination: str, holders: Sequence[str], owner: str, most: int
    ) -> list[QueuedInstance]:
        """Return rows that are due and that another destination may get; taken as by `take`."""
        now = self.now()
        taken: list[QueuedInstance] = []
        for holder in holders:
            for rank in sorted(RANKS):
                where = (destination, holder, rank, now)
                if self._index.ask(partial(_is_due, where=where, due=_DIVERTIBLE)):
                    claim = partial(self._claim, where=where, owner=owner, most=most)
                    claim = partial(claim, until=now + LEASE, due=_DIVERTIBLE)
                    taken += self._index.change(claim)
        return taken

    def renew(self, ids: Sequence[int], owner: str) -> None:
        """Keep rows that were taken for another lease."""
        until = self.now() + LEASE

        def work(execute: Execute) -> None:
            for some in _pages(ids):
                marks = ", ".join("?" * len(some))
                execute(
                    f"UPDATE outbox SET due = ? WHERE id IN ({marks}) AND owner = ?",
                    (until, *some, owner),
                )

        self._index.change(work)

    def settle(
        self,
        gone: Sequence[int],
        changed: Sequence[QueuedInstance],
        notes: Sequence[StudyNote] = (),
    ) -> None:
        """Remove rows, and give others back as they are now, in one transaction.

        `notes`: what the journal is to tell of it.
        """

        def work(execute: Execute) -> None:
            for note in notes:
                add_note(execute, note)
            for some in _pages(gone):
                execute(f"DELETE FROM outbox WHERE id IN ({', '.join('?' * len(some))})", some)
            for one in changed:
                execute(
                    "UPDATE outbox SET destination = ?, state = ?, due = ?, owner = '', "
                    "alternatives = ?, attempts = ?, reason = ?, sent_as = ? "
                    "WHERE id = ? AND owner = ?",
                    (
                        *(one.destination, one.state, one.due, "\n".join(one.alternatives)),
                        *(one.attempts, one.reason, "\n".join(one.sent_as or ())),
                        *(one.id, one.owner),
                    ),
                )

        self._index.change(work)

    def assign(self, rows: Sequence[QueuedInstance], transaction: str) -> None:
        """Note that a transaction of storage commitment was asked for; it owns the rows then."""

        def work(execute: Execute) -> None:
            for one in rows:
                execute(
                    "UPDATE outbox SET state = ?, due = ?, owner = ? WHERE id = ? AND owner = ?",
                    (one.state, one.due, transaction, one.id, one.owner),
                )

        self._index.change(work)
        for one in rows:
            one.owner = transaction

    def asked(self, transaction: str) -> list[QueuedInstance]:
        """Return the rows of a transaction of storage commitment."""
        text = f"SELECT id, {COLUMNS} FROM outbox WHERE state = 'asked' AND owner = ?"
        rows = self._index.ask(lambda execute: execute(text, (transaction,)).fetchall())
        return [of_row(row) for row in rows]

    def release(self, owners: str, is_dead: Callable[[str], bool]) -> int:
        """Make rows due that were taken by senders that are dead; return how many.

        `owners`: what the names of these senders begin with.
        """

        def work(execute: Execute) -> int:
            text = "SELECT DISTINCT owner FROM outbox WHERE owner <> ''"
            found = [row[0] for row in execute(text).fetchall()]
            dead = [name for name in found if name.startswith(owners) and is_dead(name)]
            text = "UPDATE outbox SET due = ?, owner = '' WHERE owner = ? RETURNING id"
            now = self.now()
            leaders = execute("SELECT owner FROM outbox_control WHERE owner <> ''").fetchall()
            for (name,) in leaders:
                if name.startswith(owners) and is_dead(name):
                    execute("UPDATE outbox_control SET until = 0 WHERE owner = ?", (name,))
            return sum(len(execute(text, (now, name)).fetchall()) for name in dead)

        return self._index.change(work)

    def lead(self, destination: str, owner: str) -> bool:
        """Become, or stay, the only one that sends to a destination; False: another one is."""
        now = self.now()

        def work(execute: Execute) -> bool:
            make_control(execute, destination)
            led = execute(
                "UPDATE outbox_control SET owner = ?, until = ? WHERE destination = ? "
                "AND (owner = ? OR until < ?) RETURNING destination",
                (owner, now + LEASE, destination, owner, now),
            ).fetchone()
            return led is not None

        return self._index.change(work)


def _is_due(execute: Execute, *, where: tuple[Any, ...], due: str = _DUE) -> bool:
    return execute(f"SELECT 1 FROM outbox WHERE {due} LIMIT 1", where).fetchone() is not None


def _make_due(execute: Execute, *, where: tuple[Any, ...], now: float) -> int:
    text = f"UPDATE outbox SET due = ? WHERE {_DUE} RETURNING id"
    return len(execute(text, (now, *where)).fetchall())


def _pages(ids: Sequence[int], page: int = 500) -> Iterable[Sequence[int]]:
    return (ids[begin : begin + page] for begin in range(0, len(ids), page))
