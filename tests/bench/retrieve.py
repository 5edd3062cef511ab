"""C-GET, C-MOVE and C-FIND beside dcmqrscp and Orthanc: `python -m tests.bench retrieve`.

One study is in the archive of each; each association retrieves all of it, or asks for all of its
instances. The client takes what comes and keeps nothing, and the bare sink is the destination. With
`--before`, a checkout of an earlier commit answers in the same run.
"""

from __future__ import annotations

import argparse
import statistics
from typing import TYPE_CHECKING, NamedTuple

from tests.bench import tree
from tests.bench.archives import DCMTK, ORTHANC, OURS, archives
from tests.bench.figures import size_of, size_text
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


class Rate(NamedTuple):
    """What one retrieval took."""

    instances: float
    """Instances, or matches, a second."""
    cpu: float
    """Seconds of CPU of the server's processes for each of them."""
    client: float
    """The same of the client."""


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
) -> dict[tuple[str, int], Rate]:
    """Return the rates by operation and number of associations, of a server that is started."""
    rates = {}
    with place.folder() as folder, server.start(folder) as running:
        study = stored(running, place.prepared(size), count)
        settle()
        for operation in OPERATIONS:
            with take(running, operation, study, 1, folder) as client:
                client.run()  # the files are cached, and the code is warm
            for number in associations:
                rates[operation, number] = _one(running, operation, study, number, folder, count)
    return rates


def _one(
    server: Running, operation: str, study: str, associations: int, folder: Path, count: int
) -> Rate:
    with take(server, operation, study, associations, folder) as client:
        before = tree.cpu(server.pid)
        outcome = client.run()
        used = tree.cpu(server.pid) - before
    wanted = count * associations
    if outcome.reason or outcome.acknowledged != wanted:
        got = f"{operation}: {outcome.acknowledged} of {wanted}"
        raise FailedError(f"{got} {outcome.reason}")
    return Rate(outcome.rate, used / wanted, outcome.cpu / wanted)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench retrieve", description=__doc__)
    parser.add_argument("--before", default="", help="a checkout of an earlier commit")
    parser.add_argument("--only", default="", help="gateway, before, dcmqrscp, orthanc")
    parser.add_argument("--sizes", default="8k,512k")
    parser.add_argument("--associations", default="1,10")
    parser.add_argument("--count", type=int, default=500, help="instances of the study")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--acceptors", type=int, default=1, help="and retrieve workers, ours")
    options = parser.parse_args(arguments)
    numbers = tuple(int(number) for number in options.associations.split(","))
    only = options.only.split(",") if options.only else []
    with scratch() as place, place.folder() as folder, sink("--discard")(folder) as destination:
        servers = [
            server
            for server in archives(destination.address[1], options.before, options.acceptors)
            if not only or server.name in only
        ]
        for size in map(size_of, options.sizes.split(",")):
            found: dict[str, list[dict[tuple[str, int], Rate]]] = {}
            for _ in range(options.rounds):
                for server in servers:
                    rates = measure(server, place, size, options.count, numbers)
                    found.setdefault(server.name, []).append(rates)
            _print(f"{size_text(size)}, {options.count} instances, {options.rounds} rounds", found)


def _print(title: str, found: dict[str, list[dict[tuple[str, int], Rate]]]) -> None:
    """Print a row for each operation and load: of the faster peer, and of dcmqrscp's CPU."""
    medians = {
        name: {key: _median([one[key] for one in rounds]) for key in rounds[0]}
        for name, rounds in found.items()
    }
    heads = ["operation"]
    for name in medians:
        heads += [f"{name}, 1/s", "CPU, ms"]
    rows = []
    for key in next(iter(medians.values())):
        row = [f"{key[0]} x{key[1]}"]
        for rates in medians.values():
            row += [f"{rates[key].instances:.0f}", f"{rates[key].cpu * 1e3:.3f}"]
        if OURS in medians:
            row += _ratios(medians, key)
        rows.append(row)
    if OURS in medians:
        heads += ["to the faster peer", "CPU to dcmqrscp"]
    show(title, heads, rows)


def _ratios(medians: dict[str, dict[tuple[str, int], Rate]], key: tuple[str, int]) -> list[str]:
    ours = medians[OURS][key]
    peers = [medians[name][key].instances for name in (DCMTK, ORTHANC) if name in medians]
    speed = f"{ours.instances / max(peers):.2f}" if peers else "-"
    cpu = f"{ours.cpu / medians[DCMTK][key].cpu:.2f}" if DCMTK in medians else "-"
    return [speed, cpu]


def _median(rates: list[Rate]) -> Rate:
    return Rate(*(statistics.median(each) for each in zip(*rates, strict=True)))
