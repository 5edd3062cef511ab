"""The directories of the spool: created, locked, cleaned up and checked."""

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
    """The files of its predecessor that an acceptor found when it started."""

    partial: int = 0
    """Incomplete data sets, deleted."""
    sealed: int = 0
    """Complete data sets that no worker took and that were not acknowledged, deleted."""
    foreign: int = 0
    """Anything that is not part of the spool, symbolic links included; not touched."""


def make_root(path: Path) -> Path:
    """Create a directory for this user only; return its path without symbolic links.

    An existing one is not changed, but must be writable. Raises ConfigError, which says what to do.
    """
    try:
        path = path.resolve()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_writable(path)
    except OSError as error:
        raise _refusal(path, error) from None
    return path


def make_private(path: Path) -> None:
    """Create a directory of the spool, or restrict it to this user; never follow a symbolic link.

    Raises ConfigError, which says what to do.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise ConfigError(
                f"{path} is a symbolic link: replace it by a directory, or change --data"
            )
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
        f"cannot write to {path}: {error.strerror}; give user {os.geteuid()} write permission, "
        f"or choose another directory with --data"
    )


def lock(folder: Path) -> int:
    """Lock a directory until the descriptor is closed; raises SpoolError if it is locked."""
    path = folder / _LOCK
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _refusal(path, error) from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise SpoolError(f"another acceptor with this number uses {folder}") from None
    return fd


def sweep(incoming: Path, ready: Path, index: int) -> Swept:
    """Delete what acceptor `index` left when it died; the caller has the lock of `incoming`."""
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
                with suppress(FileNotFoundError):  # a worker has just taken it
                    os.unlink(entry.path)
                    deleted += 1
    return deleted, foreign


def _owner(name: str, suffix: str) -> int | None:
    found = TOKEN.fullmatch(name.removesuffix(suffix)) if name.endswith(suffix) else None
    return int(found.group(3)) if found else None


def check_data_dir(data_dir: Path) -> None:
    """Create `spool` and `archive`, and check that a file can be renamed from one to the other.

    Raises ConfigError, which says what to do.
    """
    check_file_system(data_dir / "spool", data_dir / "archive")


def check_file_system(spool: Path, archive: Path) -> None:
    """Create both directories; raise ConfigError unless a file can be renamed between them.

    A rename is tried, because device numbers do not distinguish bind mounts and subvolumes.
    """
    spool, archive = make_root(spool), make_root(archive)
    name = f"probe-{secrets.token_hex(8)}"
    try:
        os.close(os.open(spool / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        os.rename(spool / name, archive / name)
    except OSError as error:
        raise _rename_error(spool, archive, error) from None
    finally:
        for folder in (spool, archive):
            with suppress(OSError):
                os.unlink(folder / name)


def _rename_error(spool: Path, archive: Path, error: OSError) -> ConfigError:
    if error.errno != errno.EXDEV:
        return _refusal(spool, error)
    return ConfigError(
        f"{spool} and {archive} are on different file systems: put both on one, "
        f"because received files are renamed into the archive"
    )
