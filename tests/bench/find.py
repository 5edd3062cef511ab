"""Matches of a C-FIND a second, this gateway and pynetdicom in turn: `python -m tests.bench find`.

The handler is the same for both and makes each match anew; the stock query worker answers the same
attributes from its index. The client reads bytes from a plain socket and only counts. Beside the
rate stands the growth of the largest process, so that one can see whether matches pile up anywhere.
Only figures come out of it: nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from tests.conftest import running, short_folder
from tests.peers import procfs, wire
from tests.peers.raw import RawPeer
from tests.peers.workers import UserWorker
from workers.archive.index import IndexEntry, SqliteIndex
from workers.archive.layout import FOLDER, INDEX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.peers.raw import Address

CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
FINAL = 0x0000

HANDLER = """
from pydicom.dataset import Dataset

def matches(event):
    for number in range({count}):
        ds = Dataset()
        ds.QueryRetrieveLevel = "STUDY"
        ds.PatientName = "Patient^Number"
        ds.PatientID = str(number)
        ds.StudyDate = "20260101"
        ds.StudyInstanceUID = "1.2.826.0.1.3680043.10." + str(number)
        yield 0xFF00, ds
"""
WORKER = (
    HANDLER
    + """
from gateway import Worker, evt
worker = Worker("query")
worker.bind(evt.EVT_C_FIND, matches)
"""
)
PYNETDICOM = (
    HANDLER
    + """
import sys
from pynetdicom import AE, evt
ae = AE()
ae.add_supported_context("{uid}")
server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_FIND, matches)])
print(server.socket.getsockname()[1], flush=True)
sys.stdin.read()
"""
)


@contextmanager
def gateway(count: int) -> Iterator[tuple[Address, list[int]]]:
    with running("") as server, short_folder() as folder:
        code = WORKER.format(count=count)
        with UserWorker(folder, code, server.data, name="query") as worker:
            worker.wait_ready()
            pids = [server.child("acceptor-0"), *procfs.descendants(worker.pid)]
            yield server.address, pids
            worker.terminate()
            worker.wait()


@contextmanager
def stock(count: int) -> Iterator[tuple[Address, list[int]]]:
    """A gateway with that many studies in its index."""
    with running("") as server:
        with SqliteIndex(server.data / FOLDER / INDEX, durable=False) as index:
            for added in index.add_all([_instance(number) for number in range(count)]):
                if isinstance(added, Exception):
                    raise added
        yield server.address, [server.child("acceptor-0"), server.child("query-0")]


def _instance(number: int) -> tuple[IndexEntry, dict[str, str]]:
    uid = f"1.2.826.0.1.3680043.10.{number}"
    texts = {
        "PatientName": "Patient^Number",
        "PatientID": str(number),
        "StudyDate": "20260101",
        "StudyInstanceUID": uid,
        "SeriesInstanceUID": f"{uid}.1",
        "SOPInstanceUID": f"{uid}.2",
    }
    return IndexEntry(f"{uid}.2", CT, wire.EXPLICIT, f"none/{number}", 0, 0, b""), texts


@contextmanager
def pynetdicom(count: int) -> Iterator[tuple[Address, list[int]]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PYNETDICOM.format(count=count, uid=STUDY_ROOT_FIND)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield ("127.0.0.1", int(process.stdout.readline())), [process.pid]
    finally:
        process.kill()
        process.communicate()


def query(peer: RawPeer) -> int:
    """Send one C-FIND and read to its end; the number of matches."""
    command = wire.command_set(
        wire.element(0x0002, wire.uid_value(STUDY_ROOT_FIND)),
        wire.element(0x0100, wire.us(0x0020)),
        wire.element(0x0110, wire.us(1)),
        wire.element(0x0700, wire.us(0)),
        wire.element(0x0800, wire.us(1)),
    )
    keys = wire.element(0x0020, b"", group=0x0008) + wire.element(0x0052, b"STUDY ", group=0x0008)
    keys += wire.element(0x0010, b"", group=0x0010) + wire.element(0x0020, b"", group=0x0010)
    keys += wire.element(0x000D, b"", group=0x0020)
    peer.send(wire.message(1, command, keys))
    found = 0
    while True:
        pdu = peer.recv_pdu()
        assert isinstance(pdu, bytes), "the connection broke"
        for _, header, data in wire.parse_pdvs(pdu):
            if header & 1:
                if wire.status_of(data) == FINAL:
                    return found
                found += 1


def measure(address: Address, count: int) -> float:
    """Matches a second of one query."""
    with RawPeer(address, timeout=120) as peer:
        peer.associate(wire.context(1, STUDY_ROOT_FIND, wire.IMPLICIT))
        started = time.perf_counter()
        found = query(peer)
        seconds = time.perf_counter() - started
        peer.release()
    if found != count:
        raise RuntimeError(f"{found} matches came, {count} were expected")
    return count / seconds


SERVERS: dict[str, Callable[[int], AbstractContextManager[tuple[Address, list[int]]]]] = {
    "pynetdicom": pynetdicom,
    "gateway, a user's worker": gateway,
    "gateway, the query worker": stock,
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench find", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="matches of a query")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    rates: dict[str, list[float]] = {name: [] for name in SERVERS}
    growth: dict[str, list[float]] = {name: [] for name in SERVERS}
    for _ in range(options.rounds):
        for name, serve in SERVERS.items():
            with serve(options.count) as (address, pids):
                before = max(procfs.memory(pid) for pid in pids)
                rates[name].append(measure(address, options.count))
                growth[name].append(max(procfs.memory(pid) for pid in pids) - before)
    show(rates, growth, options)


def show(
    rates: dict[str, list[float]], growth: dict[str, list[float]], options: argparse.Namespace
) -> None:
    base = statistics.median(rates["pynetdicom"])
    table = Table(title=f"one C-FIND with {options.count} matches, {options.rounds} rounds")
    for heading in ("server", "matches/s", "ratio", "growth, MB"):
        table.add_column(heading, justify="left" if heading == "server" else "right")
    for name, found in rates.items():
        median = statistics.median(found)
        grown = statistics.median(growth[name]) / 1e6
        table.add_row(name, f"{median:.0f}", f"{median / base:.1f}", f"{grown:.1f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
