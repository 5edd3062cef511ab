"""Store and forward: everything arrives, and nothing twice but what was on its way at a kill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults import forwarding
from tests.faults.healing import Skipped
from tests.faults.row import BrokenPromise, Result, Row

if TYPE_CHECKING:
    from tests.faults.row import Options


def _row(name: str, fault: str, hosts: int = 1, *, postgres: bool = False) -> Row:
    def run(options: Options) -> Result:
        kills = options.forward_kills
        try:
            text = forwarding.forward(options.forwarded, kills, hosts, postgres=postgres)
            return Result(ok=True, runs=kills + 1, text=text)
        except Skipped as reason:
            return Result(ok=None, runs=0, text=str(reason))
        except (BrokenPromise, AssertionError) as broken:
            return Result(ok=False, runs=kills + 1, text=str(broken))

    return Row(name, "P4", fault, run)


ROWS = [
    _row("forward", "a destination is down for a transfer, then every process is killed"),
    _row("forward-database", "the same, and PostgreSQL is restarted", postgres=True),
    _row("forward-hosts", "the same with two hosts that share an index", 2, postgres=True),
]
