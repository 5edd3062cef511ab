"""Child processes: started with settings and descriptors, and reporting to their parent.

Two pipes connect parent and child. On the first the parent writes the settings, one line of JSON,
and then keeps the pipe open as a *lifeline*: its end of file tells the child that the parent is
gone, however it died. The parent may write *orders* on it, one line of JSON each. On the second the
child writes *reports*, one line of JSON each; its end of file tells the parent that the child is
gone. A child that is ready reports about once a second, from the loop that does its work, so that
the parent notices if that hangs.

A child is exec'ed, never forked with threads, event loops or sockets. It has a session of its own,
so that Ctrl-C on a terminal reaches only the parent, which stops its children in order.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

EXIT_FAILED = 1
"""Any failure after which a restart may help."""
EXIT_CONFIG = 2
"""A setting is wrong: a child that has never been ready is not restarted."""
EXIT_REFUSED = 3
"""Another worker holds the event: a restart waits until that has left."""
EXIT_SUPERSEDED = 4
"""A newer generation took over: a restart would compete with it."""

LIFELINE_GRACE = 2.0
"""Seconds that a child has to exit by itself when its parent is gone."""

_VARIABLE = "GATEWAY_INHERITED"
_LONGEST_REPORT = 256 * 1024
"""More than what an acceptor reports of a worker that names as many SOP classes as it may."""


def describe_exit(status: int) -> str:
    """Return an exit status of `Child.wait` as text."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


# In the child


@dataclass(frozen=True, slots=True)
class Inherited:
    """The descriptors and settings that a child got from its parent."""

    name: str
    settings: dict[str, Any]
    fds: dict[str, int]
    """Descriptors by the names that the parent gave them; closed on a further exec."""
    lifeline: int
    """Readable if there are orders of the parent, or (end of file) if it is gone: exit at once."""
    _reports: int
    _unsent: bytearray = field(default_factory=bytearray)
    """The rest of a report that the pipe had no room for."""
    _sending: threading.Lock = field(default_factory=threading.Lock)
    _orders: bytearray = field(default_factory=bytearray)

    def report(self, **fields: Any) -> None:
        """Send a report to the parent; ignored if the parent is gone."""
        line = _encode_report(fields)
        with self._sending:
            self._unsent.extend(line)
            while not self._send():
                poll = select.poll()
                poll.register(self._reports, select.POLLOUT)
                poll.poll()

    def beat(self, **fields: Any) -> None:
        """Send a report as a sign of life; dropped if the parent does not read. Never waits."""
        with self._sending:
            if self._send():
                self._unsent.extend(_encode_report(fields))
                self._send()

    def _send(self) -> bool:
        """Write what the pipe has room for; return whether that was everything."""
        try:
            while self._unsent:
                del self._unsent[: os.write(self._reports, self._unsent)]
        except BlockingIOError:
            return False
        except BrokenPipeError:
            self._unsent.clear()
        return True

    def read_orders(self) -> list[dict[str, Any]] | None:
        """Return the orders that have arrived, None if the parent is gone; waits for one of both.

        For a child that watches `lifeline`; others leave the orders unread.
        """
        if not (piece := os.read(self.lifeline, _LONGEST_REPORT)):
            return None
        *lines, rest = bytes(self._orders + piece).split(b"\n")
        self._orders[:] = rest
        return [json.loads(line) for line in lines]


def _encode_report(fields: dict[str, Any]) -> bytes:
    line = json.dumps(fields, default=str).encode() + b"\n"
    if len(line) > _LONGEST_REPORT:
        raise ValueError(f"a report of {len(line)} bytes exceeds {_LONGEST_REPORT}")
    return line


