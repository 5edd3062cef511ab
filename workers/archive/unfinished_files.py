"""The directory in which a process writes files that are not yet complete."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_RUN = re.compile(r"[0-9a-f]{16}")
_UNFINISHED = re.compile(r"[0-9-]{20,24}-[0-9a-f]{24,37}\.[0-9]{1,9}\.part")
_LOCK = "lock"


class UnfinishedFiles:
    """A directory of this process alone, locked for as long as the process lives.

    Creating one also deletes those of dead processes, which their locks show. The number and
    generation of a member cannot tell: while one generation replaces another, both run. Raises
    OSError.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(mode=0o700, exist_ok=True)
        with _one_at_a_time(root):
            self.swept = sum(_clear(folder) for folder in _dead(root))
            """The number of files that were deleted."""
            self.path = root / secrets.token_hex(8)
            self.path.mkdir(mode=0o700)
            self._folder = str(self.path)
            self._fd = _open_lock(self.path)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @property
    def is_alone(self) -> bool:
        """Whether no other process has such a directory."""
        with os.scandir(self.path.parent) as entries:
            return not any(_RUN.fullmatch(e.name) and e.name != self.path.name for e in entries)

    def path_for(self, token: str, attempt: int) -> str:
        """Return the path for a file of an attempt."""
        return f"{self._folder}/{token}.{attempt}.part"

    def close(self) -> None:
        """Delete the files and the directory."""
        _clear(self.path)
        os.close(self._fd)


def _open_lock(folder: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(folder / _LOCK, flags, 0o600)


@contextmanager
def _one_at_a_time(root: Path) -> Iterator[None]:
    """Lock all directories: one that is just being made has no lock of its own yet."""
    fd = _open_lock(root)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _dead(root: Path) -> list[Path]:
    with os.scandir(root) as entries:
        own = [
            e.name for e in entries if _RUN.fullmatch(e.name) and e.is_dir(follow_symlinks=False)
        ]
    return [root / name for name in own if _is_dead(root / name)]


def _is_dead(folder: Path) -> bool:
    try:
        fd = _open_lock(folder)
    except OSError:
        return False  # not made by this program
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def _clear(folder: Path) -> int:
    """Delete the unfinished files and, if nothing else is in it, the directory."""
    with os.scandir(folder) as entries:
        names = [
            e.name
            for e in entries
            if _UNFINISHED.fullmatch(e.name) and e.is_file(follow_symlinks=False)
        ]
    for name in names:
        (folder / name).unlink(missing_ok=True)
    (folder / _LOCK).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()
    return len(names)
