"""Memory that is free after a flood of requests, but still kept by the allocator."""

from __future__ import annotations

from contextlib import suppress


def give_back_memory() -> None:
    """Return free memory to the system, with glibc; elsewhere do nothing.

    The C library keeps small pieces that are free, because they may be needed again.
    """
    import ctypes  # few processes ever need it

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
