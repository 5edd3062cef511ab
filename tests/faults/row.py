"""A row of the matrix of faults: which promise, under which fault, and how it is run.

A module in `tests/faults/rows` has a list `ROWS`. The command finds it; nothing else names it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def _option(default: float | str, text: str) -> float | str:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Options:
    """The options of the command; each row reads those that concern it."""

    seconds: float = _option(30.0, "that an attack lasts")
    seed: int = _option(0, "of everything random")
    instances: int = _option(3, "power: stored in each run of the steps")
    every: int = _option(1, "power: cut only at every so-manieth call")
    cuts: int = _option(10, "power: cuts of a whole gateway under load")
    rounds: int = _option(20, "kill: processes killed, one after the other")
    ends: int = _option(200, "leaks: associations that end in each way")
    minutes: float = _option(10.0, "load: that the load lasts")
    reloads: int = _option(100, "reload: under load, one after the other")
    starts: int = _option(100, "knock: servers that are started")
    hosts: int = _option(2, "topology: gateways that share the index")
    foreign: int = _option(100_000, "shared-start: files of another host")
    syscalls: str = _option("", "crash: only these, separated by commas")
    limit: int = _option(0, "crash, start: faults at each system call; 0: all")
    victims: str = _option("acceptor-0,storage-0", "crash: the processes")
    kinds: str = _option("inline,spooled,bucket,checkpoint", "crash: what is stored")
    errors: str = _option("EIO,ENOSPC", "crash: what a system call fails with")
    parts: str = _option("cycles,at_once,huge", "soak: what is done")
    objects: int = _option(100, "soak: big ones at the same moment")
    size: int = _option(100, "soak: MB of each")
    shrink: int = _option(1, "soak: divides the huge one, of 4.1 GiB")
    forwarded: int = _option(1000, "forward: instances that are stored and sent on")
    forward_kills: int = _option(6, "forward: kills while the destination receives")
    cycles: int = _option(20_000, "soak: of associate and abort")


@dataclass(frozen=True)
class Result:
    """What became of a row."""

    ok: bool | None
    """None: it was skipped, for the reason in `text`."""
    runs: int
    """Faults that were made."""
    text: str = ""
    """In a few words: what was measured, or which promise was broken."""

    @property
    def word(self) -> str:
        return {True: "holds", False: "BROKEN", None: "skipped"}[self.ok]


@dataclass(frozen=True)
class Row:
    """A fault, the promise that must hold under it, and the function that tries it."""

    name: str
    promise: str
    """P1 to P12 of the reliability document, or several: "P4 P5"."""
    fault: str
    """In words."""
    run: Callable[[Options], Result]


class BrokenPromise(Exception):  # noqa: N818 - a promise, in words
    """Raised by a row: what was promised and did not hold."""
