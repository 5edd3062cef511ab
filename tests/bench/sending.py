"""The sender: prepared bytes on many associations, in a process of its own (`sender.c`)."""

from __future__ import annotations

import json
import select
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from tests.bench.programs import compiled
from tests.bench.scratch import settle
from tests.peers import wire

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from tests.bench.scratch import Prepared
    from tests.peers.raw import Address

FIRST = 1_000_001
"""The first of the numbers that UIDs end with."""

READY = 60.0
"""Seconds within which all associations must be up."""
GRACE = 10.0


class FailedError(Exception):
    """A server, or a client, could not do what was asked; the reason is shown."""


@dataclass(frozen=True)
class Outcome:
    """The results of one load on the side of the client."""

    acknowledged: int
    seconds: float
    failed: int = 0
    cpu: float = 0.0
    """Seconds that the client itself took."""
    p50: float = 0.0
    p99: float = 0.0
    longest: float = 0.0
    reason: str = ""
    """Empty if all went well."""

    @property
    def rate(self) -> float:
        return self.acknowledged / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True)
class Plan:
    """The task of a sender, until `count` operations or `seconds` are over."""

    associations: int = 1
    count: int = 100
    seconds: float = 60.0
    limit: float = 60.0
    """Seconds until it gives up what is unanswered."""
    data: Prepared | None = None
    """None: C-ECHO."""
    first: int = FIRST
    only_associations: bool = False
    """Set up and release, nothing else."""


class Sender:
    """A client that speaks the sender's lines. As a context manager it associates, and releases."""

    def __init__(self, *command: object, limit: float, cwd: Path | None = None) -> None:
        self._limit = limit
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=cwd,
            text=True,
        )

    def __enter__(self) -> Sender:
        try:
            self._line(READY)
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError, subprocess.TimeoutExpired):
            self._close(self.process.stdin)
            self.process.wait(GRACE)
        self._kill()

    def begin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def outcome(self) -> Outcome:
        """Wait for its end."""
        return Outcome(**self._line(self._limit + GRACE))

    def run(self) -> Outcome:
        self.begin()
        return self.outcome()

    def _line(self, seconds: float) -> dict:
        stdout = self.process.stdout
        assert stdout is not None
        if not select.select([stdout], (), (), seconds)[0]:
            raise FailedError(f"no word from the sender within {seconds:.0f} s")
        told = json.loads(stdout.readline() or '{"reason": "the sender broke off"}')
        if set(told) == {"reason"}:
            raise FailedError(told["reason"])
        return told

    def _kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):  # what it did not read any more
                self._close(pipe)

    @staticmethod
    def _close(pipe: IO[str] | None) -> None:
        if pipe is not None:
            pipe.close()


def sender(address: Address, plan: Plan) -> Sender:
    """The bench's own: prepared bytes, C-ECHO or associations only."""
    options = {
        "--port": address[1],
        "--associations": plan.associations,
        "--count": plan.count,
        "--seconds": plan.seconds,
        "--limit": plan.limit,
        "--first": plan.first,
    }
    if plan.data is not None:
        options |= {"--file": plan.data.path, "--uid": plan.data.uid}
    else:
        options |= {"--sop-class": wire.VERIFICATION}
    command = [compiled("sender"), *(part for pair in options.items() for part in pair)]
    if plan.only_associations:
        command.append("--associate")
    return Sender(*command, limit=plan.limit)


def send(address: Address, plan: Plan) -> Outcome:
    """All of a plan; raises FailedError if anything was not acknowledged."""
    with sender(address, plan) as client:
        outcome = client.run()
    if outcome.reason or outcome.failed:
        raise FailedError(outcome.reason)
    return outcome


def measure(address: Address, associations: int, count: int, data: Prepared) -> float:
    """Instances a second of one load, on a server that was warmed up with the same."""
    send(address, Plan(associations, associations, data=data))
    settle()
    return send(address, Plan(associations, count, data=data, first=FIRST + associations)).rate
