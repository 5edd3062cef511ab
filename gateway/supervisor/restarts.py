"""When a child that died is started again: a function of the deaths and of `now`."""

from __future__ import annotations

from collections import deque

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
HEALTHY = 60.0
"""A child that lived this long begins anew."""

LIMIT = 10
WINDOW = 60.0
"""`LIMIT` deaths within `WINDOW` seconds are a fault that starting again does not mend."""
LIMIT_AT_START = 3
"""The same for a child that was never ready."""


class Restarts:
    """The deaths of one child: the first restart is immediate, then 0.1 s doubling to 5 s."""

    def __init__(self) -> None:
        self._deaths: deque[float] = deque()
        self._in_a_row = 0

    def died(self, now: float, *, healthy: float, was_ready: bool) -> float | None:
        """Seconds until the next start; None: no more.

        `healthy` is how long the child had been ready, `was_ready` whether it ever was, in any of
        its lives.
        """
        if healthy >= HEALTHY:
            self._in_a_row = 0
        self._in_a_row += 1
        self._deaths.append(now)
        while self._deaths[0] <= now - WINDOW:
            self._deaths.popleft()
        if len(self._deaths) >= (LIMIT if was_ready else LIMIT_AT_START):
            return None
        if self._in_a_row == 1:
            return 0.0
        return min(FIRST_DELAY * 2.0 ** min(self._in_a_row - 2, 30), LONGEST_DELAY)
