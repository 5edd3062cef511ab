"""Where a process writes the files that are not finished yet."""

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
_UNFINISHED = re.compile(r"[0-9-]{20,24}-[0-9a-f]{24}\.[0-9]{1,9}\.part")
_LOCK = "lock"


class Workshop:
    """A folder of this process alone, held by a lock for as long as the process lives.

    Starting, it clears away those whose holder is dead. Neither a member's number nor its
    generation could tell that: while one generation replaces another, both are at work.
    Raises OSError.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(mode=0o700, exist_ok=True)
        with _one_at_a_time(root):
            self.swept = sum(_clear(folder) for folder in _dead(root))
            """Unfinished files that were deleted."""
            self.path = root / secrets.token_hex(8)
            self.path.mkdir(mode=0o700)
            self._folder = str(self.path)
            self._fd = _open_lock(self.path)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @property
    def is_alone(self) -> bool:
        """No other process is at work."""
        with os.scandir(self.path.parent) as entries:
            return not any(_RUN.fullmatch(e.name) and e.name != self.path.name for e in entries)

    def unfinished(self, token: str, attempt: int) -> str:
        """The path under which this attempt writes."""
        return f"{self._folder}/{token}.{attempt}.part"

    def close(self) -> None:
        """Leave the folder; what is unfinished goes."""
        _clear(self.path)
        os.close(self._fd)


def _open_lock(folder: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(folder / _LOCK, flags, 0o600)


@contextmanager
def _one_at_a_time(root: Path) -> Iterator[None]:
    """So that nobody takes one that is only just being made for dead."""
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
        return False  # not as one of ours would be
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def _clear(folder: Path) -> int:
    """Delete the unfinished files and, if nothing foreign is in it, the folder."""
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
