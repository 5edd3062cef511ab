"""What the C library's allocator does with memory that is free, with glibc; elsewhere nothing."""

from __future__ import annotations

from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt(3)."""
_KEPT = 16 * 1024 * 1024


def keep_free_memory() -> None:
    """Keep up to 16 MiB of free memory for the next large data sets.

    By default the heap is made smaller as soon as 128 KiB at its end are free, and the system
    clears each page again when it grows: a quarter of what the acceptor does with a data set of
    512 KiB that it hands on from memory.
    """
    _call("mallopt", _TRIM_THRESHOLD, _KEPT)
    _call("mallopt", _MMAP_THRESHOLD, _KEPT)


def give_back_memory() -> None:
    """Return free memory to the system.

    The C library keeps small pieces that are free, because they may be needed again.
    """
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    import ctypes  # few processes ever need it

    with suppress(OSError, AttributeError):
        getattr(ctypes.CDLL(None), name)(*arguments)
