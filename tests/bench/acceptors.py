"""Stored instances a second with 1, 2 and 4 acceptors: `python -m tests.bench acceptors`."""

from __future__ import annotations

import argparse
import os
import statistics

from tests.bench.clients import Load, Measured, prepared
from tests.bench.figures import size_of, size_text
from tests.bench.rows import gateway_of, show
from tests.bench.sending import FailedError

_VOLUME = 1_500_000_000
_MOST = 6000


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench acceptors", description=__doc__)
    parser.add_argument("--acceptors", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--sizes", default="8k,512k")
    parser.add_argument("--associations", type=int, default=20)
    parser.add_argument("--durability", choices=("durable", "written"), default="durable")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each measurement")
    options = parser.parse_args(arguments)
    rows = []
    for size in map(size_of, options.sizes.split(",")):
        found: dict[int, list[Measured]] = {}
        for _ in range(options.rounds):
            for acceptors in options.acceptors:
                found.setdefault(acceptors, []).append(_measure(acceptors, size, options))
        base = statistics.median(one.rate for one in found[options.acceptors[0]])
        for acceptors, rounds in found.items():
            reason = next((one.reason for one in rounds if one.reason), "")
            rate = statistics.median(one.rate for one in rounds)
            cells = (
                f"fails: {reason}" if reason else f"{rate:.0f}",
                f"{rate / base:.2f}" if base and not reason else "-",
                f"{statistics.median(one.p99 for one in rounds) * 1e3:.1f}",
                f"{statistics.median(one.server_cpu for one in rounds) * 1e3:.2f}",
                f"{statistics.median(one.memory for one in rounds) / 1e6:.0f}",
            )
            rows.append((size_text(size), str(acceptors), *cells))
    heads = (
        "size",
        "acceptors",
        "instances/s",
        "ratio",
        "p99, ms",
        "CPU of each, ms",
        "memory, MB",
    )
    show(
        f"{options.durability}, {options.associations} associations, {options.rounds} rounds, "
        f"{os.cpu_count()} cores",
        heads,
        rows,
    )


def _measure(acceptors: int, size: int, options: argparse.Namespace) -> Measured:
    config = f'[gateway]\nacceptors = {acceptors}\ndurability = "{options.durability}"\n'
    load = Load(size, options.associations, min(_MOST, _VOLUME // size), options.seconds)
    try:
        with gateway_of(config) as (server, place):
            return prepared(server, load, place)
    except FailedError as failed:
        return Measured(reason=str(failed))


if __name__ == "__main__":
    main()
