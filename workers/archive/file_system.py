"""File system operations that the standard library does not have."""

from __future__ import annotations

import ctypes
import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.free_space import free_space
from gateway.sdk import ConfigError, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.sdk import GatewayError

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
