"""The places of the sockets in a run directory.

`acceptor-N.requests` and `acceptor-N.events` stand in the run directory itself, or, where a path
would be too long for a Unix socket, in a directory of their own that the file `address` names.
Both are 0700: a process that may enter them may register.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import FabricError

MAX_PATH = 107
"""Bytes of a Unix socket's path on Linux."""
_LONGEST = "/acceptor-99999.requests"
_REQUESTS = re.compile(r"acceptor-(\d{1,5})\.requests")


@dataclass(frozen=True, slots=True)
class AcceptorAddress:
    """The two sockets of one acceptor."""

    index: int
    home: Path

    @property
    def name(self) -> str:
        return f"acceptor-{self.index}"

    @property
    def requests(self) -> Path:
        return self.home / f"{self.name}.requests"

    @property
    def events(self) -> Path:
        return self.home / f"{self.name}.events"

    @property
    def lives(self) -> bool:
        """Return whether a process listens there; the file alone may be stale."""
        probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        probe.setblocking(False)
        with probe:
            try:
                probe.connect(os.fspath(self.requests))
            except BlockingIOError:
                return True
            except OSError:
                return False
        return True


def local(run_dir: str | os.PathLike[str]) -> Path:
    """Return the run directory as an absolute path; raises FabricError for an address."""
    text = os.fspath(run_dir)
    if "://" in text:
        raise FabricError(
            f"{text!r} is not a run directory: a gateway on another host needs CURVE keys, and is"
            " named by [fabric] connect, server_key and key_file"
        )
    return Path(text).absolute()


def place() -> str:
    """Return the PID namespace of this process; empty: unknown."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def find(run_dir: Path) -> list[AcceptorAddress]:
    """Return the acceptors that have sockets there, in their fixed order, alive or not."""
    home = _home(run_dir)
    try:
        names = os.listdir(home)
    except OSError:
        return []
    found = [int(match[1]) for name in names if (match := _REQUESTS.fullmatch(name))]
    return [AcceptorAddress(index, home) for index in sorted(found)]


def nobody(run_dir: Path) -> FabricError:
    """Return the error that says why no acceptor was found."""
    if not run_dir.is_dir():
        return FabricError(f"no gateway at {run_dir}: there is no such directory")
    return FabricError(f"no gateway at {run_dir}: no acceptor runs there")


def prepare(run_dir: Path, index: int) -> AcceptorAddress:
    """Make the directories for an acceptor's sockets; raises FabricError if they are not safe."""
    _private(run_dir)
    if len(os.fsencode(run_dir)) + len(_LONGEST) <= MAX_PATH:
        return AcceptorAddress(index, run_dir)
    pointer = run_dir / "address"
    if not pointer.exists():
        _point(pointer)
    home = _home(run_dir)
    _private(home)
    return AcceptorAddress(index, home)


def lock(run_dir: Path, index: int) -> int:
    """Return a descriptor that locks the acceptor's place; raise FabricError if it is taken."""
    descriptor = os.open(run_dir / f"acceptor-{index}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise FabricError(f"acceptor-{index} already runs at {run_dir}") from error
    return descriptor


def remove(address: AcceptorAddress, run_dir: Path) -> None:
    """Take an acceptor's sockets away, and their own directory if it was the last."""
    for path in (address.requests, address.events):
        with suppress(OSError):
            path.unlink()
    if address.home != run_dir:
        with suppress(OSError):
            address.home.rmdir()


def _home(run_dir: Path) -> Path:
    try:
        return Path((run_dir / "address").read_text("utf-8").strip())
    except OSError:
        return run_dir


def _point(pointer: Path) -> None:
    """Choose a short directory for all acceptors; the first one's choice stands."""
    home = tempfile.mkdtemp(prefix="gateway-")
    draft = pointer.with_name(f"address.{os.getpid()}")
    draft.write_text(home, "utf-8")
    try:
        os.link(draft, pointer)
    except FileExistsError:
        os.rmdir(home)
    finally:
        draft.unlink()


def _private(directory: Path) -> None:
    """Make a directory that only this user may enter: whoever may enter can answer requests."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.stat()
    except OSError as error:
        raise FabricError(f"{directory}: {error.strerror}") from error
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise FabricError(f"{directory} must belong to this user alone: chown it, then chmod 700")
