"""A gateway whose children start by commands of the bench's choice, such as below valgrind.

`serve` starts its children as `sys.executable -P -m MODULE NAME`. This module, run as a program in
place of `dicom-gateway`, names a shell script there: it starts the children that are to be measured
by another command, and all others as they are. The gateway itself knows nothing of it.
"""

from __future__ import annotations

import shlex
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.bench.sending import FailedError
from tests.peers import procfs
from tests.peers.process import READY, Program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.peers.raw import Address

PATIENCE = 300.0
"""Seconds for a start or an end; both are slow below valgrind."""

CONFIG = """
[gateway]
drain_timeout = 60.0
[fabric]
heartbeat = {heartbeat}
[association]
artim_timeout = 600.0
acse_timeout = 600.0
dimse_timeout = 600.0
network_timeout = 600.0
send_timeout = 600.0
"""
"""No timer fires because a process is fifty times slower than it would be."""


class WrappedGateway:
    """A gateway that runs; `pids` has the children that were started by another command."""

    def __init__(
        self, folder: Path, commands: Mapping[str, Sequence[str]], more: str, heartbeat: float
    ) -> None:
        script, config = folder / "start-child", folder / "gateway.toml"
        script.write_text(_script(commands))
        script.chmod(0o700)
        config.write_text(CONFIG.format(heartbeat=heartbeat) + more)
        serve = ["serve", "--port", "0", "--data", folder / "data", "--config", config]
        self._program = Program(sys.executable, "-m", __spec__.name, script, *serve)
        try:
            ready = self._program.out.wait_for(READY, timeout=PATIENCE)
            self.address: Address = (ready["host"], int(ready["port"]))
            self.pids = {name: self._child(name) for name in commands}
        except AssertionError as error:
            self._program.kill_all()
            raise FailedError(f"the gateway did not start: {error}") from None

    @property
    def page(self) -> str:
        """The address of the page, with its token."""
        return self._program.out.wait_for(r"page for operators: (\S+)", timeout=PATIENCE)[1]

    def stop(self) -> None:
        """Have it leave; raises FailedError if it fails to."""
        self._program.terminate()
        if status := self._program.wait():
            raise FailedError(f"the gateway left with exit status {status}")

    def close(self) -> None:
        """Leave no process behind."""
        if self._program.popen.poll() is None:
            self._program.kill_all()

    def _child(self, name: str) -> int:
        pid = procfs.find_child(self._program.pid, name)
        assert pid is not None, f"there is no child {name}"
        return pid


def _script(commands: Mapping[str, Sequence[str]]) -> str:
    """The last argument of a child is its name."""
    cases = "".join(
        f'*" {name}") exec {shlex.join(command)} "$@" ;;\n' for name, command in commands.items()
    )
    return f'#!/bin/sh\ncase "$*" in\n{cases}*) exec {shlex.quote(sys.executable)} "$@" ;;\nesac\n'


@contextmanager
def wrapped(
    folder: Path,
    commands: Mapping[str, Sequence[str]],
    more: str = "",
    *,
    heartbeat: float = 60.0,
) -> Iterator[WrappedGateway]:
    """A gateway with the children named in `commands` started as `COMMAND -P -m MODULE NAME`.

    `more` is configuration besides.
    """
    gateway = WrappedGateway(folder, commands, more, heartbeat)
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.close()


def main() -> None:
    """Run `dicom-gateway` with the first argument as the interpreter of its children."""
    sys.executable = sys.argv.pop(1)
    from gateway.cli import main as dicom_gateway

    dicom_gateway()


if __name__ == "__main__":
    main()
