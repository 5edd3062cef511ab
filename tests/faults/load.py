"""Full load with faults for minutes: memory of each process over time, and the slope of it."""

from __future__ import annotations

import math
import os
import random
import signal
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.accountant import Accountant
from tests.conftest import running
from tests.faults.row import BrokenPromise, Result
from tests.faults.witness import ATTACKERS, attack
from tests.peers import instances, procfs
from tests.peers.process import run_cli
from tests.peers.sender import store_all

if TYPE_CHECKING:
    from tests.faults.row import Options
    from tests.peers.process import Gateway

MEASURED = ("supervisor", "acceptor-0", "storage-0")
KILLED = ("query-0", "retrieve-0")
"""Replaced now and then; the others go on, so that a leak of theirs would show."""
SENDERS = 6
EVERY = 1.0
"""Seconds between two measurements."""
WARM = 0.3
"""The part of the time in which caches and pools are filled, and which does not count."""
KEPT = 8_000_000
"""Bytes that a process may grow by in all, whatever the slope: what an allocator keeps."""
COLORS = ("#1f77b4", "#d62728", "#2ca02c")


@dataclass
class Slope:
    """A straight line through measurements: bytes a second, and the standard error of that."""

    slope: float
    error: float

    @classmethod
    def of(cls, points: list[tuple[float, float]]) -> Slope:
        count = len(points)
        mean_x = sum(x for x, _ in points) / count
        mean_y = sum(y for _, y in points) / count
        spread = sum((x - mean_x) ** 2 for x, _ in points)
        slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
        rest = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points)
        return cls(slope, math.sqrt(rest / max(1, count - 2) / spread))


@dataclass
class Load:
    """The senders, and what they were told."""

    gateway: Gateway
    seed: int
    books: Accountant = field(default_factory=Accountant)
    over: threading.Event = field(default_factory=threading.Event)

    def send(self, number: int) -> None:
        chance = random.Random(self.seed + number)
        while not self.over.is_set():
            size = chance.choice((2_000, 20_000, 400_000))
            store_all(self.gateway.address, instances.many(20, size=size), listener=self.books)

    def ask(self) -> None:
        while not self.over.is_set():
            run_cli("find", *map(str, self.gateway.address), "--level", "study")
            self.over.wait(2.0)

    def kill(self) -> None:
        chance = random.Random(self.seed)
        while not self.over.wait(15.0):
            with suppress(AssertionError, ProcessLookupError):
                os.kill(self.gateway.child(chance.choice(KILLED)), signal.SIGKILL)


def run(options: Options) -> Result:
    """Load a gateway beside resets and floods; the memory of what goes on must not grow."""
    with running('[log]\nlevel = "error"\n') as gateway:
        load = Load(gateway, options.seed)
        jobs = [lambda n=n: load.send(n) for n in range(SENDERS)]
        threads = [threading.Thread(target=job) for job in (*jobs, load.ask, load.kill)]
        with (
            attack("resets", gateway.address, ATTACKERS),
            attack("flood", gateway.address, "127.0.0.3"),
        ):
            for thread in threads:
                thread.start()
            try:
                series = _measure(gateway, options.minutes * 60)
            finally:
                load.over.set()
                for thread in threads:
                    thread.join()
        stored = len(load.books.acknowledged)
    place = Path(tempfile.gettempdir()) / "dicom-gateway-load"
    _write(place, series)
    return Result(ok=True, runs=stored, text=f"{judge(series)}; {stored} stored; {place}.svg, .csv")


def _measure(gateway: Gateway, seconds: float) -> dict[str, list[tuple[float, float]]]:
    pids = {"supervisor": gateway.pid} | {name: gateway.child(name) for name in MEASURED[1:]}
    series: dict[str, list[tuple[float, float]]] = {name: [] for name in pids}
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < seconds:
        for name, pid in pids.items():
            series[name].append((passed, float(procfs.memory(pid))))
        time.sleep(EVERY)
    return series


def judge(series: dict[str, list[tuple[float, float]]]) -> str:
    """Return the slopes in words; raise BrokenPromise if one is not zero within its noise."""
    told, broken = [], []
    for name, points in series.items():
        counted = points[int(len(points) * WARM) :]
        line, seconds = Slope.of(counted), counted[-1][0] - counted[0][0]
        text = f"{name} {line.slope * 60 / 1e3:+.0f} +/- {line.error * 60 / 1e3:.0f} KB a minute"
        told.append(text)
        if line.slope > 3 * line.error and line.slope * seconds > KEPT:
            broken.append(text)
    if broken:
        raise BrokenPromise(f"memory grows: {'; '.join(broken)}")
    return "; ".join(told)


def _write(place: Path, series: dict[str, list[tuple[float, float]]]) -> None:
    """Write the measurements as a table, and as a picture."""
    rows = zip(*series.values(), strict=True)
    lines = [f"{one[0][0]:.1f}," + ",".join(f"{size:.0f}" for _, size in one) for one in rows]
    place.with_suffix(".csv").write_text("\n".join(["seconds," + ",".join(series), *lines]) + "\n")
    width, height = 800, 400
    most = max(size for points in series.values() for _, size in points) * 1.1
    last = max(points[-1][0] for points in series.values()) or 1.0
    drawn = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height + 20}">']
    for (name, points), color in zip(series.items(), COLORS, strict=True):
        line = " ".join(
            f"{x / last * width:.1f},{height - y / most * height:.1f}" for x, y in points
        )
        drawn.append(f'<polyline fill="none" stroke="{color}" points="{line}"/>')
        at = height - points[-1][1] / most * height - 4
        drawn.append(f'<text x="4" y="{at:.0f}" fill="{color}">{name}</text>')
    drawn.append(
        f'<text x="4" y="{height + 15}">0 to {last:.0f} s, 0 to {most / 1e6:.0f} MB</text>'
    )
    place.with_suffix(".svg").write_text("\n".join([*drawn, "</svg>"]))
