"""Stored instances a second, this gateway and its peers in turn: `python -m tests.bench store`.

One sender, the same for all: prepared bytes on raw sockets with TCP_NODELAY, a thread for each of
N associations, one C-STORE at a time on each. Every round starts each server anew and visits them
all; the table shows the median of the rounds and its ratio to pynetdicom's. Only figures come out
of it: nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from tests.conftest import running, short_folder
from tests.peers import dcmtk, instances, scp, wire
from tests.peers.raw import RawPeer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.peers.raw import Address


class Lane:
    """One association with everything it will send, encoded before the clock runs."""

    def __init__(self, address: Address, mine: list[instances.Instance]) -> None:
        self.peer = RawPeer(address, timeout=120)
        accepted = self.peer.associate(mine[0].context())
        limit = min(accepted.maximum_length or 1 << 20, 1 << 20)
        self._messages = [
            wire.message(1, wire.store_rq(one.uid, n % 65536), one.data_set, pdu_size=limit)
            for n, one in enumerate(mine)
        ]
        self.failed = 0

    def run(self, barrier: threading.Barrier) -> None:
        barrier.wait()
        for message in self._messages:
            self.peer.send(message)
            self.failed += self.peer.recv_response().status != 0x0000

    def close(self) -> None:
        self.peer.release()
        self.peer.close()


def measure(address: Address, associations: int, count: int, size: int) -> float:
    """Instances a second over all associations; raises if one was refused."""
    share = max(1, count // associations)
    lanes = [Lane(address, instances.many(share, size=size)) for _ in range(associations)]
    barrier = threading.Barrier(associations + 1)
    threads = [threading.Thread(target=lane.run, args=(barrier,)) for lane in lanes]
    for thread in threads:
        thread.start()
    barrier.wait()
    start = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    for lane in lanes:
        lane.close()
    if failed := sum(lane.failed for lane in lanes):
        raise RuntimeError(f"{failed} instances were not stored")
    return share * associations / seconds


@contextmanager
def gateway(folder: Path, durability: str) -> Iterator[Address]:
    del folder  # it makes its own
    with running(f'[gateway]\ndurability = "{durability}"\n') as process:
        yield process.address


@contextmanager
def pynetdicom_process(folder: Path) -> Iterator[Address]:
    """pynetdicom in a process of its own, so that the sender does not take its time."""
    code = (
        "import sys, pathlib; from tests.peers import scp\n"
        "with scp.pynetdicom_storescp(pathlib.Path(sys.argv[1])) as address:\n"
        "    print(address[1], flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield ("127.0.0.1", int(process.stdout.readline()))
    finally:
        process.kill()
        process.communicate()


def servers() -> dict[str, Callable[[Path], AbstractContextManager[Address]]]:
    found = {
        "pynetdicom, handler writes the file": pynetdicom_process,
        "gateway, durable": lambda folder: gateway(folder, "durable"),
        "gateway, written": lambda folder: gateway(folder, "written"),
    }
    if dcmtk.find("storescp"):
        os.environ["TCP_NODELAY"] = "1"
        found["DCMTK storescp +B --fork"] = lambda folder: scp.dcmtk_storescp(folder, "--fork")
    return found


def settle() -> None:
    """Let no server pay for the dirty pages of the one before it."""
    os.sync()


def run(options: argparse.Namespace) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for name, serve in servers().items():
            with short_folder() as folder, serve(folder) as address:
                measure(address, options.associations, options.associations, options.size)
                settle()
                rate = measure(address, options.associations, options.count, options.size)
            figures.setdefault(name, []).append(rate)
    return figures


def show(figures: dict[str, list[float]], options: argparse.Namespace) -> None:
    base = statistics.median(next(iter(figures.values())))
    table = Table(
        title=f"{options.associations} associations, {options.count} instances of "
        f"{options.size / 1000:.0f} kB, {options.rounds} rounds, {os.cpu_count()} cores"
    )
    for heading in ("server", "instances/s", "MB/s", "lowest", "highest", "ratio"):
        table.add_column(heading, justify="left" if heading == "server" else "right")
    for name, rates in figures.items():
        median = statistics.median(rates)
        table.add_row(
            name,
            f"{median:.0f}",
            f"{median * options.size / 1e6:.0f}",
            f"{min(rates):.0f}",
            f"{max(rates):.0f}",
            f"{median / base:.1f}",
        )
    Console(width=110).print(table)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench store", description=__doc__)
    parser.add_argument("--associations", type=int, default=10)
    parser.add_argument("--count", type=int, default=500, help="instances in each round")
    parser.add_argument("--size", type=int, default=512 * 1024, help="bytes of pixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="figures for a program")
    options = parser.parse_args(arguments)
    free = shutil.disk_usage("/tmp").free
    if options.count * options.size * 2 > free:
        parser.error(f"/tmp has only {free // 1_000_000} MB free")
    figures = run(options)
    if options.json:
        print(json.dumps(figures))
    else:
        show(figures, options)


if __name__ == "__main__":
    main()
