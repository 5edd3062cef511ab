"""What was refused to workers on other hosts: counted, and told in the log now and then."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("gateway.fabric")

QUIET = 10.0
"""Seconds between two log lines of one kind."""


class Refusals:
    """Counts by kind; of each kind there is a log line every 10 seconds at most."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[str, float] = {}
        self._untold: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def add(self, kind: str, text: str, number: int = 1) -> None:
        """Count what was refused; `text` says what, and what to do if it is meant to be."""
        self.counts[kind] += number
        now = self._clock()
        if now - self._told.get(kind, -QUIET) < QUIET:
            self._untold[kind] += number
            return
        self._told[kind] = now
        untold = self._untold.pop(kind, 0)
        more = f" ({untold} more were refused since the last such line)" if untold else ""
        logger.warning("worker of another host refused=%s %s%s", kind, text, more)
