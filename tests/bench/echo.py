"""C-ECHO on one association while others store: `python -m tests.bench echo`.

What an operation waits for that has nothing to wait for: the work of others in the same process.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tests.bench.clients import warm
from tests.bench.figures import size_of, size_text
from tests.bench.rows import gateway_of, show
from tests.bench.sending import FIRST, Outcome, Plan, send, sender

if TYPE_CHECKING:
    from tests.peers.raw import Address

_MANY = 1_000_000


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench echo", description=__doc__)
    parser.add_argument("--associations", type=int, default=25, help="that store")
    parser.add_argument("--size", type=size_of, default=512 * 1024)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args(arguments)
    rows = []
    for durability in ("durable", "written"):
        with gateway_of(f'[gateway]\ndurability = "{durability}"\n') as (server, place):
            data = place.prepared(options.size)
            first = FIRST + warm(server, data)
            idle = _echo(server.address, options.seconds)
            # It stores for longer than the echoes take, and on both sides of them.
            plan = Plan(options.associations, _MANY, options.seconds + 1, data=data, first=first)
            with sender(server.address, plan) as stores:
                stores.begin()
                busy = _echo(server.address, options.seconds)
                stored = stores.outcome()
        rows.append((f"{durability}, idle", *_cells(idle), "-"))
        busy_title = f"{durability}, {options.associations} store {size_text(options.size)}"
        rows.append((busy_title, *_cells(busy), f"{stored.rate:.0f}"))
    heads = ("gateway", "echoes/s", "p50, ms", "p99, ms", "longest, ms", "stored/s")
    show("C-ECHO, one after the other on one association", heads, rows)


def _echo(address: Address, seconds: float) -> Outcome:
    return send(address, Plan(count=_MANY, seconds=seconds))


def _cells(outcome: Outcome) -> tuple[str, ...]:
    times = (outcome.p50, outcome.p99, outcome.longest)
    return (f"{outcome.rate:.0f}", *(f"{one * 1e3:.2f}" for one in times))


if __name__ == "__main__":
    main()
