"""Stored instances a second of gateways that share an index: `python -m tests.bench hosts`.

Hosts are gateways with data directories of their own, all on this machine: they share cores with
PostgreSQL, the object store and the clients. So each row has, beside the rate, the processor time
that an instance took everywhere, and the rate at which that would fill all cores; what more hosts
bring on machines of their own cannot be seen here once a row is near that limit.

Instances are in files, or objects in SeaweedFS. Its own limit is in a row without a gateway: the
objects a second that the same client library puts there, each read back as a gateway does, with as
many at a time as there are associations.
"""

from __future__ import annotations

import argparse
import os
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tests.archive import postgres
from tests.bench import tree
from tests.bench.figures import size_of, size_text
from tests.bench.index import POSTGRES, SQLITE
from tests.bench.rows import show
from tests.bench.scratch import scratch, settle
from tests.bench.sending import FIRST, FailedError, Plan, sender
from tests.bench.servers import gateway
from tests.peers.object_server import ObjectServer, program
from workers.archive.layout import object_path
from workers.archive.objects.object_store import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.scratch import Scratch
    from tests.bench.sending import Outcome, Sender
    from tests.bench.servers import Running

_APART = 1_000_000
"""Numbers between the UIDs of two hosts."""
_WARM = 20
_COUNT = 6000
_LIMIT = 60.0
FILES, OBJECTS = "files", "SeaweedFS"
_NO_INDEX = "none"


class _Kind(NamedTuple):
    """What is compared: an index, a store, hosts, and acceptors of each."""

    index: str
    store: str
    hosts: int
    """0: the store alone."""
    acceptors: int


class _Found(NamedTuple):
    rate: float
    cpu: float
    """Seconds of an instance, in all processes."""
    p99: float


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench hosts", description=__doc__)
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--acceptors", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--stores", nargs="+", choices=(FILES, OBJECTS), default=[FILES, OBJECTS])
    parser.add_argument("--size", default="8k")
    parser.add_argument("--associations", type=int, default=20, help="of all hosts together")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each measurement")
    options = parser.parse_args(arguments)
    found: dict[_Kind, list[_Found]] = {}
    for _ in range(options.rounds):
        for kind in _kinds(options):
            try:
                found.setdefault(kind, []).append(_measure(kind, options))
            except FailedError as error:
                print(f"{kind}: {error}")
    _print(found, options)


def _kinds(options: argparse.Namespace) -> Iterator[_Kind]:
    stores = [one for one in options.stores if one != OBJECTS or not _no_objects()]
    for store in stores:
        for acceptors in options.acceptors:
            yield _Kind(SQLITE, store, 1, acceptors)
        for hosts in () if postgres.absent() else options.hosts:
            for acceptors in options.acceptors:
                yield _Kind(POSTGRES, store, hosts, acceptors)
        if store == OBJECTS:
            yield _Kind(_NO_INDEX, store, 0, 0)


def _no_objects() -> str:
    try:
        import obstore  # noqa: F401
    except ImportError:
        return "obstore is not installed"
    return "" if program() else "SeaweedFS is not installed"


def _measure(kind: _Kind, options: argparse.Namespace) -> _Found:
    with scratch() as place, ExitStack() as stack:
        table, others = "[archive]\n", []
        if kind.store == OBJECTS:
            folder = place.path / "objects"
            folder.mkdir()
            store = ObjectServer(folder)
            stack.callback(store.close)
            store.start()
            table += store.settings()
            others.append(store.pid)
            if not kind.hosts:
                return _store_alone(store, options)
        if kind.index == POSTGRES:
            place.path.chmod(0o755)  # for the server's own user
            server = postgres.Server(place.path / "pg", durable=True)
            server.start()
            stack.callback(server.stop)
            table += f'dsn = "{server.dsn}"\n'
            others.append(server.pid)
        running = []
        for number in range(kind.hosts):
            config = f'[gateway]\nacceptors = {kind.acceptors}\nae_title = "HOST{number}"\n{table}'
            folder = stack.enter_context(place.folder())
            running.append(stack.enter_context(gateway(folder, config)))
        return _load(running, others, place, options)


