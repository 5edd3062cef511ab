"""User-space instructions of the children of a gateway, counted by Valgrind's callgrind.

Instruction counts hardly depend on what else the machine does, and so show what a change costs
where times would show noise. Counting is off until all is started and warmed up.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.bench import unhurried_child
from tests.bench.programs import AbsentError
from tests.bench.sending import FailedError
from tests.bench.wrapped import PATIENCE, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.bench.wrapped import WrappedGateway

_LOOP = """
import sys
class Item:
    __slots__ = ("key", "total")
    def __init__(self, key, total):
        self.key = key
        self.total = total
    def add(self, number):
        self.total += number
        return self.total
def run(count):
    totals = {}
    data = bytes(64)
    for number in range(count):
        item = Item(number, 1)
        totals[number & 255] = item.add(number)
        shown = (data[:6], len(data), item.key)
    return shown
run(int(sys.argv[1]))
"""
_FEW, _MANY = 1_000, 21_000
_COPIES = "GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=1000000000"
"""The C library copies with vector instructions. Callgrind counts each byte of a `rep movsb`, of
which a processor retires one; a copy of 8 KB would cost as much as 50 calls in Python."""


def check() -> None:
    """Raise AbsentError where valgrind is not installed."""
    for program in ("valgrind", "callgrind_control"):
        if shutil.which(program) is None:
            raise AbsentError(f"valgrind is not installed (no {program})")


def instructions_of_a_turn(folder: Path) -> float:
    """Return what one turn of a fixed loop takes under this interpreter, its start excluded."""
    few, many = (_instructions(folder / f"loop-{count}", count) for count in (_FEW, _MANY))
    return (many - few) / (_MANY - _FEW)


def _instructions(out: Path, count: int) -> int:
    command = [*_python(str(out)), "-I", "-S", "-c", _LOOP, str(count)]
    subprocess.run(command, check=True, timeout=PATIENCE)
    return _total(out)


def _python(out: str, *options: str) -> list[str]:
    valgrind = [
        "env",
        _COPIES,
        "valgrind",
        "--quiet",
        "--tool=callgrind",
        f"--callgrind-out-file={out}",
    ]
    return ["env", _COPIES, *valgrind, *options, sys.executable]


def _total(out: Path) -> int:
    found = re.search(r"^totals: (\d+)", out.read_text(), re.MULTILINE)
    if found is None:
        raise FailedError(f"callgrind wrote no total to {out}")
    return int(found[1])


class Counter:
    """A gateway with children whose instructions can be counted."""

    def __init__(self, folder: Path, gateway: WrappedGateway) -> None:
        self._folder = folder
        self._dumps = 0
        self.gateway = gateway

    @contextmanager
    def counted(self) -> Iterator[dict[str, int]]:
        """Count what each child executes in the block; filled in by child at its end."""
        totals: dict[str, int] = {}
        self._control("--instr=on")
        yield totals
        self._dumps += 1
        self._control("--dump")
        for name, pid in self.gateway.pids.items():
            totals[name] = _total(self._folder / f"callgrind.{pid}.{self._dumps}")
        self._control("--instr=off")

    def _control(self, option: str) -> None:
        for pid in self.gateway.pids.values():
            command = ["callgrind_control", option, str(pid)]
            subprocess.run(command, check=True, timeout=PATIENCE, capture_output=True)


@contextmanager
def counting(
    folder: Path, names: Sequence[str], script: str = unhurried_child.__file__, config: str = ""
) -> Iterator[Counter]:
    """A gateway in `folder` that runs with the children `names` under callgrind.

    `script` is the program that starts each of them; `config` is more configuration.
    """
    python = [*_python(f"{folder}/callgrind.%p", "--instr-atstart=no"), script]
    with wrapped(folder, dict.fromkeys(names, python), config) as gateway:
        yield Counter(folder, gateway)
