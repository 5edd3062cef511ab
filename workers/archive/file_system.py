"""File system operations that the standard library does not have."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from gateway.free_space import free_space
from gateway.sdk import ConfigError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.sdk import GatewayError

_AT_FDCWD = (1 << 32) - 100
"""-100 as an unsigned number: ctypes raises and drops an OverflowError for each negative one."""
_RENAME_NOREPLACE = 1
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL)
"""The errors of an old kernel, and of a file system without support for the flag."""

_SYNCED_TOGETHER = (0xEF53, 0x58465342, 0x9123683E)
"""The file systems with which `sync_file_system` is tested: ext4, XFS, Btrfs (statfs(2))."""
_REPORTING = (5, 8)
"""The version of Linux from which on syncfs(2) reports data that could not be written."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ENCODING, _ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()

_libc = ctypes.CDLL(None, use_errno=True)
_renameat2 = getattr(_libc, "renameat2", None)
_syncfs = getattr(_libc, "syncfs", None)


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
    old, new = source.encode(_ENCODING, _ERRORS), target.encode(_ENCODING, _ERRORS)
    if _renameat2(_AT_FDCWD, old, _AT_FDCWD, new, _RENAME_NOREPLACE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), source, None, target)


def write_new(path: str | Path, data: bytes, *, sync: bool) -> None:
    """Create a file with these data, and sync the data if `sync`; raises OSError."""
    fd = os.open(path, _NEW, 0o600)
    try:
        written = os.write(fd, data)  # mostly all
        while written < len(data):
            written += os.write(fd, memoryview(data)[written:])
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


def sync_file_system(fd: int) -> None:
    """Sync all files of the file system of `fd`; raises OSError.

    An error is reported once to each descriptor that was open when data could not be written. So
    `fd` must have been opened before the first of the files was written, and after an error a
    second attempt proves nothing.
    """
    if _syncfs is None or _syncfs(fd) != 0:
        number = ctypes.get_errno() if _syncfs is not None else errno.ENOSYS
        raise OSError(number, os.strerror(number))


def reports_unwritten(path: str | Path) -> bool:
    """Return whether `sync_file_system` is known to be reliable for this file system."""
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    if _syncfs is None or found is None or (int(found[1]), int(found[2])) < _REPORTING:
        return False
    filled = ctypes.create_string_buffer(256)  # struct statfs, which begins with the type
    if _libc.statfs(os.fsencode(path), filled) != 0:
        return False
    return ctypes.c_long.from_buffer(filled).value in _SYNCED_TOGETHER


def sync_folder(path: str | Path) -> None:
    """Sync the entries of a directory; raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def opened_folder(path: str | Path) -> Iterator[int]:
    """A descriptor of a directory; raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def not_writable(path: Path, error: OSError) -> GatewayError:
    """Return the error to raise at the start for a place that cannot be written to.

    ConfigError if only the operator can change that: a right is missing, a file is in the way.
    """
    why = f"cannot write to {path}: {error.strerror or error}"
    if isinstance(error, PermissionError):
        advice = "permission, or choose another with --data"
        return ConfigError(f"{why}; give user {os.geteuid()} write {advice}")
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return ConfigError(f"{why}; remove what is in the way, or choose another with --data")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        with suppress(OSError):
            why = f"{why}: {free_space(_existing(path))}"
    return Unavailable(why)


def is_full(path: Path) -> bool:
    """Return whether the disk of `path` has practically no room left."""
    try:
        return free_space(_existing(path)).is_spent
    except OSError:
        return False


def _existing(path: Path) -> Path:
    """Return the nearest directory that exists."""
    return next((one for one in (path, *path.parents) if one.is_dir()), path)
