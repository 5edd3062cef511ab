"""Store and forward: `python -m tests.bench forward`.

First the rate at which instances leave beside the rate at which they come: ten associations store
durably at a gateway whose one route leads to the bare sink, and the time is taken until the last
one was answered, and until the outbox is empty. With `--queues`, the time for each entry of
outboxes of a thousand to a million: to put it in, to take it, and to remove it when it is sent.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING

from tests.bench.figures import size_of, size_text
from tests.bench.rows import show
from tests.bench.scratch import scratch, settle
from tests.bench.sending import Plan, send
from tests.bench.servers import gateway, sink
from workers.archive.index import IndexEntry, SqliteIndex
from workers.archive.layout import FOLDER, INDEX
from workers.archive.outbox_control import OutboxControl
from workers.archive.outbox_rows import QueuedInstance
from workers.forward.forward_outbox import ForwardOutbox

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.scratch import Prepared

_VOLUME = 1_000_000_000
_BATCH = 256
_TAKEN = 32
_SAMPLE = 2_000
LIMIT = 300.0


def config(port: int, associations: int) -> str:
    """One route for everything, to a destination on this machine."""
    return (
        f'[destinations.SINK]\nhost = "127.0.0.1"\nport = {port}\nassociations = {associations}\n'
        '[[routes]]\ndestinations = ["SINK"]\n'
    )


def _measure(place: Path, data: Prepared, options: argparse.Namespace) -> tuple[float, float]:
    """Return the instances a second that came, and those that left."""
    place.joinpath("sink").mkdir()
    count = max(50, min(options.most, _VOLUME // data.size))
    with sink()(place / "sink") as destination:
        text = config(destination.address[1], options.lanes)
        with gateway(place, text) as server:
            began = time.monotonic()
            outcome = send(server.address, Plan(options.associations, count, 60.0, LIMIT, data))
            with SqliteIndex(place / "data" / FOLDER / INDEX, create=False) as index:
                control, outbox = OutboxControl(index), ForwardOutbox(index)
                while time.monotonic() - began < LIMIT:
                    unread = index.journal(outbox.position("forward"), 1)
                    if not unread and not control.states():
                        break
                    time.sleep(0.05)
            took = time.monotonic() - began
    return outcome.rate, outcome.acknowledged / took


def rates(options: argparse.Namespace) -> None:
    """Print the rates in and out of some rounds, for each size."""
    rows = []
    with scratch() as place:
        for size in map(size_of, options.sizes.split(",")):
            found = []
            for _ in range(options.rounds):
                with place.folder() as folder:
                    settle()
                    found.append(_measure(folder, place.prepared(size), options))
            came, left = (statistics.median(values) for values in zip(*found, strict=True))
            ratio = statistics.median(out / into for into, out in found)
            rows.append((size_text(size), f"{came:.0f}", f"{left:.0f}", f"{ratio:.2f}"))
    show(
        f"durable, {options.associations} associations in, {options.lanes} out",
        ("size", "in, instances/s", "out, instances/s", "out / in"),
        rows,
    )


def _entry(number: int) -> IndexEntry:
    uid = f"1.2.826.0.1.3680043.10.1.{number}"
    path = f"20260101/{number // 1000:09}-0/{number}.dcm"
    return IndexEntry(
        uid, "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1", path, 356, 1, b"d" * 17
    )


def _queue(place: Path, length: int) -> tuple[float, float, float]:
    """Return the milliseconds to put in, to take and to remove an entry of a queue so long."""
    with SqliteIndex(place / "index.sqlite", durable=False) as index:
        outbox = ForwardOutbox(index)
        put = _filled(outbox, length)
        sample = min(length, _SAMPLE)
        taken: list[QueuedInstance] = []
        began = time.process_time()
        while len(taken) < sample:
            taken += outbox.take("PACS", [""], "bench", _TAKEN)
        take = time.process_time() - began
        began = time.process_time()
        for begin in range(0, len(taken), _TAKEN):
            outbox.settle([row.id for row in taken[begin : begin + _TAKEN]], [])
        settled = time.process_time() - began
    return put * 1e3, take / len(taken) * 1e3, settled / len(taken) * 1e3


def _filled(outbox: ForwardOutbox, length: int) -> float:
    """Put in so many entries; return the seconds of CPU for each of the last ones."""
    took: list[float] = []
    for begin in range(0, length, _BATCH):
        numbers = range(begin, min(begin + _BATCH, length))
        rows = [
            QueuedInstance(_entry(n), "PACS", "all", f"1.3.{n // 500}", f"1.4.{n // 100}", due=n)
            for n in numbers
        ]
        began = time.process_time()
        outbox.add(rows)
        took.append((time.process_time() - began) / len(rows))
    return statistics.median(took[-8:])


def queues(options: argparse.Namespace) -> None:
    """Print what an entry costs in queues of several lengths."""
    rows = []
    with scratch() as place:
        for length in map(int, options.queues.split(",")):
            with place.folder() as folder:
                costs = _queue(folder, length)
            rows.append((f"{length:,}", *(f"{cost:.3f}" for cost in costs)))
    heads = ("entries", "put in, ms", "take, ms", "remove, ms")
    show("CPU of each entry, SQLite", heads, rows)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench forward", description=__doc__)
    parser.add_argument("--sizes", default="512k")
    parser.add_argument("--associations", type=int, default=10)
    parser.add_argument("--lanes", type=int, default=4, help="associations to the destination")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, default=5000, help="instances of a round")
    parser.add_argument("--queues", default="1000,100000,1000000", help="lengths; empty: none")
    options = parser.parse_args(arguments)
    if options.queues:
        queues(options)
    if options.sizes:
        rates(options)
