"""Buffers for data sets that wait for the disk."""

from __future__ import annotations

import mmap
from collections import deque

CHUNK = 1024 * 1024
"""Bytes of a buffer, unless inline data sets need more."""
MANY = 128
"""Buffers in use from which on they are scarce."""
KEPT = 64
"""Free buffers that are kept for later."""


class Chunks:
    """A pool of buffers of one size.

    Only pages that are written to take memory. The buffer that was returned last is used first: its
    pages are allocated, and still in the cache of the processor.
    """

    def __init__(self, size: int = CHUNK) -> None:
        self.size = size
        self._made = 0
        self._free: deque[memoryview] = deque()

    @property
    def are_scarce(self) -> bool:
        """Whether buffers are scarce, so that writers should release theirs early."""
        return self._made - len(self._free) > MANY

    def take(self) -> memoryview:
        """Return a buffer with arbitrary content. Only for the thread of the event loop."""
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
        """Return a buffer to the pool, from any thread."""
        self._free.append(chunk)
