"""Store and forward: `python -m tests.bench forward`.

First the rate at which instances leave beside the rate at which they come: ten associations store
durably at a gateway whose one route leads to the bare sink, and the time is taken until the last
one was answered, and until the outbox is empty. It is done for each of `--routes`: as stored, with
transcoding that has nothing to do, de-identified, and compressed. CPU out is that of the workers
`forward` and `deidentify`, and of what transcodes.

With `--queues`, the time for each entry of outboxes of a thousand to a million: to put it in, to
take it, and to remove it when it is sent.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import time
from contextlib import suppress
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from tests.bench.figures import size_of, size_text
from tests.bench.rows import show
from tests.bench.scratch import scratch, settle
from tests.bench.sending import Plan, send
from tests.bench.servers import gateway, sink
from tests.peers import procfs
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
_SAMPLE = 20_000
LIMIT = 300.0


ROUTES = {
    "plain": "as stored",
    "ready": "transcode = true, nothing to do",
    "deidentified": "de-identified",
    "coded": "compressed to JPEG-LS",
}
"""Routes by the names of `--routes`."""


def config(place: Path, kind: str, port: int, associations: int) -> str:
    """One route for everything, to a destination on this machine."""
    destination = f'host = "127.0.0.1"\nport = {port}\nassociations = {associations}\n'
    if kind in ("ready", "coded"):
        destination += "transcode = true\n"
    if kind == "coded":
        destination += 'transfer_syntaxes = ["JPEGLSLossless"]\n'
    text = f"[transcoding]\nprocesses = {os.cpu_count()}\n[destinations.SINK]\n{destination}"
    text += '[[routes]]\ndestinations = ["SINK"]\n'
    if kind == "deidentified":
        key = place / "key"
        with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write("0123456789abcdef" * 4)
        text += 'transform = ["deidentify"]\n[workers.deidentify]\n'
        text += f'processes = {os.cpu_count()}\noptions = {{key_file = "{key}"}}\n'
    return text


class Passed(NamedTuple):
    """What was measured in a round."""

    came: float
    """Instances a second."""
    left: float
    """The same."""
    receiving: float
    """Seconds of CPU of acceptor and storage worker for each instance."""
    passing_on: float
    """The same of all others: the workers `forward` and `deidentify`, and what transcodes."""


def _cpu(root: int) -> tuple[float, float]:
    """Return the seconds of CPU that receiving has taken, and those that all else has."""
    found = [0.0, 0.0]
    for pid in procfs.descendants(root):
        is_other = not re.search(r"\b(acceptor|storage)-0\b", procfs.command_line(pid))
        with suppress(OSError):
            found[is_other] += procfs.cpu_seconds(pid)
    return found[0], found[1]


def _measure(place: Path, kind: str, data: Prepared, options: argparse.Namespace) -> Passed:
    place.joinpath("sink").mkdir()
    count = max(50, min(options.most, _VOLUME // data.size))
    with sink()(place / "sink") as destination:
        text = config(place, kind, destination.address[1], options.lanes)
        with gateway(place, text) as server:
            before, began = _cpu(server.pid), time.monotonic()
            outcome = send(server.address, Plan(options.associations, count, 60.0, LIMIT, data))
            with SqliteIndex(place / "data" / FOLDER / INDEX, create=False) as index:
                control, outbox = OutboxControl(index), ForwardOutbox(index)
                while time.monotonic() - began < LIMIT:
                    unread = index.journal(outbox.position("forward"), 1)
                    if not unread and not control.states():
                        break
                    time.sleep(0.05)
                left = sum(one.waiting + one.parked for one in control.states().values())
            took, number = time.monotonic() - began, outcome.acknowledged
            each = [
                (now - then) / number for now, then in zip(_cpu(server.pid), before, strict=True)
            ]
    return Passed(outcome.rate, (number - left) / took, *each)


def rates(options: argparse.Namespace) -> None:
    """Print the rates in and out of some rounds, for each size."""
    rows = []
    with scratch() as place:
        for size, kind in product(
            map(size_of, options.sizes.split(",")), options.routes.split(",")
        ):
            found = []
            for _ in range(options.rounds):
                with place.folder() as folder:
                    settle()
                    found.append(_measure(folder, kind, place.prepared(size), options))
            median = Passed(*map(statistics.median, zip(*found, strict=True)))
            ratio = statistics.median(one.left / one.came for one in found)
            figures = f"{median.came:.0f}", f"{median.left:.0f}", f"{ratio:.2f}"
            figures += f"{median.receiving * 1e3:.2f}", f"{median.passing_on * 1e3:.2f}"
            rows.append((ROUTES[kind], size_text(size), *figures))
    show(
        f"durable, {options.associations} associations in, {options.lanes} out",
        ("route", "size", "in a second", "out", "out / in", "CPU in, ms", "CPU out, ms"),
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
    parser.add_argument("--routes", default=",".join(ROUTES), help=", ".join(ROUTES))
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
