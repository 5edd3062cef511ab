"""The back-off of restarts: a function of the deaths of a child and of `now`.

The first restart is immediate, because a single death is often an accident. Then the delay doubles
from 0.1 s. A child that gets ready is restarted fast and often, because it does its work between
two deaths and requests wait for it. A child that has never been ready is soon given up: it has a
fault that another start does not remove. Once it was ready it is never given up.
"""

from __future__ import annotations

from collections import deque

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
LONGEST_DELAY_IF_READY = 0.5
"""The longest delay for a child that was ready before it died."""
HEALTHY = 60.0
"""After this many seconds of being ready, earlier deaths no longer count for the delay."""

WINDOW = 60.0
LIMIT_AT_START = 3
"""Give up after this many runs within `WINDOW` of a child that has never been ready."""


class Restarts:
    """The deaths of one child, and the delay until it is restarted."""

    def __init__(self) -> None:
        self._deaths: deque[float] = deque(maxlen=LIMIT_AT_START)
        """The times of the last deaths."""
        self._in_a_row = 0

    def died(self, now: float, *, healthy: float, was_ready: bool) -> float | None:
        """Count a death; return the seconds until the restart, None to give up.

        `healthy` is for how many seconds the child was ready, `was_ready` whether it has ever been
        ready, in this run or an earlier one.
        """
        if healthy >= HEALTHY:
            self._in_a_row = 0
        self._in_a_row += 1
        self._deaths.append(now)
        if not was_ready and self._died_too_often(now):
            return None
        if self._in_a_row == 1:
            return 0.0
        longest = LONGEST_DELAY_IF_READY if healthy > 0 else LONGEST_DELAY
        return min(FIRST_DELAY * 2.0 ** min(self._in_a_row - 2, 30), longest)

    def _died_too_often(self, now: float) -> bool:
        return len(self._deaths) == LIMIT_AT_START and self._deaths[0] > now - WINDOW
