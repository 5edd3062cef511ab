"""How far a receiver of lines is, in the index, and which process delivers to it.

Of the gateways that share an index one delivers to a receiver, all lines in their order. If it is
silent for the time of a lease, another one that has the receiver in its configuration goes on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.archive.index import Index
    from workers.archive.index.grouping import Execute

LEASE, RENEW = 60.0, 15.0
"""Seconds after which another process may deliver, and after which this one renews its lease."""
SAVE_EVERY = 1.0
"""Seconds between two writes of the number; after a kill what is not written yet is repeated."""


class ReceiverCursor:
    """The number of the last line that a receiver has; all methods raise IndexFailure."""

    def __init__(
        self, index: Index, name: str, owner: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`owner` is the name of this process, which it has again after a restart."""
        self._index, self._name, self._owner, self._clock = index, name, owner, clock
        self._seq = self._known = 0
        """The number, and as it is in the index."""
        self._written = float("-inf")
        self._is_ours = False

    def take(self) -> int | None:
        """Return the number if this process may deliver; None: another one does.

        A receiver that is new begins at the end of the journal.
        """
        if self._is_ours and not self._must_renew():
            return self._seq
        now = self._index.clock()

        def work(execute: Execute) -> int | None:
            execute(
                "INSERT INTO line_receiver VALUES (?, (SELECT COALESCE(MAX(seq), 0) FROM journal), "
                "'', 0) ON CONFLICT (name) DO NOTHING",
                (self._name,),
            )
            row = execute(
                "UPDATE line_receiver SET owner = ?, until = ? WHERE name = ? "
                "AND (owner = ? OR until < ?) RETURNING seq",
                (self._owner, now + LEASE, self._name, self._owner, now),
            ).fetchone()
            return int(row[0]) if row is not None else None

        found = self._index.change(work)
        self._is_ours = found is not None
        if found is not None:
            self._seq = self._known = found
            self._written = self._clock()
        return found

    def _must_renew(self) -> bool:
        return self._index.names_holders and self._clock() - self._written >= RENEW

    def advance(self, seq: int) -> bool:
        """Note that a line is done with; return False if another process delivers by now."""
        self._seq = seq
        return self._is_ours if self._clock() - self._written < SAVE_EVERY else self.keep()

    def keep(self, *, over: bool = False) -> bool:
        """Write the number and renew the lease; return False if another process delivers by now.

        `over`: this process delivers no more, and another one may at once.
        """
        if self._seq == self._known and not self._must_renew() and not over:
            return self._is_ours
        until = 0.0 if over else self._index.clock() + LEASE

        def work(execute: Execute) -> bool:
            text = (
                "UPDATE line_receiver SET seq = ?, until = ? WHERE name = ? AND owner = ? "
                "RETURNING name"
            )
            given = (self._seq, until, self._name, self._owner)
            return execute(text, given).fetchone() is not None

        self._is_ours = self._index.change(work)
        self._known, self._written = self._seq, self._clock()
        return self._is_ours