def inherit() -> Inherited:
    """Return what the parent passed to this child; to be called once, when the child starts.

    From here on the process ends within `LIFELINE_GRACE` seconds of its parent, even if its own
    code hangs.
    """
    handed = os.environ.pop(_VARIABLE, None)
    if handed is None:
        print("this module is started by `dicom-gateway` only", file=sys.stderr)  # noqa: T201
        sys.exit(EXIT_CONFIG)
    places = json.loads(handed)
    fds: dict[str, int] = places["fds"]
    lifeline: int = places["settings"]
    reports: int = places["reports"]
    for fd in (lifeline, reports, *fds.values()):
        os.set_inheritable(fd, False)
    os.set_blocking(reports, False)
    settings = _read_settings(lifeline)
    threading.Thread(
        target=_leave_with_parent, args=(os.dup(lifeline),), name="lifeline", daemon=True
    ).start()
    return Inherited(places["name"], settings, fds, lifeline, reports)


def _read_settings(fd: int) -> dict[str, Any]:
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(fd, 64 * 1024)
        if not piece:  # the parent died while it started this child
            sys.exit(EXIT_FAILED)
        line += piece
    settings: dict[str, Any] = json.loads(line)
    return settings


def _leave_with_parent(fd: int) -> NoReturn:
    """Exit after the parent is gone; a thread does so even if the event loop hangs."""
    poll = select.poll()
    poll.register(fd, 0)  # POLLHUP is always reported
    poll.poll()
    time.sleep(LIFELINE_GRACE)
    os._exit(EXIT_FAILED)


# In the parent


class Child:
    """A running child, as its parent sees it."""

    def __init__(
        self,
        name: str,
        process: asyncio.subprocess.Process,
        lifeline: asyncio.WriteTransport,
        reports: _Reports,
    ) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._lifeline = lifeline
        self._reports = reports

    async def next_report(self, timeout: float | None = None) -> dict[str, Any] | None:  # noqa: ASYNC109
        """Return the next report, None if the child is gone; raises TimeoutError."""
        return await asyncio.wait_for(self._reports.next(), timeout)

    async def wait(self) -> int:
        """Return the exit status, or the negative signal number; reports can still be read."""
        status = await self._process.wait()
        self._lifeline.close()
        await self._reports.ended()
        return status

    def order(self, **fields: Any) -> None:
        """Send an order to the child; ignored if the child is gone."""
        if not self._lifeline.is_closing():
            self._lifeline.write(json.dumps(fields).encode() + b"\n")

    def terminate(self) -> None:
        """Ask the child to exit (SIGTERM)."""
        with suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """Kill the child (SIGKILL)."""
        with suppress(ProcessLookupError):
            self._process.kill()


class _Reports(asyncio.Protocol):
    """The reports of a child in order, followed by None."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._rest = b""
        self._lost = asyncio.Event()
        self._transport: asyncio.ReadTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.ReadTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:_LONGEST_REPORT]
        for line in lines:
            with suppress(ValueError):  # a report that is incomplete because the child died
                report = json.loads(line)
                if isinstance(report, dict):
                    self._queue.put_nowait(report)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._queue.put_nowait(None)
        self._lost.set()

    async def next(self) -> dict[str, Any] | None:
        report = await self._queue.get()
        if report is None:
            self._queue.put_nowait(None)
        return report

    async def ended(self) -> None:
        """Wait until everything is read, but not long: a grandchild may hold the pipe open."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._lost.wait(), 1.0)
        self.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def spawn(
    module: str, *, name: str, settings: dict[str, Any], fds: Mapping[str, int] | None = None
) -> Child:
    """Start `python -m MODULE NAME` with `settings` and the descriptors `fds`.

    Standard output and error are inherited, standard input is not. The working directory is not on
    the child's module path, so that a file in it cannot replace a module of the program.
    """
    loop = asyncio.get_running_loop()
    fds = dict(fds or {})
    with ExitStack() as undo, ExitStack() as childs_ends:
        settings_end, lifeline_fd = os.pipe()
        childs_ends.callback(os.close, settings_end)
        lifeline, _ = await loop.connect_write_pipe(
            asyncio.BaseProtocol, os.fdopen(lifeline_fd, "wb", 0)
        )
        undo.callback(lifeline.close)
        reports_fd, reports_end = os.pipe()
        childs_ends.callback(os.close, reports_end)
        _, reports = await loop.connect_read_pipe(_Reports, os.fdopen(reports_fd, "rb", 0))
        undo.callback(reports.close)
        handed = {"name": name, "settings": settings_end, "reports": reports_end, "fds": fds}
        process = await asyncio.create_subprocess_exec(
            *_command(module, name),
            stdin=subprocess.DEVNULL,
            pass_fds=(settings_end, reports_end, *fds.values()),
            env=_environment(json.dumps(handed)),
            start_new_session=True,
        )
        undo.pop_all()
    lifeline.write(json.dumps(settings).encode() + b"\n")
    return Child(name, process, lifeline, reports)


