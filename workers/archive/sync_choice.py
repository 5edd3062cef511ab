"""Which of two ways to make the files of a batch durable is faster at present.

One `syncfs` for all files takes a third of the time of an `fdatasync` for each, mostly. But it
flushes the whole file system: where others write large files, small ones would wait for these. So
both ways are measured, the faster one is used, and the other is tried again from time to time.
"""

from __future__ import annotations

from typing import NamedTuple

_REST = 100
"""A way that was slower is tried again after this multiple of the time that it took."""


class _Seen(NamedTuple):
    seconds: float
    """For each file, the mean of the last one and those before."""
    again: float
    """When to try this way again if it is the slower one."""


class SyncChoice:
    """Chooses by the times of batches of about the same size; a batch of one has no choice."""

    def __init__(self) -> None:
        self._seen: dict[tuple[bool, int], _Seen] = {}

    def is_together(self, count: int, now: float) -> bool:
        """Return whether `count` files should be made durable by one `syncfs`."""
        if count < 2:
            return False
        together, each = (self._seen.get((way, count.bit_length())) for way in (True, False))
        if together is None or each is None:
            return together is None
        is_faster = together.seconds < each.seconds
        slower = each if is_faster else together
        return is_faster is (now < slower.again)

    def took(self, seconds: float, count: int, now: float, *, together: bool) -> None:
        """Note how long it took to write `count` files durably."""
        way = together, count.bit_length()
        before, mean = self._seen.get(way), seconds / count
        if before is not None:
            mean = (before.seconds + mean) / 2
        self._seen[way] = _Seen(mean, now + _REST * seconds)
