"""The space that is free on a disk, in bytes and in inodes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

MIN_FILES = 1024
"""With fewer free inodes a disk counts as full."""
_SPENT = 64 * 1024
"""With fewer free bytes a disk cannot take even the small files of a start."""


class FreeSpace(NamedTuple):
    """The free space of the disk of `path`, for a user without privileges."""

    path: str
    free: int
    """Bytes."""
    size: int
    free_files: int | None
    """Inodes; None: this file system makes them as they are needed."""

    @property
    def has_few_files(self) -> bool:
        """Whether inodes are short, so that files cannot be created though bytes are free."""
        return self.free_files is not None and self.free_files < MIN_FILES

    @property
    def is_spent(self) -> bool:
        """Whether there is practically nothing left."""
        return self.free < _SPENT or self.free_files == 0

    def __str__(self) -> str:
        if self.has_few_files:
            return f"{self.free_files} inodes are free on the disk of {self.path}"
        free, size = size_text(self.free), size_text(self.size)
        return f"{free} of {size} are free on the disk of {self.path}"


def size_text(number: float) -> str:
    """Return a number of bytes in the unit that fits, as 73.1 GB."""
    amount, units = float(number), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.0f} B" if units[0] == "B" else f"{amount:.1f} {units[0]}"


def free_space(path: str | Path) -> FreeSpace:
    """Return the free space of the disk that `path` is on; raises OSError."""
    found = os.statvfs(path)
    return FreeSpace(
        os.fspath(path),
        found.f_bavail * found.f_frsize,
        found.f_blocks * found.f_frsize,
        found.f_favail if found.f_files else None,
    )
