"""Replaces children that are silent: stopped, blocked, or in an endless loop.

A child that is ready reports about once a second, from the loop that does its work. One that has
not for `limit` seconds is killed, and its keeper starts another. The start of a child may take as
long as it needs, for instance to compare a large archive with its index; only one that is stopped
(by SIGSTOP) counts as silent then.

If this process itself was late, because the machine was paused or overloaded, that says nothing
about the children: their time begins anew.
"""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.supervisor.child_keeper import ChildState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.supervisor.child_keeper import ChildKeeper

TICK = 1.0
"""Seconds between two looks at the children."""
LATE = 2.0
"""Seconds by which a look may be late before the children are excused."""
SLOW_START = 30.0
"""Seconds after which a start is called slow in the log."""

_log = logging.getLogger("gateway.supervisor")


def process_state(pid: int) -> str:
    """Return the letter for a process's state (proc(5)): R, S, D, T, ...; empty if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(") ")[2][:1]


class HangWatch:
    """Looks at children at each tick; `limit` seconds of silence are too many, 0: never."""

    def __init__(
        self,
        keepers: Sequence[ChildKeeper],
        limit: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        state_of: Callable[[int], str] = process_state,
    ) -> None:
        self._keepers = keepers
        self._limit = limit
        self._clock = clock
        self._state_of = state_of
        self._due = clock()
        self._slow: set[int] = set()
        """Process ids of slow starts that were told."""

    async def run(self) -> None:
        """Look at the children until cancelled."""
        while True:
            self._due = self._clock() + TICK
            await asyncio.sleep(TICK)
            self.look()

    def look(self) -> None:
        """Replace the children that are silent now."""
        now = self._clock()
        if now - self._due > LATE:
            _log.warning("this process was late by %.0f s: children are excused", now - self._due)
            for keeper in self._keepers:
                keeper.heard = now
        for keeper in self._keepers:
            if keeper.is_watched:
                self._look_at(keeper, now - keeper.heard)

    def _look_at(self, keeper: ChildKeeper, silent: float) -> None:
        child = keeper.child
        assert child is not None
        if keeper.state in (ChildState.STARTING, ChildState.RESTARTING, ChildState.WAITING):
            if self._limit and silent > self._limit and self._state_of(child.pid) in ("T", "t"):
                self._replace(keeper, f"was stopped for {silent:.0f} s while it started")
            elif silent > SLOW_START and child.pid not in self._slow:
                self._slow.add(child.pid)
                _log.warning("child=%s is not ready after %.0f s", child.name, silent)
        elif keeper.state is ChildState.READY and self._limit and silent > self._limit:
            disk = " (in uninterruptible disk wait)" if self._state_of(child.pid) == "D" else ""
            self._replace(keeper, f"was silent for {silent:.0f} s{disk}")

    def _replace(self, keeper: ChildKeeper, text: str) -> None:
        _log.error("child=%s %s: it is killed and replaced", keeper.spec.name, text)
        keeper.replace(text)
