"""This gateway beside its peers and beside the limit: `python -m tests.bench peers`.

At each load every round starts each server anew, in turn, in a folder of its own on the same disk;
the tables show medians of the rounds, and ratios. Only figures come out of it: a server that fails
at a load is shown with the reason, and nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import document, plot, tables
from tests.bench.clients import CLIENTS, Load, Measured
from tests.bench.figures import Case, Figures, size_of
from tests.bench.scratch import Scratch, scratch, settle
from tests.bench.sending import FailedError
from tests.bench.servers import chosen

if TYPE_CHECKING:
    from tests.bench.clients import Client
    from tests.bench.servers import Server


@dataclass(frozen=True)
class Range:
    """Of the loads, those that a client is used with, and how many instances it sends."""

    most: int
    """Instances of a measurement."""
    volume: int
    """Bytes of a measurement, unless each association's first instance is more."""
    sizes: int = 1 << 40
    associations: int = 1 << 20


RANGES = {
    "prepared": Range(6000, 1_200_000_000),
    "storescu": Range(3000, 300_000_000, 1 << 20, 10),
    "pynetdicom": Range(1000, 200_000_000, 1 << 20, 10),
}


def load_of(case: Case, seconds: float) -> Load:
    bounds = RANGES[case.client]
    count = max(case.associations, min(bounds.most, bounds.volume // case.size))
    return Load(case.size, case.associations, count, seconds)


def cases(clients: list[Client], sizes: list[int], associations: list[int]) -> list[Case]:
    found = (Case(client.name, s, a) for client in clients for s in sizes for a in associations)
    bounded = ((case, RANGES[case.client]) for case in found)
    return [c for c, to in bounded if c.size <= to.sizes and c.associations <= to.associations]


def visit(server: Server, case: Case, seconds: float, place: Scratch) -> Measured:
    """One server at one load, from its start to its end."""
    try:
        with place.folder() as folder, server.start(folder) as running:
            return CLIENTS[case.client].run(running, load_of(case, seconds), place)
    except (FailedError, OSError, AssertionError) as error:
        return Measured(reason=str(error).partition("\n")[0] or type(error).__name__)
    finally:
        settle()


def run(options: argparse.Namespace, servers: list[Server], wanted: list[Case]) -> Figures:
    figures = Figures({"rounds": options.rounds, "cores": os.cpu_count()})
    begun = time.monotonic()
    with scratch() as place:
        for number, case in enumerate(wanted):
            _progress(f"{number + 1}/{len(wanted)} {case.client} {case.title}", begun)
            for _ in range(options.rounds):
                for server in servers:
                    if not figures.failed(case, server.name):
                        measured = visit(server, case, options.seconds, place)
                        figures.add(case, server.name, measured)
    figures.made_with["seconds"] = round(time.monotonic() - begun)
    return figures


def _progress(text: str, begun: float) -> None:
    print(f"{time.monotonic() - begun:6.0f} s  {text}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", default="8k,512k,30m", help="bytes of pixels")
    parser.add_argument("--associations", default="1,10,100")
    parser.add_argument("--seconds", type=float, default=1.2, help="of each measurement")
    parser.add_argument("--only", default="", metavar="NAME,...", help="servers")
    parser.add_argument("--clients", default="", metavar="NAME,...", help="clients")
    parser.add_argument("--quick", action="store_true", help="one load, one round, within a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write a chart there")
    parser.add_argument(
        "--document",
        action="store_true",
        help="measure with prepared bytes, and write tables and chart into README.md and figures/",
    )
    parser.add_argument("--read", type=Path, metavar="FILE", help="show the figures of a --json")
    return parser


def _measure(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Figures:
    if options.document:
        options.clients = document.CLIENT
    if options.quick:
        options.rounds, options.seconds = 1, min(options.seconds, 0.5)
        options.sizes, options.associations = "512k", "10"
        options.clients = options.clients or "prepared,storescu"
    try:
        servers, absent = chosen(options.only)
        clients = [CLIENTS[name] for name in (options.clients or ",".join(CLIENTS)).split(",")]
        sizes = [size_of(text) for text in options.sizes.split(",")]
        associations = [int(text) for text in options.associations.split(",")]
    except (KeyError, ValueError) as error:
        parser.error(str(error))
    absent |= {client.name: reason for client in clients if (reason := client.absent())}
    clients = [client for client in clients if client.name not in absent]
    figures = run(options, servers, cases(clients, sizes, associations))
    figures.made_with["absent"] = absent
    return figures


def main(arguments: list[str] | None = None) -> None:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.read:
        figures = Figures.from_json(json.loads(options.read.read_text()))
    else:
        figures = _measure(parser, options)
    if options.json:
        options.json.write_text(json.dumps(figures.to_json(), indent=1))
    if options.document:
        document.write(figures)
    if options.svg:
        options.svg.write_text(plot.svg(figures))
    tables.show(figures)


if __name__ == "__main__":
    main()
