"""The spool's folders: made private, locked, swept, checked."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.errors import ConfigError, SpoolError
from gateway.spool.claim import TOKEN

if TYPE_CHECKING:
    from pathlib import Path

PART = ".part"
_LOCK = "lock"


@dataclass(frozen=True, slots=True)
class Swept:
    """What a starting acceptor found of its predecessor."""

    partial: int = 0
    """Data sets that were still arriving: deleted."""
    sealed: int = 0
    """Data sets that no worker took, never acknowledged: deleted."""
    foreign: int = 0
    """What is not the spool's own, symbolic links included: left alone."""


def make_root(path: Path) -> Path:
    """Make the folder, and those above it, for this user alone; gives it without symbolic links.

    One that is there stays as its owner made it, so long as it can be written to.
    Raises ConfigError in one line: what is wrong, and what to do about it.
    """
    try:
        path = path.resolve()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_writable(path)
    except OSError as error:
        raise _refusal(path, error) from None
    return path


def make_private(path: Path) -> None:
    """Make one of the spool's own folders, or tighten it; never follows a symbolic link.

    Raises ConfigError in one line.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise ConfigError(f"{path} is a symbolic link: put a directory there, or set data_dir")
        if found.st_uid == os.geteuid() and found.st_mode & 0o077:
            path.chmod(0o700)
        _check_writable(path)
    except OSError as error:
        raise _refusal(path, error) from None


def _check_writable(path: Path) -> None:
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _refusal(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"cannot write to {path}: {error.strerror}; let user {os.geteuid()} write there, "
        f"or set data_dir to a directory that it owns"
    )


def lock(folder: Path) -> int:
    """Hold the folder until the descriptor is closed; raises SpoolError if another one does."""
    path = folder / _LOCK
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _refusal(path, error) from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise SpoolError(f"another acceptor with this number holds {folder}") from None
    return fd


def sweep(incoming: Path, ready: Path, index: int) -> Swept:
    """Delete what acceptor `index` left when it died; the caller holds the lock of `incoming`."""
    partial, foreign = _sweep(incoming, index, PART)
    sealed, others = _sweep(ready, index, "")
    return Swept(partial, sealed, foreign + others)


def _sweep(folder: Path, index: int, suffix: str) -> tuple[int, int]:
    deleted = foreign = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            owner = _owner(entry.name, suffix)
            if owner is None or not entry.is_file(follow_symlinks=False):
                foreign += entry.name != _LOCK
            elif owner == index:
                with suppress(FileNotFoundError):  # a worker took it this very moment
                    os.unlink(entry.path)
                    deleted += 1
    return deleted, foreign


def _owner(name: str, suffix: str) -> int | None:
    found = TOKEN.fullmatch(name.removesuffix(suffix)) if name.endswith(suffix) else None
    return int(found.group(3)) if found else None


def check_data_dir(data_dir: Path) -> None:
    """Make `spool` and `archive` in the data directory and see that a rename joins them.

    Raises ConfigError in one line.
    """
    check_file_system(data_dir / "spool", data_dir / "archive")


def check_file_system(spool: Path, archive: Path) -> None:
    """Raise ConfigError unless a file can be renamed from one folder to the other; makes both.

    It is tried out: device numbers do not tell bind mounts and subvolumes apart.
    """
    spool, archive = make_root(spool), make_root(archive)
    name = f"probe-{secrets.token_hex(8)}"
    try:
        os.close(os.open(spool / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        os.rename(spool / name, archive / name)
    except OSError as error:
        raise _no_way(spool, archive, error) from None
    finally:
        for folder in (spool, archive):
            with suppress(OSError):
                os.unlink(folder / name)


def _no_way(spool: Path, archive: Path, error: OSError) -> ConfigError:
    if error.errno != errno.EXDEV:
        return _refusal(spool, error)
    return ConfigError(
        f"{spool} and {archive} are on different file systems; put both on one, "
        f"so that a received file can be renamed into the archive"
    )
