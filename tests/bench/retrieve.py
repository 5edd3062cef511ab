"""Instances a second of a C-GET and a C-MOVE: `python -m tests.bench retrieve`.

The instances are those of one study in the archive; the peer takes them and writes nothing. With
`--before`, a checkout of an earlier commit answers the same in turn, in the same run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tests.bench import tree
from tests.bench.figures import size_of, size_text
from tests.bench.rows import show
from tests.conftest import running
from tests.patience import WALL
from tests.peers import instances, sender, wire
from tests.peers.raw import RawAcceptor, RawPeer
from tests.requestor.scripted import Acceptor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.peers.raw import Address

MOVE, GET = "1.2.840.10008.5.1.4.1.2.2.2", "1.2.840.10008.5.1.4.1.2.2.3"
FIELDS = {MOVE: 0x0021, GET: 0x0010}
PENDING = 0xFF00
_LONGEST = 1 << 20


def take(peer: RawPeer, count: Callable[[], None]) -> int | None:
    """Answer and count C-STOREs; return the status of a final response.

    It is None if the association ends first.
    """
    message_id, uid = b"", b""
    while isinstance(got := peer.recv_pdu(), bytes) and got[:1] == b"\x04":
        for context_id, header, data in wire.parse_pdvs(got):
            if header & 1:
                elements = wire.parse_command(data)
                message_id = elements.get(0x0110, b"")
                uid = elements.get(0x1000, b"")
                if not message_id and (status := wire.status_of(data)) != PENDING:
                    return status
            elif header & 2 and message_id:
                count()
                peer.send(wire.message(context_id, _success(message_id, uid)))
    if got == wire.release_rq():
        peer.send(wire.release_rp())
    return None


def _success(message_id: bytes, uid: bytes) -> bytes:
    return wire.command_set(
        wire.element(0x0002, wire.uid_value(wire.CT)),
        wire.element(0x0100, wire.us(0x8001)),
        wire.element(0x0120, message_id),
        wire.element(0x0800, wire.us(wire.NO_DATA_SET)),
        wire.element(0x0900, wire.us(0)),
        wire.element(0x1000, uid),
    )


class Destination(threading.Thread):
    """The destination of C-MOVEs: one association after the other."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.acceptor = RawAcceptor()
        self.stored = 0

    def run(self) -> None:
        while True:
            try:
                peer = self.acceptor.accept()
            except OSError:
                return
            with peer:
                Acceptor(peer).accept(max_length=_LONGEST)
                take(peer, self._count)

    def _count(self) -> None:
        self.stored += 1


def retrieve(address: Address, model: str, study: str) -> tuple[float, int]:
    """Return the seconds of a C-GET or C-MOVE, and the number of C-STOREs here."""
    command = wire.command_set(
        wire.element(0x0002, wire.uid_value(model)),
        wire.element(0x0100, wire.us(FIELDS[model])),
        wire.element(0x0110, wire.us(1)),
        wire.element(0x0600, b"HERE"),
        wire.element(0x0700, wire.us(0)),
        wire.element(0x0800, wire.us(1)),
    )
    level = wire.element(0x0052, b"STUDY ", group=0x0008)
    data = level + wire.element(0x000D, wire.uid_value(study), group=0x0020)
    user = wire.user_information(
        wire.maximum_length(_LONGEST), wire.implementation(), wire.role(wire.CT, 0, 1)
    )
    counted: list[None] = []
    with RawPeer(address, timeout=10 * WALL) as peer:
        contexts = wire.context(1, model), wire.context(3, wire.CT, wire.EXPLICIT)
        peer.associate(*contexts, user=user)
        started = time.perf_counter()
        peer.send(wire.message(1, command, data))
        status = take(peer, lambda: counted.append(None))
        seconds = time.perf_counter() - started
        if status != 0:
            raise RuntimeError(f"the retrieval ended with status {status}")
        peer.release()
    return seconds, len(counted)


@contextmanager
def _sources(folder: str) -> Iterator[None]:
    """Let programs that are started import the gateway from another checkout, if one is given."""
    before = os.environ.get("PYTHONPATH")
    if folder:
        os.environ["PYTHONPATH"] = folder
    try:
        yield
    finally:
        os.environ.pop("PYTHONPATH", None)
        if before is not None:
            os.environ["PYTHONPATH"] = before


class Rate(NamedTuple):
    """What one retrieval took."""

    instances: float
    """Instances a second."""
    cpu: float
    """Seconds of CPU of the whole gateway for each instance."""


def measure(folder: str, size: int, count: int) -> dict[str, Rate]:
    """Return the rate of each operation, from a gateway of its own."""
    destination = Destination()
    host, port = destination.acceptor.address
    config = f'[destinations.HERE]\nhost = "{host}"\nport = {port}\n'
    with destination.acceptor, _sources(folder), running(config) as gateway:
        destination.start()
        made = instances.many(count, size=size)
        if failed := sender.store_all(gateway.address, made).failed:
            raise RuntimeError(f"{len(failed)} of {count} instances were not stored")
        study = made[0].uid.rpartition(".")[0] + ".1"
        rates = {}
        retrieve(gateway.address, GET, study)  # the files are cached, and the code is warm
        for name, model in (("C-GET", GET), ("C-MOVE", MOVE)):
            before = tree.cpu(gateway.pid)
            seconds, stored = retrieve(gateway.address, model, study)
            used = tree.cpu(gateway.pid) - before
            if (stored if model == GET else destination.stored) != count:
                raise RuntimeError(f"{name} did not bring the {count} instances")
            rates[name] = Rate(count / seconds, used / count)
    return rates


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench retrieve", description=__doc__)
    parser.add_argument("--before", default="", help="a checkout of an earlier commit")
    parser.add_argument("--sizes", default="8k,512k")
    parser.add_argument("--count", type=int, default=500, help="instances of the study")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    sources = {"before": options.before} if options.before else {}
    sources["this commit"] = ""
    rows = []
    for size in map(size_of, options.sizes.split(",")):
        found: dict[tuple[str, str], list[Rate]] = {}
        for _ in range(options.rounds):
            for name, folder in sources.items():
                for operation, rate in measure(folder, size, options.count).items():
                    found.setdefault((operation, name), []).append(rate)
        for (operation, name), rates in sorted(found.items()):
            base = _median(found[operation, next(iter(sources))])
            rate = _median(rates)
            cells = f"{rate.instances:.0f}", f"{rate.instances / base.instances:.2f}"
            cpu = f"{rate.cpu * 1e3:.2f}", f"{rate.cpu / base.cpu:.2f}"
            rows.append((operation, size_text(size), name, *cells, *cpu))
    title = f"{options.count} instances of one study, {options.rounds} rounds"
    show(title, ("operation", "size", "commit", "instances/s", "ratio", "CPU, ms", "ratio"), rows)


def _median(rates: list[Rate]) -> Rate:
    return Rate(*(statistics.median(each) for each in zip(*rates, strict=True)))
