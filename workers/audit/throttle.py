"""A limit on alerts, so that nobody can flood the trail and drive out what matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PERIOD = 60.0
"""Seconds."""
MOST_OF_ONE = 10
"""Alerts of one host in a period."""
MOST = 200
"""Alerts of all hosts in a period; the hosts behind that share one count."""
OTHERS = ""


class Throttle:
    """Counts alerts by host in periods of a minute; `now` is a monotonic time."""

    def __init__(self) -> None:
        self._begin = 0.0
        self._passed: dict[str, int] = {}
        self._total = 0
        self._held: dict[str, int] = {}

    def passes(self, host: str) -> bool:
        """Return whether an alert about a host is to be written; if not, it is counted."""
        if self._total < MOST and self._passed.get(host, 0) < MOST_OF_ONE:
            self._passed[host] = self._passed.get(host, 0) + 1
            self._total += 1
            return True
        known = host if host in self._passed else OTHERS
        self._held[known] = self._held.get(known, 0) + 1
        return False

    def turn(self, now: float) -> Iterator[tuple[str, int]]:
        """Begin a new period when it is time; yield the hosts with the alerts that were held."""
        if now - self._begin < PERIOD:
            return
        self._begin, self._total = now, 0
        self._passed.clear()
        held, self._held = self._held, {}
        yield from held.items()
