"""Run `dicom-gateway` commands as a user would: as processes, with a deadline on everything."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from io import BytesIO
from pathlib import Path

from tests.patience import WALL
from tests.peers import procfs

COMMAND = str(Path(sys.executable).parent / "dicom-gateway")
F_SETPIPE_SZ = 1031
READY = re.compile(r"dicom-gateway ready: (?P<host>[^\s:]+):(?P<port>\d+) (?P<rest>.*)")


class Lines:
    """Collects a stream's lines in a thread and lets a test wait for one."""

    def __init__(self, stream) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for raw in self._stream:
            with self._changed:
                self._lines.append(raw.decode(errors="replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for(self, pattern: str | re.Pattern[str], *, timeout: float = WALL) -> re.Match[str]:
        """The first match in any line, those that came before the call included."""
        found: list[re.Match[str]] = []
        wanted = re.compile(pattern)
        seen = 0

        def look() -> bool:
            nonlocal seen
            for line in self._lines[seen:]:
                seen += 1
                if match := wanted.search(line):
                    found.append(match)
                    return True
            return self._ended

        with self._changed:
            self._changed.wait_for(look, timeout)
        if not found:
            state = "the stream ended" if self._ended else f"not within {timeout} s"
            raise AssertionError(f"no line like {wanted.pattern!r}: {state}\n{self.text}")
        return found[0]

    def forget(self) -> None:
        """Ignore the output so far."""
        with self._changed:
            self._lines.clear()

    @property
    def text(self) -> str:
        return "\n".join(self._lines)

    @property
    def lines(self) -> list[str]:
        return list(self._lines)

    def join(self) -> None:
        self._thread.join(WALL)
        self._stream.close()


def _small_pipe() -> tuple[int, int]:
    """Return both ends of a pipe with room for a page; where that cannot be set, for the usual."""
    unread, pipe = os.pipe()
    with suppress(OSError):
        fcntl.fcntl(pipe, F_SETPIPE_SZ, 4096)
    return unread, pipe


UNASKED = ("web", "commitment")
"""Stock workers that gateways of tests have only if their configuration names them: all would want
to serve the page at one port, and few need either."""

_BUFFERED = {"PYTHONUNBUFFERED": ""}
"""So that a flushed `print` of a worker is one write: lines of several processes do not mix."""


class Program:
    """One process with both outputs collected, or a standard error that nobody reads."""

    def __init__(
        self,
        *command: object,
        cwd: Path | None = None,
        env: dict | None = None,
        reads_err: bool = True,
    ) -> None:
        self.command = [str(part) for part in command]
        unread, pipe = (-1, subprocess.PIPE) if reads_err else _small_pipe()
        self.popen = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=pipe,
            cwd=cwd,
            env={**os.environ, **_BUFFERED, **(env or {})},
            start_new_session=True,
        )
        self.out = Lines(self.popen.stdout)
        if reads_err:
            self.err = Lines(self.popen.stderr)
        else:
            os.close(pipe)
            self.err = Lines(BytesIO())
            weakref.finalize(self, os.close, unread)

    @property
    def pid(self) -> int:
        return self.popen.pid

    def wait_begun(self, lines: Lines, pattern: str | re.Pattern[str]) -> re.Match[str]:
        """Until it prints that it is at work; one that does not is ended, and fails the test."""
        try:
            return lines.wait_for(pattern)
        except BaseException as error:
            self.kill_all()
            if isinstance(error, AssertionError):
                raise AssertionError(f"{error}\n{self.report()}") from None
            raise

    def terminate(self) -> None:
        self.popen.send_signal(signal.SIGTERM)

    def wait(self, timeout: float = WALL) -> int:
        """The exit status; a process that does not leave in time is killed and fails the test."""
        try:
            status = self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise AssertionError(f"still running after {timeout} s: {self.report()}") from None
        self.out.join()
        self.err.join()
        return status

    def kill_all(self) -> None:
        """The last resort: the process and everything below it."""
        below = procfs.descendants(self.pid)
        for pid in [self.pid, *below]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.popen.wait(WALL)
        self.out.join()
        self.err.join()

    def report(self) -> str:
        return "\n".join(
            (
                " ".join(self.command),
                f"exit status {self.popen.poll()}",
                "--- standard output",
                self.out.text,
                "--- standard error",
                self.err.text,
            )
        )


class Gateway:
    """A `dicom-gateway serve` on a port of the kernel's choice."""

    def __init__(
        self,
        folder: Path,
        *,
        config: str = "",
        options: tuple[str, ...] = (),
        reads_log: bool = True,
        within: tuple[str, ...] = (),
        modules: Path | None = None,
    ) -> None:
        """Start it: by the command `within`, with the program's modules in the folder `modules`."""
        self.folder = folder
        self.data = folder / "data"
        command = [*within, COMMAND, "serve", "--port", "0", "--data", str(self.data), *options]
        if config:
            path = folder / "gateway.toml"
            path.write_text(config)
            command += ["--config", str(path)]
        env = {
            f"DICOM_GATEWAY_WORKERS__{name.upper()}__ENABLED": "false"
            for name in UNASKED
            if f"[workers.{name}]" not in config
        }
        if modules is not None:
            env["PYTHONPATH"] = str(modules)
        self.program = Program(*command, cwd=folder, env=env, reads_err=reads_log)
        match = self.program.wait_begun(self.program.out, READY)
        self.ready_line = match.group(0)
        self.address = (match["host"], int(match["port"]))
        self.family: set[int] = self.children()

    @property
    def pid(self) -> int:
        return self.program.pid

    @property
    def archive(self) -> Path:
        return self.data / "archive"

    @property
    def spool(self) -> Path:
        return self.data / "spool"

    def children(self) -> set[int]:
        return procfs.descendants(self.pid)

    def child(self, name: str) -> int:
        """The living child of that name (`acceptor-0`, `storage-0`)."""
        pid = procfs.find_child(self.pid, name)
        assert pid is not None, f"no child {name}: {self.describe()}"
        return pid

    def wait_child(self, name: str, *, other_than: int = 0) -> int:
        """The child of that name once it is there, and is not the one that died."""

        def look() -> int:
            pid = procfs.find_child(self.pid, name) or 0
            return 0 if pid == other_than else pid

        return procfs.until(look, what=f"a new {name}")

    def describe(self) -> str:
        return "; ".join(f"{p} {procfs.command_line(p)}" for p in sorted(self.children()))

    def stop(self) -> int:
        """SIGTERM; the exit status. Fails if a child outlives it."""
        if self.program.popen.poll() is not None:
            return self.program.wait()
        family = self.family | self.children()
        self.program.terminate()
        status = self.program.wait()
        left = procfs.wait_gone(family)
        told = {pid: procfs.command_line(pid) for pid in left}
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert not left, f"children outlived the supervisor: {told}\n{self.program.report()}"
        return status

    def close(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self.program.popen.poll() is None:
            self.program.kill_all()
        for pid in self.family:
            if procfs.alive(pid) and "gateway" in procfs.command_line(pid):
                os.kill(pid, signal.SIGKILL)


def run_cli(*args: object, cwd: Path | None = None, env: dict | None = None):
    """Run a `dicom-gateway` command to its end; the finished Program."""
    program = Program(COMMAND, *args, cwd=cwd, env=env)
    program.wait()
    return program
