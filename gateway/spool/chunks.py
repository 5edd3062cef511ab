"""Buffers in which data sets wait for the disk."""

from __future__ import annotations

import mmap
from collections import deque

CHUNK = 1024 * 1024
"""Bytes of a buffer, unless data sets that travel inline need more."""
MANY = 128
"""Buffers that may be lent before data sets should make do with less."""
KEPT = 64
"""Buffers that are kept for the next data sets."""


class Chunks:
    """Lends buffers of one size.

    Only the pages that are written to take memory, and the one that was given back last is lent
    first: its pages are there, and still in the processor's cache.
    """

    def __init__(self, size: int = CHUNK) -> None:
        self.size = size
        self._made = 0
        self._free: deque[memoryview] = deque()

    @property
    def are_scarce(self) -> bool:
        """So many are lent that who can should give his back."""
        return self._made - len(self._free) > MANY

    def take(self) -> memoryview:
        """A buffer with anything in it; from the loop's thread only."""
        free = self._free
        while len(free) > KEPT:
            free.popleft()
            self._made -= 1
        try:
            return free.pop()
        except IndexError:
            self._made += 1
            return memoryview(mmap.mmap(-1, self.size))

    def give(self, chunk: memoryview) -> None:
        """Nobody looks at it any more; from any thread."""
        self._free.append(chunk)
