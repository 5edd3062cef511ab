"""What the archive asks of the file system, beyond the standard library's calls."""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL)
"""What an old kernel and a file system without the flag answer."""

_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


def rename_new(source: str | Path, target: str | Path) -> None:
    """Rename without replacing; raises FileExistsError if the target is there, and OSError."""
    if not _rename_no_replace(os.fspath(source), os.fspath(target)):
        os.link(source, target, follow_symlinks=False)
        with suppress(FileNotFoundError):
            os.unlink(source)


def _rename_no_replace(source: str, target: str) -> bool:
    """False: it cannot be done in one step here."""
    if _renameat2 is None:
        return False
    old, new = os.fsencode(source), os.fsencode(target)
    if _renameat2(_AT_FDCWD, old, _AT_FDCWD, new, _RENAME_NOREPLACE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), source, None, target)


def write_new(path: Path, data: bytes, *, sync: bool) -> None:
    """Write a file that is not there yet, and its data to disk if `sync`; raises OSError."""
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
    """Put a file's data on disk; raises OSError, after which a second try proves nothing."""
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)


def sync_folder(path: Path) -> None:
    """Put a folder's entries on disk; raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class FolderSyncs:
    """Syncs of folders, grouped over the threads that ask for them (group commit).

    While one round of syncs is at work, those who come in gather for the next one, which begins
    after they came and therefore covers what they did before. One of them performs it for all.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        """Held by the round at work."""
        self._next: _Round | None = None
        """The round that still takes folders."""

    def sync(self, folders: Iterable[Path]) -> None:
        """Return when the entries that the folders have now are on disk.

        Raises OSError if any sync of the round failed, also if it was another one's folder: a
        failure too many is repeated by the peer, a success too many is a lost instance.
        """
        with self._lock:
            leads = self._next is None
            joined = self._next = self._next or _Round()
            joined.folders.update(folders)
        if leads:
            with self._turn:
                with self._lock:
                    self._next = None
                joined.perform()
        joined.wait()


class _Round:
    def __init__(self) -> None:
        self.folders: set[Path] = set()
        self._failure: Future[OSError | None] = Future()

    def perform(self) -> None:
        failure: OSError | None = OSError(errno.EIO, "the sync was not finished")
        try:
            for folder in self.folders:
                sync_folder(folder)
            failure = None
        except OSError as error:
            failure = error
        finally:
            self._failure.set_result(failure)

    def wait(self) -> None:
        if (failure := self._failure.result()) is not None:
            # Each thread raises its own: a traceback belongs to one.
            raise OSError(failure.errno, failure.strerror, failure.filename)