def launch(
    module: str, *, name: str, settings: dict[str, Any], fds: Mapping[str, int] | None = None
) -> Launched:
    """Start a child as `spawn` does, for a parent without an event loop."""
    fds = dict(fds or {})
    with ExitStack() as undo, ExitStack() as childs_ends:
        settings_end, lifeline = os.pipe()
        childs_ends.callback(os.close, settings_end)
        undo.callback(os.close, lifeline)
        reports, reports_end = os.pipe()
        childs_ends.callback(os.close, reports_end)
        undo.callback(os.close, reports)
        handed = {"name": name, "settings": settings_end, "reports": reports_end, "fds": fds}
        process = subprocess.Popen(
            _command(module, name),
            stdin=subprocess.DEVNULL,
            pass_fds=(settings_end, reports_end, *fds.values()),
            env=_environment(json.dumps(handed)),
            start_new_session=True,
        )
        undo.pop_all()
    with suppress(BrokenPipeError):  # the child died at once, and will not report
        _write(lifeline, json.dumps(settings).encode() + b"\n")
    return Launched(name, process, lifeline, reports)


class Launched:
    """A child of a parent without an event loop; may be used by any thread."""

    def __init__(
        self, name: str, process: subprocess.Popen[bytes], lifeline: int, reports: int
    ) -> None:
        self.name = name
        self.pid = process.pid
        self.reports = reports
        """A descriptor that is readable if there is a report or the child is gone."""
        self._process = process
        self._lifeline = lifeline
        self._rest = b""

    def order(self, **fields: Any) -> None:
        """Send an order to the child; ignored if the child is gone."""
        with suppress(BrokenPipeError):
            _write(self._lifeline, json.dumps(fields).encode() + b"\n")

    def next_report(self, timeout: float) -> dict[str, Any] | None:
        """Return the next report, None if the child is gone; raises TimeoutError."""
        until = time.monotonic() + timeout
        while b"\n" not in self._rest:
            left = max(0.0, until - time.monotonic())
            poll = select.poll()
            poll.register(self.reports, select.POLLIN)
            if not poll.poll(left * 1000):
                raise TimeoutError(f"{self.name} has not reported for {timeout:g} s")
            piece = os.read(self.reports, _LONGEST_REPORT)
            if not piece:
                return None
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        report: dict[str, Any] = json.loads(line)
        return report

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status; raises TimeoutError if the child does not exit in time."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.name} has not exited within {timeout:g} s") from None

    @property
    def is_gone(self) -> bool:
        return self._process.poll() is not None

    def close(self) -> None:
        """Close the pipes to a child that is gone."""
        for fd in (self._lifeline, self.reports):
            with suppress(OSError):
                os.close(fd)

    def terminate(self) -> None:
        """Ask the child to exit (SIGTERM)."""
        self._process.terminate()

    def kill(self) -> None:
        """Kill the child (SIGKILL)."""
        self._process.kill()


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _command(module: str, name: str) -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", module, name)


def _environment(handed: str) -> dict[str, str]:
    """Return the parent's environment, with the modules of a checkout that is not installed."""
    environment = {**os.environ, _VARIABLE: handed}
    root = Path(__file__).resolve().parent.parent
    # Installed packages must not precede the standard library.
    if root.name not in ("site-packages", "dist-packages"):
        before = os.environ.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join([str(root), *([before] if before else [])])
    return environment
