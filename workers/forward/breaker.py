"""The circuit breaker of a destination: after a failure nothing is sent for a pause, which grows.

When the pause is over, one lane may make an attempt with one instance. If it fails, the next pause
is twice as long, up to a limit; if it gets a response, all lanes go on.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workers.archive.pauses import pause_after

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True)
class Breaker:
    """The state of a destination, as this process sees it; safe for several threads."""

    first: float
    longest: float
    clock: Callable[[], float] = time.monotonic
    failures: int = 0
    """In a row; 0: the destination responds."""
    reason: str = ""
    """Why the last attempt failed."""
    since: float = 0.0
    """When the first of these failures was, by `time.time`."""
    _until: float = 0.0
    _probe: object = None
    """Who makes the attempt after a pause."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_open(self) -> bool:
        """Whether the last attempt failed, so that nothing is sent except for a probe."""
        return self.failures > 0

    def wait_for(self, lane: object) -> float:
        """Return the seconds until a lane may send; 0.0: now, if only for one attempt."""
        with self._lock:
            if not self.failures:
                return 0.0
            left = self._until - self.clock()
            if left > 0:
                return left
            if self._probe is None:
                self._probe = lane
            return 0.0 if self._probe is lane else self.first

    def failed(self, reason: str, at_least: float = 0.0) -> None:
        """Note that the destination failed: begin a pause, unless one has begun already.

        `at_least`: seconds that the destination has asked for.
        """
        with self._lock:
            if self.failures and self.clock() < self._until:
                return
            if not self.failures:
                self.since = time.time()
            self.failures += 1
            self.reason = reason
            pause = pause_after(self.failures, self.first, self.longest)
            self._until = self.clock() + max(pause, at_least)
            self._probe = None

    def hurry(self) -> None:
        """End the pause, as an operator wants: one attempt is made now."""
        with self._lock:
            self._until = self.clock()

    def responded(self) -> bool:
        """Note that the destination responds; return whether it had failed before."""
        with self._lock:
            had_failed = self.failures > 0
            self.failures, self._until, self._probe, self.reason = 0, 0.0, None, ""
            return had_failed

    def spare(self, lane: object) -> None:
        """Note that a lane that may send has nothing to send: another one may be the probe."""
        with self._lock:
            if self._probe is lane:
                self._probe = None
