"""STOW-RS and WADO-RS beside Orthanc with its DICOMweb plugin: `python -m tests.bench dicomweb`.

Instances are posted ten in a request, on several connections at once, and then fetched one by one
as they were stored. Both archives have their index; both have the files synced before they answer.
"""

from __future__ import annotations

import argparse
import http.client
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from statistics import median
from threading import Thread
from typing import TYPE_CHECKING

from gateway.part10 import file_meta
from tests.bench import tree
from tests.bench.figures import size_of, size_text
from tests.bench.rows import show
from tests.bench.scratch import scratch, settle
from tests.bench.sending import FailedError
from tests.bench.servers import gateway, orthanc, orthanc_program
from tests.peers import wire
from tests.peers.orthanc import PLUGIN, settings
from tests.peers.scp import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.bench.servers import Running

TOKEN = "the-token-of-this-bench"
IN_REQUEST = 10
_TYPE = 'multipart/related; type="application/dicom"; boundary=edge'
_AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_DIGITS = 6


@dataclass(frozen=True)
class Site:
    """A DICOMweb service that answers."""

    running: Running
    port: int
    root: str


@contextmanager
def ours(folder: Path) -> Iterator[Site]:
    port = free_port()
    config = f'[dicomweb]\nport = {port}\ntoken = "{TOKEN}"\n[workers.dicomweb]\n'
    with gateway(folder, config) as running:
        yield Site(running, port, "/dicom-web")


@contextmanager
def theirs(folder: Path) -> Iterator[Site]:
    port = free_port()
    with orthanc(folder, **settings(port)) as running:
        yield Site(running, port, "/dicom-web")


@dataclass(frozen=True)
class Instances:
    """Files that differ in their SOP Instance UID only."""

    data_set: bytes
    uid: bytes

    def uid_of(self, number: int) -> str:
        return (self.uid[:-_DIGITS] + f"{number:0{_DIGITS}}".encode()).decode()

    def file(self, number: int) -> bytes:
        uid = self.uid_of(number)
        body = self.data_set.replace(self.uid, uid.encode())
        return file_meta(wire.CT, uid, wire.EXPLICIT) + body


def measured(
    site: Site, count: int, connections: int, work: Callable[..., None]
) -> tuple[float, ...]:
    """Return numbers a second, and the server's milliseconds of CPU for each."""
    numbers: SimpleQueue[int] = SimpleQueue()
    for number in range(count):
        numbers.put(number)
    failures: list[BaseException] = []

    def run() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
        try:
            while True:
                work(connection, numbers.get_nowait())
        except Empty:
            pass
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    before, began = tree.cpu(site.running.pid), time.perf_counter()
    threads = [Thread(target=run) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    if failures:
        raise FailedError(str(failures[0]))
    return count / took, (tree.cpu(site.running.pid) - before) * 1000 / count


def post(
    bodies: list[bytes], root: str, connection: http.client.HTTPConnection, number: int
) -> None:
    headers = {"Content-Type": _TYPE, "Accept": "application/dicom+json", **_AUTHORISED}
    connection.request("POST", f"{root}/studies", bodies[number], headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise FailedError(f"POST: {answer.status} {text[:200]!r}")


_AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}


def fetch(
    paths: list[str], sizes: list[int], connection: http.client.HTTPConnection, number: int
) -> None:
    connection.request("GET", paths[number], headers={"Accept": _AS_STORED, **_AUTHORISED})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200 or len(body) < sizes[number]:
        raise FailedError(f"GET: {answer.status}, {len(body)} bytes")


def one_round(site: Site, made: Instances, count: int, connections: int) -> list[tuple[float, ...]]:
    """Return rate and CPU of STOW-RS, and of WADO-RS, by instances."""
    files = [made.file(number) for number in range(count)]
    head = b"--edge\r\nContent-Type: application/dicom\r\n\r\n"
    bodies = [
        b"".join(head + one + b"\r\n" for one in files[n : n + IN_REQUEST]) + b"--edge--\r\n"
        for n in range(0, count, IN_REQUEST)
    ]
    stow = measured(site, len(bodies), connections, partial(post, bodies, site.root))
    stem = made.uid.decode().rpartition(".")[0]
    above = f"{site.root}/studies/{stem}.1/series/{stem}.2/instances/"
    paths = [f"{above}{made.uid_of(n)}" for n in range(count)]
    sizes = [len(one) for one in files]
    wado = measured(site, count, connections, partial(fetch, paths, sizes))
    return [(stow[0] * IN_REQUEST, stow[1] / IN_REQUEST), wado]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench dicomweb", description=__doc__)
    parser.add_argument("--sizes", default="8k,512k")
    parser.add_argument("--count", type=int, default=400, help="instances of each size")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    sites = {"gateway": ours}
    if orthanc_program() and PLUGIN.exists():
        sites["Orthanc"] = theirs
    rows = []
    with scratch() as place:
        for text in options.sizes.split(","):
            size = size_of(text)
            prepared = place.prepared(size)
            made = Instances(prepared.path.read_bytes(), prepared.uid.encode())
            found: dict[str, list[list[tuple[float, ...]]]] = {name: [] for name in sites}
            for _ in range(options.rounds):
                for name, start in sites.items():
                    with place.folder() as folder, start(folder) as site:
                        found[name].append(
                            one_round(site, made, options.count, options.connections)
                        )
                    settle()
            rows += _rows(size_text(size), found)
    heads = ("", *(f"{name}{unit}" for name in sites for unit in (", a second", ", CPU ms")))
    show("DICOMweb, instances (medians)", (*heads, "ratio"), rows)


def _rows(size: str, found: dict[str, list[list[tuple[float, ...]]]]) -> list[tuple[str, ...]]:
    rows = []
    for number, what in enumerate(("STOW-RS", "WADO-RS")):
        rates = {name: median(one[number][0] for one in each) for name, each in found.items()}
        costs = {name: median(one[number][1] for one in each) for name, each in found.items()}
        cells = [c for name in found for c in (f"{rates[name]:.0f}", f"{costs[name]:.2f}")]
        ratio = f"{rates['gateway'] / rates['Orthanc']:.2f}" if "Orthanc" in rates else "-"
        rows.append((f"{what} {size}", *cells, ratio))
    return rows