def _store_alone(server: ObjectServer, options: argparse.Namespace) -> _Found:
    """Put objects as a gateway does, without a gateway; each under a key of its own."""
    store, data = ObjectStore(server.place("ALONE")), bytes(size_of(options.size))
    took: list[float] = []
    until = time.monotonic() + options.seconds

    def put(number: int) -> None:
        bucket = f"20260101/{number:09d}-0"
        for count in range(_COUNT):
            begun = time.monotonic()
            if begun >= until:
                return
            name = f"{bucket}/20260101-{number:09d}-0-{count:024x}.dcm"
            store.put(object_path("ALONE", name), data)
            took.append(time.monotonic() - begun)

    before, own = tree.cpu(server.pid), time.process_time()
    with ThreadPoolExecutor(options.associations) as threads:
        list(threads.map(put, range(options.associations)))
    spent = tree.cpu(server.pid) - before + time.process_time() - own
    took.sort()
    return _Found(len(took) / options.seconds, spent / len(took), took[len(took) * 99 // 100])


def _load(
    running: list[Running], others: list[int], place: Scratch, options: argparse.Namespace
) -> _Found:
    """Send to all hosts at the same time, after each has stored a few."""
    data = place.prepared(size_of(options.size))
    warm = Plan(2, _WARM, data=data)
    share = max(1, options.associations // len(running))
    plan = Plan(share, _COUNT, options.seconds, _LIMIT, data)
    firsts = [FIRST + number * _APART for number in range(len(running))]
    _at_once(running, [replace(warm, first=first) for first in firsts])
    settle()
    roots = [host.pid for host in running] + others
    before = sum(map(tree.cpu, roots))
    told = _at_once(running, [replace(plan, first=first + _WARM) for first in firsts])
    spent = sum(map(tree.cpu, roots)) - before + sum(one.cpu for one in told)
    for one in told:
        if one.reason or one.failed or not one.acknowledged:
            raise FailedError(one.reason or "nothing was acknowledged")
    count = sum(one.acknowledged for one in told)
    return _Found(sum(one.rate for one in told), spent / count, max(one.p99 for one in told))


def _at_once(running: list[Running], plans: list[Plan]) -> list[Outcome]:
    with ExitStack() as stack:
        senders: list[Sender] = [
            stack.enter_context(sender(host.address, plan))
            for host, plan in zip(running, plans, strict=True)
        ]
        told: dict[int, Outcome] = {}
        threads = [
            threading.Thread(target=partial(_run, one, told, number))
            for number, one in enumerate(senders)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if len(told) < len(senders):
        raise FailedError("a sender gave no result")
    return [told[number] for number in range(len(senders))]


def _run(one: Sender, told: dict[int, Outcome], number: int) -> None:
    told[number] = one.run()


def _print(found: dict[_Kind, list[_Found]], options: argparse.Namespace) -> None:
    cores = os.cpu_count() or 1
    rows, base = [], 0.0
    for kind, rounds in found.items():
        rate, cpu, p99 = (statistics.median(each) for each in zip(*rounds, strict=True))
        base = base or rate
        rows.append(
            (
                *(kind.index, kind.store, str(kind.hosts), str(kind.acceptors)),
                *(f"{rate:.0f}", f"{rate / base:.2f}"),
                *(f"{cpu * 1e3:.2f}", f"{cores / cpu:.0f}", f"{p99 * 1e3:.1f}"),
            )
        )
    heads = ("index", "store", "hosts", "acceptors", "instances/s", "ratio")
    show(
        f"{size_text(size_of(options.size))}, {options.associations} associations, durable, "
        f"{options.rounds} rounds; hosts, database, store and clients share {cores} cores",
        (*heads, "CPU of all, ms", "limit by CPU, 1/s", "p99, ms"),
        rows,
    )


if __name__ == "__main__":
    main()
