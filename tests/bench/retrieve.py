"""C-GET, C-MOVE and C-FIND beside dcmqrscp and Orthanc: `python -m tests.bench retrieve`.

One study is in the archive of each; each association retrieves all of it, or asks for all of its
instances. The client takes what comes and keeps nothing, and the bare sink is the destination. With
`--before`, a checkout of an earlier commit answers in the same run.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from tests.bench import bar, document, tree
from tests.bench.archives import archives
from tests.bench.clients import Measured
from tests.bench.figures import Case, Figures, size_of
from tests.bench.programs import compiled
from tests.bench.rows import show
from tests.bench.scratch import scratch, settle
from tests.bench.sending import FIRST, FailedError, Plan, Sender, send
from tests.bench.servers import sink
from tests.peers import wire

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.scratch import Prepared, Scratch
    from tests.bench.servers import Running, Server

_ROOT = "1.2.840.10008.5.1.4.1.2.2."
OPERATIONS = {"C-GET": (f"{_ROOT}3", 0x0010), "C-MOVE": (f"{_ROOT}2", 0x0021)}
OPERATIONS["C-FIND"] = f"{_ROOT}1", 0x0020
LIMIT = 120.0
"""Seconds after which a retrieval is given up."""


def identifier(operation: str, study: str) -> bytes:
    """Return the keys of a study, or of all of its instances (C-FIND)."""
    series = f"{study.rpartition('.')[0]}.2"
    if operation != "C-FIND":
        level = wire.element(0x0052, b"STUDY ", group=0x0008)
        return level + wire.element(0x000D, wire.uid_value(study), group=0x0020)
    keys = wire.element(0x0018, b"", group=0x0008) + wire.element(0x0052, b"IMAGE ", group=0x0008)
    keys += wire.element(0x000D, wire.uid_value(study), group=0x0020)
    keys += wire.element(0x000E, wire.uid_value(series), group=0x0020)
    return keys + wire.element(0x0013, b"", group=0x0020)


def take(server: Running, operation: str, study: str, associations: int, place: Path) -> Sender:
    """Return a client that performs an operation on each of its associations."""
    model, field = OPERATIONS[operation]
    keys = place / f"keys-{operation}"
    keys.write_bytes(identifier(operation, study))
    options = {
        "--port": server.address[1],
        "--associations": associations,
        "--model": model,
        "--field": field,
        "--identifier": keys,
    }
    arguments = (part for pair in options.items() for part in pair)
    return Sender(compiled("taker"), *arguments, limit=LIMIT)


def stored(server: Running, data: Prepared, count: int) -> str:
    """Store that many instances; return the UID of their study."""
    send(server.address, Plan(count=count, limit=LIMIT, data=data, first=FIRST))
    return f"{data.uid.rpartition('.')[0]}.1"


def measure(
    server: Server, place: Scratch, size: int, count: int, associations: tuple[int, ...]
) -> dict[Case, Measured]:
    """Return the figures by operation and number of associations, of a server that is started."""
    found = {}
    with place.folder() as folder, server.start(folder) as running:
        study = stored(running, place.prepared(size), count)
        settle()
        for operation in OPERATIONS:
            with take(running, operation, study, 1, folder) as client:
                client.run()  # the files are cached, and the code is warm
            for number in associations:
                with take(running, operation, study, number, folder) as client:
                    found[Case(operation, size, number)] = _one(running, client, count * number)
    return found


def _one(server: Running, client: Sender, wanted: int) -> Measured:
    before = tree.cpu(server.pid)
    outcome = client.run()
    used = tree.cpu(server.pid) - before
    if outcome.reason or outcome.acknowledged != wanted:
        raise FailedError(f"{outcome.acknowledged} of {wanted} {outcome.reason}")
    return Measured(outcome.rate, wanted, server_cpu=used / wanted, client_cpu=outcome.cpu / wanted)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench retrieve", description=__doc__)
    parser.add_argument("--before", default="", help="a checkout of an earlier commit")
    parser.add_argument("--only", default="", help="gateway, before, dcmqrscp, orthanc")
    parser.add_argument("--sizes", default="8k,512k")
    parser.add_argument("--associations", default="1,10")
    parser.add_argument("--count", type=int, default=500, help="instances of the study")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--acceptors", type=int, default=1, help="and retrieve workers, ours")
    parser.add_argument(
        "--document", action="store_true", help="write table and chart into README.md and figures/"
    )
    options = parser.parse_args(arguments)
    figures = _measure_all(options)
    if options.document:
        document.write_retrieved(figures)
    _print(figures)


def _measure_all(options: argparse.Namespace) -> Figures:
    numbers = tuple(int(number) for number in options.associations.split(","))
    only = options.only.split(",") if options.only else []
    made = {name: getattr(options, name) for name in ("rounds", "count", "acceptors")}
    figures = Figures({**made, "cores": os.cpu_count()})
    with scratch() as place, place.folder() as folder, sink("--discard")(folder) as destination:
        servers = [
            server
            for server in archives(destination.address[1], options.before, options.acceptors)
            if not only or server.name in only
        ]
        for size in map(size_of, options.sizes.split(",")):
            for _ in range(options.rounds):
                for server in servers:
                    found = measure(server, place, size, options.count, numbers)
                    for case, measured in found.items():
                        figures.add(case, server.name, measured)
    return figures


def _print(figures: Figures) -> None:
    """Print a row for each operation and load: of the faster peer, and of dcmqrscp's CPU."""
    heads = ["operation"]
    for name in figures.servers:
        heads += [f"{name}, 1/s", "CPU, ms"]
    rows = []
    for case in (case for client in OPERATIONS for case in figures.cases(client)):
        row = [f"{case.client} {case.title}"]
        for name in figures.servers:
            measured = figures.median(case, name) or Measured()
            row += [f"{measured.rate:.0f}", f"{measured.server_cpu * 1e3:.3f}"]
        rows.append([*row, *bar.judge_retrieval(figures, case)])
    heads += [f"to the faster peer ({bar.TO_PEERS:g})", f"CPU to dcmqrscp ({bar.TO_CPU:g})"]
    made = figures.made_with
    title = f"{made['count']} instances, {made['rounds']} rounds; in brackets what is asked"
    show(title, [*heads, ""], rows)
