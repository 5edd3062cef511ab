"""The free space below which associations to store are rejected, before C-STOREs must be."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from gateway.free_space import free_space

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger("gateway.acceptor")

LOOK = 1.0
"""Seconds for which a result is used again."""


class Watermark:
    """Looks at the disks below `paths` when it is asked, at most once a second.

    A change of the state is logged, not each association that is refused for it.
    """

    def __init__(
        self, paths: Sequence[str], refuse_below: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._paths = tuple(dict.fromkeys(paths))
        self.refuse_below = refuse_below
        self._clock = clock
        self._look_at = float("-inf")
        self._is_passed = False

    @property
    def is_passed(self) -> bool:
        """Whether less space is free than is required."""
        if self.refuse_below and (now := self._clock()) >= self._look_at:
            self._look_at = now + LOOK
            self._look()
        return self._is_passed

    def _look(self) -> None:
        free, path = min((_free(path), path) for path in self._paths)
        was_passed, self._is_passed = self._is_passed, free < self.refuse_below
        if self._is_passed and not was_passed:
            log.error(
                "associations that only store are refused: %d bytes are free at %s, "
                "spool.refuse_below is %d",
                *(free, path, self.refuse_below),
            )
        elif was_passed and not self._is_passed:
            log.warning("associations to store are accepted again: %d bytes free at %s", free, path)


def _free(path: str) -> int:
    """Return the free bytes; 0 if they are unknown, because nothing could be stored there."""
    try:
        return free_space(path).free
    except OSError:
        return 0
