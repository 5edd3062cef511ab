"""Buffers in which data sets wait for the disk."""

from __future__ import annotations

import mmap

CHUNK = 1024 * 1024
"""Bytes of a buffer, unless data sets that travel inline need more."""
_KEPT = 64
"""Buffers that are kept for the next data sets."""


class Chunks:
    """Lends buffers of one size.

    Only the pages that are written to take memory, and the one that was given back last is lent
    first: its pages are there, and still in the processor's cache.
    """

    def __init__(self, size: int = CHUNK) -> None:
        self.size = size
        self._free: list[memoryview] = []

    def take(self) -> memoryview:
        """A buffer with anything in it."""
        try:
            return self._free.pop()
        except IndexError:
            return memoryview(mmap.mmap(-1, self.size))

    def give(self, chunk: memoryview) -> None:
        """Nobody looks at it any more; from any thread."""
        if len(self._free) < _KEPT:
            self._free.append(chunk)
