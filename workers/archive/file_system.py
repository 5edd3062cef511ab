"""File system operations that the standard library does not have."""

from __future__ import annotations

import ctypes
import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL)
"""The errors of an old kernel, and of a file system without support for the flag."""

_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


def rename_new(source: str | Path, target: str | Path) -> None:
    """Rename without replacing; raises FileExistsError if the target exists, or OSError."""
    if not _rename_no_replace(os.fspath(source), os.fspath(target)):
        os.link(source, target, follow_symlinks=False)
        with suppress(FileNotFoundError):
            os.unlink(source)


def _rename_no_replace(source: str, target: str) -> bool:
    """Return False if this system cannot do it in one step."""
    if _renameat2 is None:
        return False
    old, new = os.fsencode(source), os.fsencode(target)
    if _renameat2(_AT_FDCWD, old, _AT_FDCWD, new, _RENAME_NOREPLACE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), source, None, target)


def write_new(path: str | Path, data: bytes, *, sync: bool) -> None:
    """Create a file with these data, and sync the data if `sync`; raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(path, flags, 0o600)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(fd, left) :]
        if sync:
            os.fdatasync(fd)
    finally:
        os.close(fd)


def sync_file(path: str | Path) -> None:
    """Sync the data of a file; raises OSError, after which a second attempt proves nothing."""
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)


def sync_folder(path: str | Path) -> None:
    """Sync the entries of a directory; raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
