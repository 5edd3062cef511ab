"""When a child that died is started again: a function of the deaths and of `now`."""

from __future__ import annotations

from collections import deque

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
LONGEST_DELAY_IF_READY = 0.5
"""A child that gets ready does its work between two deaths: requests wait for it."""
HEALTHY = 60.0
"""A child that was ready for this long begins anew."""

WINDOW = 60.0
LIMIT = 10
"""As many lives within `WINDOW` that never got ready: starting again mends nothing."""
LIMIT_AT_START = 3
"""The same for a child that was not ready in any life."""
LIMIT_IF_READY = 100
"""As many deaths within `WINDOW` at all."""


class Restarts:
    """The deaths of one child: the first restart is immediate, then 0.1 s doubling."""

    def __init__(self) -> None:
        self._deaths: deque[tuple[float, bool]] = deque()
        """When, and whether it had been ready in that life."""
        self._in_a_row = 0

    def died(self, now: float, *, healthy: float, was_ready: bool) -> float | None:
        """Seconds until the next start; None: no more.

        `healthy` is how long the child had been ready, `was_ready` whether it ever was, in any of
        its lives.
        """
        if healthy >= HEALTHY:
            self._in_a_row = 0
        self._in_a_row += 1
        self._deaths.append((now, healthy > 0))
        while self._deaths[0][0] <= now - WINDOW:
            self._deaths.popleft()
        if self._is_beyond_help(LIMIT if was_ready else LIMIT_AT_START):
            return None
        if self._in_a_row == 1:
            return 0.0
        longest = LONGEST_DELAY_IF_READY if healthy > 0 else LONGEST_DELAY
        return min(FIRST_DELAY * 2.0 ** min(self._in_a_row - 2, 30), longest)

    def _is_beyond_help(self, limit: int) -> bool:
        never_ready = sum(not ready for _, ready in self._deaths)
        return never_ready >= limit or len(self._deaths) >= LIMIT_IF_READY
