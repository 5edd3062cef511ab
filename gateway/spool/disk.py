"""Writing to the disk of a spool, and checking its free space."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

from gateway.errors import SpoolError
from gateway.free_space import free_space

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SYNC_FILE_RANGE_WRITE = 2

_sync_file_range = getattr(ctypes.CDLL(None), "sync_file_range", None)
if _sync_file_range is not None:
    _sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


_PIECE = 128 * 1024
"""Bytes of one write. For a longer one the kernel takes larger blocks of memory, and a virtual
machine may have given free blocks back to its host: each page of these costs 10 us again, ten times
what it takes to fill one."""


def write_all(fd: int, data: memoryview | bytes) -> None:
    """Write all bytes, piece by piece."""
    view = memoryview(data)
    written = 0
    while written < len(view):
        written += os.writev(fd, (view[written : written + _PIECE],))


def start_write_back(fd: int, offset: int, length: int) -> None:
    """Ask the kernel to start writing these pages to disk, if the system supports that.

    This is only a hint: an error is reported by the sync.
    """
    if _sync_file_range is not None:
        _sync_file_range(fd, offset, length, _SYNC_FILE_RANGE_WRITE)


class Disk:
    """Watches the free space for the files of a spool."""

    LOOK = 1.0
    """Seconds between two checks of the free space."""

    def __init__(self, path: Path, min_free: int, clock: Callable[[], float]) -> None:
        self._path = path
        self._min_free = min_free
        self._clock = clock
        self._look_at = float("-inf")
        self._left = 0
        """Bytes that may be written until the next check."""
        self._shortage = ""
        """What is short, in words; empty: nothing."""
        self._is_short = False
        """The last check has found too few bytes, and nothing has given way since."""

    def count(self, written: int) -> None:
        """Count bytes that are written."""
        self._left -= written

    def is_to_be_relieved(self) -> bool:
        """Return whether fewer than `min_free` bytes are free; once for each check of the space."""
        if self._min_free:
            self._look_if_due()
        is_short, self._is_short = self._is_short, False
        return is_short

    def check_room(self) -> None:
        """Raise SpoolError while fewer than `min_free` bytes, or hardly any inodes, are free."""
        self._look_if_due()
        if self._shortage:
            raise SpoolError(f"spool is full: {self._shortage}")

    def _look_if_due(self) -> None:
        if self._left <= 0 or self._clock() >= self._look_at:
            self._look()

    def _look(self) -> None:
        self._left = max(self._min_free // 16, 1024 * 1024)
        self._look_at = self._clock() + self.LOOK
        try:
            space = free_space(self._path)
        except OSError as error:
            self._shortage = f"{self._path}: {error.strerror}"
            return
        self._shortage, self._is_short = "", False
        if space.has_few_files:
            self._shortage = str(space)
        elif space.free < self._min_free:
            self._shortage = f"{space.free} bytes are free, less than min_free = {self._min_free}"
            self._is_short = True
