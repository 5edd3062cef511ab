"""The data directory of a gateway: created, locked, and described for other commands.

run/lock           locked (flock) while the gateway runs; contains its process id
run/gateway.json   the address that it listens on, and its processes
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import select
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from gateway import control_client
from gateway.errors import ConfigError, GatewayError
from gateway.supervisor.reserve import Reserve

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LOCK_TRIES = 10
_LOCK_PAUSE = 0.05
PREDECESSOR_LIMIT = 5.0
"""Seconds to wait for the processes of a gateway that was killed."""

_log = logging.getLogger("gateway.supervisor")


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """The description of a gateway in `run/gateway.json`."""

    pid: int
    address: tuple[str, int]
    ae_title: str
    durability: str
    ready: bool = False
    acceptors: Mapping[str, int] = field(default_factory=dict)
    """Process ids by name."""
    workers: Mapping[str, int] = field(default_factory=dict)


def run_directory(data: Path) -> Path:
    return data.absolute() / "run"


def not_running(data: Path) -> str:
    """Return the error of a command that needs a running gateway."""
    return (
        f"no gateway runs on {data}: start one with `dicom-gateway serve --data {data}`, "
        f"or give its data directory with --data"
    )


def find_running(data: Path) -> RunningGateway | None:
    """Return the gateway that runs on this data directory, if one does."""
    run_dir = run_directory(data)
    if not _is_locked(run_dir):
        return None
    return _read(run_dir) or _ask(run_dir)


def _ask(run_dir: Path) -> RunningGateway | None:
    """Return what the gateway says of itself; its description may be missing on a full disk."""
    with suppress(GatewayError, LookupError):
        status = control_client.ask(run_dir, "status")
        host, port = status["address"]
        return RunningGateway(
            status["pid"], (host, port), status["ae_title"], status["durability"], ready=True
        )
    return None


def ask_running(
    data: Path, what: str, limit: float = control_client.CLIENT_LIMIT, **more: str
) -> dict[str, Any]:
    """Have the gateway on this data directory do `status`, `drain`, `resume` or `reload`.

    `restart` and `swap` need the `name` of a worker. Return its answer within `limit` seconds: its
    status, what a reload has changed, or what was replaced. Raises GatewayError if none runs there
    or it does not answer.
    """
    if not _is_locked(run_directory(data)):
        raise GatewayError(f"no gateway runs on {data}")
    return control_client.ask(run_directory(data), what, limit, **more)


def _is_locked(run_dir: Path) -> bool:
    try:
        lock = os.open(run_dir / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _read(run_dir: Path) -> RunningGateway | None:
    try:
        values = json.loads((run_dir / "gateway.json").read_bytes())
        found = RunningGateway(**{**values, "address": tuple(values["address"])})
        pids = (found.pid, *found.acceptors.values(), *found.workers.values())
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    return found if all(type(pid) is int for pid in pids) else None


class DataDirectory:
    """A data directory that this process has locked."""

    def __init__(self, data: Path, lock: int) -> None:
        self.path = data.absolute()
        self.run_dir = run_directory(data)
        self._lock = lock
        self._description = self.run_dir / "gateway.json"

    @classmethod
    def open(cls, data: Path) -> Self:
        """Create and lock the directory; raises ConfigError with what to do about a failure."""
        run_dir = run_directory(data)
        try:
            run_dir.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            run_dir.mkdir(mode=0o700, exist_ok=True)
            run_dir.chmod(0o700)
            lock = os.open(run_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _refusal(data, error) from None
        try:
            _acquire(lock, data)
        except OSError as error:
            os.close(lock)
            raise _refusal(data, error) from None
        except ConfigError:
            os.close(lock)
            raise
        Reserve(run_dir.parent).give_up_if_full()
        _sign(lock)
        return cls(data, lock)

    def restore(self) -> bool:
        """Make `run/` again if it was deleted under way; return whether it was.

        Raises ConfigError or OSError if that is not possible.
        """
        try:
            found, mine = (self.run_dir / "lock").stat(), os.fstat(self._lock)
            if (found.st_dev, found.st_ino) == (mine.st_dev, mine.st_ino):
                return False
        except FileNotFoundError:
            pass
        self.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        lock = os.open(self.run_dir / "lock", flags, 0o600)
        try:
            _acquire(lock, self.path)
        except ConfigError:
            os.close(lock)
            raise
        _sign(lock)
        os.close(self._lock)
        self._lock = lock
        return True

    def wait_for_predecessor(self) -> None:
        """Wait until the processes of a gateway that was killed have exited."""
        if (before := _read(self.run_dir)) is None:
            return
        limit = time.monotonic() + PREDECESSOR_LIMIT
        for pid in (*before.acceptors.values(), *before.workers.values()):
            with suppress(OSError):  # it has exited
                _wait_for_end(pid, limit)

    def describe(self, running: RunningGateway) -> None:
        """Write the description of the gateway for other commands."""
        draft = self._description.with_suffix(".draft")
        try:
            draft.write_text(json.dumps(asdict(running)) + "\n")
            draft.replace(self._description)
        except OSError as error:  # a full disk must not stop the gateway
            _log.warning("path=%s not written: %s", self._description, error.strerror)

    def close(self) -> None:
        """Remove the description and release the lock."""
        with suppress(OSError):
            self._description.unlink(missing_ok=True)
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _sign(lock: int) -> None:
    """Write the process id into the lock file, for other commands to show."""
    with suppress(OSError):  # the disk may be full
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)


def _acquire(lock: int, data: Path) -> None:
    """Lock; try several times, because `find_running` holds the lock for a moment."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_PAUSE)
        else:
            return
    holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
    raise ConfigError(
        f"a gateway already runs on {data} (pid {holder}): stop it, "
        f"or choose another directory with --data"
    )


def _refusal(data: Path, error: OSError) -> ConfigError:
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        why = "part of the path is not a directory"
    else:
        why = error.strerror or "unknown error"
    return ConfigError(
        f"cannot use the data directory {data}: {why}; "
        f"give user {os.geteuid()} write permission, or choose another with --data"
    )


def _wait_for_end(pid: int, limit: float) -> None:
    pidfd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.poll(max(0.0, limit - time.monotonic()) * 1000)
    finally:
        os.close(pidfd)
