"""The clients that put a load on a server: ours with prepared bytes, and two that users have."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import tree
from tests.bench.programs import AbsentError, compiled
from tests.bench.scratch import settle
from tests.bench.sending import FIRST, Outcome, Plan, Sender, send, sender
from tests.peers import dcmtk, instances

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.scratch import Prepared, Scratch
    from tests.bench.servers import Running

LIMIT = 60.0
"""Seconds after which a measurement is given up."""
_FIRST_SHARE = 10
"""Files of each storescu in its first try."""
_CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Load:
    """The load that a client is to send."""

    size: int
    associations: int
    count: int
    """At most."""
    seconds: float
    """Nothing new begins after so long."""

    @property
    def volume(self) -> int:
        """Bytes of pixels, at most."""
        return self.size * self.count


@dataclass(frozen=True)
class Measured:
    """One load on one server; `reason` says why there are no figures."""

    rate: float = 0.0
    count: int = 0
    p50: float = 0.0
    p99: float = 0.0
    server_cpu: float = 0.0
    """Seconds an instance, of the whole process tree."""
    client_cpu: float = 0.0
    memory: int = 0
    """Peak of the tree."""
    client_share: float = 0.0
    """Of one core."""
    reason: str = ""


@dataclass(frozen=True)
class Client:
    name: str
    title: str
    run: Callable[[Running, Load, Scratch], Measured]
    """Raises FailedError, or gives the reason of a failure."""
    absent: Callable[[], str]


def _measured(outcome: Outcome, cpu: float, memory: int) -> Measured:
    if outcome.reason or outcome.failed or not outcome.acknowledged:
        return Measured(reason=outcome.reason or "nothing was acknowledged")
    count = outcome.acknowledged
    share = outcome.cpu / outcome.seconds
    each = outcome.cpu / count
    return Measured(outcome.rate, count, outcome.p50, outcome.p99, cpu / count, each, memory, share)


def warm(server: Running, data: Prepared) -> int:
    """Let it load what it loads at its first instance; the number of instances sent."""
    count = 20 if data.size <= 1 << 20 else 1
    send(server.address, Plan(min(count, 2), count, data=data))
    return count


def prepared(server: Running, load: Load, place: Scratch) -> Measured:
    """Prepared bytes, as cheap as a client can be."""
    data = place.prepared(load.size)
    first = FIRST + warm(server, data)
    plan = Plan(load.associations, load.count, load.seconds, LIMIT, data, first)
    return _told(server, sender(server.address, plan), load)


def pynetdicom(server: Running, load: Load, place: Scratch) -> Measured:
    """pynetdicom as SCU, a thread for each association."""
    data = place.prepared(load.size)
    first = FIRST + warm(server, data)
    options = (server.address[1], load.associations, load.count, load.seconds, LIMIT, first)
    command = (sys.executable, "-m", "tests.bench.pynetdicom_scu", data.path, *options)
    return _told(server, Sender(*command, limit=LIMIT, cwd=_CHECKOUT), load)


def _told(server: Running, starting: Sender, load: Load) -> Measured:
    """One run of a client that has every association up before the clock starts."""
    with starting as client:
        settle(load.volume)
        tree.start_peaks(server.pid)
        before = tree.cpu(server.pid)
        outcome = client.run()
        after = tree.usage(server.pid)
    return _measured(outcome, after.cpu - before, after.memory)


def storescu(server: Running, load: Load, place: Scratch) -> Measured:
    """DCMTK's storescu as it is installed, a process for each association.

    Its start is within the time, so it gets so many files that this matters little.
    """
    warm(server, place.prepared(load.size))
    files = iter(_files(place, load.size, load.count))
    settle(load.volume)
    share = min(_FIRST_SHARE, load.count // load.associations // 2)
    left = load.count // load.associations
    while True:
        before = tree.cpu(server.pid)
        outcome = _storescu(server, [list(islice(files, share)) for _ in range(load.associations)])
        cpu = tree.cpu(server.pid) - before
        left -= share
        if outcome.reason or outcome.seconds >= load.seconds / 2 or left < share:
            return _measured(outcome, cpu, 0)
        share = min(int(share * load.seconds / outcome.seconds), left)


def _storescu(server: Running, shares: list[list[Path]]) -> Outcome:
    stock = {name: value for name, value in os.environ.items() if name != "TCP_NODELAY"}
    command = [str(dcmtk.find("storescu")), "127.0.0.1", str(server.address[1])]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    processes = [
        subprocess.Popen(
            [*command, *map(str, share)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=stock,
        )
        for share in shares
    ]
    reason = ""
    for process in processes:
        try:
            status = process.wait(max(begun + LIMIT - time.perf_counter(), 0.001))
            reason = reason or (f"storescu left with exit status {status}" if status else "")
        except subprocess.TimeoutExpired:
            reason = reason or f"storescu did not end within {LIMIT:.0f} s"
            process.kill()
            process.wait()
    seconds = time.perf_counter() - begun
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    return Outcome(sum(map(len, shares)), seconds, cpu=cpu, reason=reason)


def _files(place: Scratch, size: int, count: int) -> list[Path]:
    """Part 10 files with UIDs of their own, made once for each size."""
    folder = place.path / f"files-{size}"
    folder.mkdir(exist_ok=True)
    paths = [folder / str(number) for number in range(count)]
    for path in paths:
        if not path.exists():
            path.write_bytes(instances.make(size=size).part10())
    return paths


def _no_storescu() -> str:
    return "" if dcmtk.find("storescu") else "DCMTK is not installed (no storescu)"


def _no_sender() -> str:
    try:
        compiled("sender")
    except AbsentError as absent:
        return str(absent)
    return ""


CLIENTS = {
    client.name: client
    for client in (
        Client("prepared", "prepared bytes", prepared, _no_sender),
        Client(
            "storescu",
            "DCMTK storescu, as installed",
            storescu,
            lambda: _no_storescu() or _no_sender(),
        ),
        Client("pynetdicom", "pynetdicom as SCU", pynetdicom, _no_sender),
    )
}
