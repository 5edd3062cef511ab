"""The long runs: kills and failed calls at each step, power cuts, big objects, many cycles."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from tests.faults import leaks, load
from tests.faults.row import Result, Row

if TYPE_CHECKING:
    from tests.faults.row import Options

_SKIPPED = 2


def _row(name: str, promise: str, fault: str) -> Row:
    """Return the row of a module whose `run` prints by itself and returns an exit status."""

    def run(options: Options) -> Result:
        status: int = import_module(f"tests.faults.{name.replace('-', '_')}").run(options)
        if status == _SKIPPED:
            return Result(ok=None, runs=0, text="what it needs is missing here, as it says above")
        return Result(ok=status == 0, runs=1, text="as it says above")

    return Row(name, promise, fault, run)


ROWS = [
    _row("kill", "P1 P11", "kill -9 of any process at a random moment under load"),
    _row("shared-kill", "P1 P11", "the same with the index in PostgreSQL"),
    _row("crash", "P1 P2", "kill, or a failed call, at each system call of a store"),
    _row("power", "P1", "the power is cut at each step of a commit (root; ext4, XFS, Btrfs)"),
    _row("start", "P11", "kill at each call with which a start clears up"),
    Row("leaks", "P4", "associations that end in each way, 200 times", leaks.run),
    Row("load", "P4", "full load with faults for minutes: memory is plotted", load.run),
    _row("soak", "P4", "big objects at once, a huge one, 20,000 associations"),
]
