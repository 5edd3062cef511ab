"""Memory that a flood of peers took, and the allocator keeps."""

from __future__ import annotations

from contextlib import suppress


def give_back_memory() -> None:
    """Return free memory to the system, with glibc; elsewhere do nothing.

    The C library keeps what was allocated in pieces, for it could be needed again.
    """
    import ctypes  # few processes ever need it

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
