"""Start gateways and commands as processes, wait for them, and leave none behind."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.config import to_toml
from gateway.settings import Settings, from_map, to_map
from tests.patience import WALL
from tests.peers import procfs

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LIMIT = WALL
READY = [{"do": "ready"}]


class Running:
    """A running command whose standard error goes to a file."""

    def __init__(self, arguments: list[str], log: Path, **environment: str) -> None:
        self.log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            )
        assert self.process.stdout is not None
        self._stdout = self.process.stdout

    def line(self) -> str:
        """Return the next line of standard output; empty if the command has ended."""
        readable, _, _ = select.select([self._stdout], [], [], LIMIT)
        assert readable, self.errors
        return self._stdout.readline().rstrip("\n")

    def wait(self) -> int:
        return self.process.wait(LIMIT)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def logged(self, text: str) -> None:
        """Wait for a text on its standard error."""
        procfs.until(lambda: text in self.errors, timeout=LIMIT, what=text)

    @property
    def errors(self) -> str:
        return self.log.read_text()

    def close(self) -> None:
        self.process.kill()
        self.process.wait(LIMIT)
        self._stdout.close()


class Bench:
    """A data directory, and the commands that run on it."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.data = tmp_path / "data"
        self.started: list[Running] = []
        self.seen: set[int] = set()

    def config(self, workers: dict[str, Any] | None = None, **gateway: Any) -> Path:
        settings = to_map(Settings())
        settings["gateway"] |= {"port": 0, "data": str(self.data), "drain_timeout": 5.0}
        # Scripted children are silent: none is replaced for it, and no status tells of it.
        settings["gateway"] |= {"hang_timeout": 0.0, **gateway}
        settings["fabric"]["heartbeat"] = 60.0
        stock = {name: {"enabled": False} for name in settings["workers"]}
        settings["workers"] |= {**stock, **(workers or {})}
        file = self.folder / f"gateway-{len(self.started)}.toml"
        file.write_text(to_toml(from_map(Settings, settings)))
        return file

    def serve(
        self,
        *,
        acceptor: list[dict[str, Any]] = READY,
        workers: dict[str, list[dict[str, Any]]] | None = None,
        processes: int = 1,
        **gateway: Any,
    ) -> Running:
        tables = {
            name: {"processes": processes, "options": {"script": script}}
            for name, script in (workers or {}).items()
        }
        config = self.config(tables, **gateway)
        return self.run(
            *("tests.supervisor.run", "serve", str(config)), ACCEPTOR_SCRIPT=json.dumps(acceptor)
        )

    def run(self, *arguments: str, **environment: str) -> Running:
        log = self.folder / f"stderr-{len(self.started)}"
        running = Running(list(arguments), log, **environment)
        self.started.append(running)
        return running

    def note(self) -> dict[str, Any]:
        """Return the content of run/gateway.json."""
        note = json.loads((self.data / "run" / "gateway.json").read_text())
        self.seen |= {*note["acceptors"].values(), *note["workers"].values()}
        return note

    def close(self) -> None:
        with ExitStack() as stack:
            for running in self.started:
                stack.callback(running.close)
        for pid in self.seen:
            assert ended(pid), f"process {pid} was left behind"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    try:
        yield bench
    finally:
        bench.close()


def ended(pid: int) -> bool:
    """Return whether a process ends while this waits."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], LIMIT)[0])
    finally:
        os.close(pidfd)


def kill(pid: int) -> None:
    """Kill a process and wait for its end."""
    pidfd = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        assert select.select([pidfd], [], [], LIMIT)[0]
    finally:
        os.close(pidfd)
