"""Power cuts: at each system call of a commit, and of a whole gateway under load.

A file system in a file, mounted so that nothing reaches it that was not synced. What the file
holds at the moment of the cut is what a disk would hold: it is copied, mounted, and must have all
that was acknowledged, on disk and in the index. With `eatmydata`, which makes every sync do
nothing, the same must fail: that is the negative control, and part of each run.

Instances that one `syncfs` makes durable are stored on ext4, XFS and Btrfs. There the control
leaves out just the `syncfs`; and one that fails must fail the whole batch.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.accountant import Accountant, read_archive, read_index
from tests.conftest import short_folder
from tests.faults.strace import Point, points_between_marks
from tests.patience import WALL
from tests.peers import instances
from tests.peers.process import Gateway
from tests.peers.sender import in_parallel, store_all
from tests.workers.test_storage import Running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.row import Options

PROJECT = Path(__file__).parents[2]
CALLS = (
    "mkdir,openat,write,pwrite64,fdatasync,fsync,syncfs,renameat2,unlink,rename,ftruncate,mmap,"
    "flock,close"
)


class Kind(NamedTuple):
    """A file system, made and mounted such that only syncs reach the disk."""

    name: str
    megabytes: int
    options: str
    make: tuple[str, ...] = ()


EXT4 = Kind("ext4", 48, "loop,noauto_da_alloc,commit=600", ("-F",))
KINDS = (
    EXT4,
    Kind("xfs", 300, "loop"),
    Kind("btrfs", 128, "loop,commit=600,flushoncommit", ("--mixed",)),
)

_FEWER = 5
"""Other file systems than ext4 take seconds for a mount: only one call of so many is a cut."""


class Disk:
    """A file system in a file."""

    def __init__(self, folder: Path, kind: Kind, megabytes: int = 0) -> None:
        self.folder = folder
        self.kind = kind
        self._empty = folder / f"empty.{kind.name}"
        with self._empty.open("wb") as file:
            file.truncate((megabytes or kind.megabytes) << 20)
        command(f"mkfs.{kind.name}", "-q", *kind.make, self._empty)
        self.image = folder / "disk.img"

    def renew(self) -> None:
        command("cp", "--sparse=always", self._empty, self.image)

    def cut(self, name: str = "cut") -> Path:
        """Return a copy of what a disk would hold now."""
        copy = self.folder / f"{name}.img"
        command("cp", "--sparse=always", self.image, copy)
        return copy


def command(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True, timeout=WALL)


@contextmanager
def mounted(image: Path, place: Path, kind: Kind = EXT4) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    command("mount", "-o", kind.options, image, place)
    try:
        yield place
    finally:
        command("umount", place)


class Steps:
    """Cut the power of the writer at one system call after the other."""

    def __init__(self, disk: Disk, count: int, kind: str = "each") -> None:
        self._disk = disk
        self._count = count
        self.kind = kind
        self._log = disk.folder / "strace.log"

    def points(self) -> list[Point]:
        """Return the system calls of an undisturbed run between its two marks."""
        self.run(trace=True)
        return points_between_marks(self._log.read_text(), CALLS.split(","))

    def run(
        self,
        point: Point | None = None,
        *,
        trace: bool = False,
        preload: str = "",
        fault: str = "signal=SIGKILL",
    ) -> tuple[Path, dict[str, str]]:
        """Run until the cut; return what a disk would hold, and what was acknowledged."""
        self._disk.renew()
        strace: list[str] = []
        if point is not None:
            inject = f"inject={point.call}:{fault}:when={point.nth}"
            strace = ["strace", "-f", "-o", "/dev/null", "-e", inject]
        elif trace:
            strace = ["strace", "-f", "-o", str(self._log), "-e", f"trace={CALLS},newfstatat,stat"]
        words = [*strace, sys.executable, "-m", "tests.faults.writer"]
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        if preload:
            environment["LD_PRELOAD"] = preload
        with mounted(self._disk.image, self._disk.folder / "mnt", self._disk.kind) as place:
            command("sync", "-f", place)
            ended = subprocess.run(
                [*words, str(place / "data"), str(self._count), self.kind],
                capture_output=True,
                text=True,
                cwd=PROJECT,
                env=environment,
                timeout=WALL,
                check=False,
            )
            if point is None and ended.returncode != 0:
                raise RuntimeError(f"the writer failed: {ended.stderr[-2000:]}")
            return self._disk.cut(), dict(line.split() for line in ended.stdout.splitlines())


def missing(disk: Disk, cut: Path, acknowledged: dict[str, str], data: str = "data") -> list[str]:
    """Return the acknowledged instances that are incomplete or not indexed after a start."""
    with mounted(cut, disk.folder / "after", disk.kind) as place:
        archive = place / data / "archive"
        found = lost(archive, acknowledged)
        if not found and archive.is_dir():
            with Running(place / data):  # a start removes unfinished files
                pass
            found = [f"after the start: {line}" for line in lost(archive, acknowledged)]
        return found


def lost(archive: Path, acknowledged: dict[str, str]) -> list[str]:
    if not acknowledged:
        return []
    stored, bad = read_archive(archive)
    files = {(one.uid, one.digest) for one in stored}
    index = archive / "index.sqlite"
    try:
        rows = {(row.uid, row.digest) for row in read_index(index)} if index.exists() else set()
    except Exception as error:
        return [f"the index cannot be read: {error}"]
    lines = [str(one) for one in bad]
    lines += [f"{u} is not on disk" for u, d in acknowledged.items() if (u, d) not in files]
    return lines + [
        f"{u} is not in the index" for u, d in acknowledged.items() if (u, d) not in rows
    ]


def eatmydata() -> str:
    """Return the path of the library that makes syncs do nothing; empty if not installed."""
    found = [*Path("/usr/lib").glob("*/libeatmydata.so*"), *Path("/usr/lib").glob("libeatmydata*")]
    return str(found[0]) if found else ""


def steps(folder: Path, options: Options) -> bool:
    disk = Disk(folder, EXT4)
    victim = Steps(disk, options.instances)
    return cuts_at_each(disk, victim, options.every) and control(disk, victim)


def cuts_at_each(disk: Disk, victim: Steps, every: int) -> bool:
    points = victim.points()[::every]
    total = 0
    for point in points:
        cut, acknowledged = victim.run(point)
        total += len(acknowledged)
        if found := missing(disk, cut, acknowledged):
            print(f"cut at {point.call} {point.nth}: " + "; ".join(found[:5]))
            return False
    print(
        f"{disk.kind.name}, {victim.kind}: {len(points)} cuts at system calls, {total} "
        "acknowledged in all: none is missing"
    )
    return True


def together(folder: Path, options: Options, kind: Kind) -> bool:
    """Cut the power where one `syncfs` is for all; without it, and where it fails."""
    disk = Disk(folder, kind)
    victim = Steps(disk, max(options.instances, 2), "together")
    every = options.every if kind is EXT4 else options.every * _FEWER
    if not cuts_at_each(disk, victim, every):
        return False
    (sync,) = (point for point in victim.points() if point.call == "syncfs")
    cut, acknowledged = victim.run()
    if found := missing(disk, cut, acknowledged) or not acknowledged:
        print(f"{kind.name}: of {len(acknowledged)} acknowledged {found}")
        return False
    _, refused = victim.run(sync, fault="error=EIO")
    print(f"{kind.name}: with a syncfs that fails {len(refused)} are acknowledged, as must be")
    victim.kind = "unsynced"
    cut, acknowledged = victim.run()
    found = missing(disk, cut, acknowledged)
    what = (found or ["none is missing"])[0]
    print(f"{kind.name}: without the syncfs of {len(acknowledged)} acknowledged {what}")
    return bool(found) and not refused


def control(disk: Disk, victim: Steps) -> bool:
    """The negative control: the check must fail without syncs."""
    library = eatmydata()
    if not library:
        print("eatmydata is not installed: no negative control")
        return False
    cut, acknowledged = victim.run(preload=library)
    found = missing(disk, cut, acknowledged)
    print(f"with eatmydata {len(found)} of {len(acknowledged)} are missing, as must be")
    return bool(found)


def whole(folder: Path, options: Options) -> bool:
    """Stop a gateway under load for a moment and cut its power."""
    disk = Disk(folder, EXT4, 1024)
    disk.renew()
    chance, accountant, cuts = random.Random(options.seed), Accountant(), []
    with mounted(disk.image, folder / "gw") as place:
        gateway = Gateway(place, config="[spool]\nrefuse_below = 0\n")
        try:
            over = threading.Event()
            load = threading.Thread(target=_load, args=(gateway, accountant, over))
            load.start()
            for number in range(options.cuts):
                time.sleep(chance.uniform(0.05, 0.4))
                acknowledged = {
                    uid: next(iter(accountant.accounts[uid].digests))
                    for uid in list(accountant.acknowledged)
                }
                with stopped({gateway.pid, *gateway.children()}):
                    cuts.append((disk.cut(f"cut{number}"), acknowledged))
            over.set()
            load.join()
            gateway.stop()
        finally:
            gateway.close()
    for cut, acknowledged in cuts:
        if found := missing(disk, cut, acknowledged):
            print(f"{cut.name}: " + "; ".join(found[:5]))
            return False
        cut.unlink()
    most = max((len(a) for _, a in cuts), default=0)
    print(f"{len(cuts)} cuts of a gateway, up to {most} acknowledged: none is missing")
    return most > 0


def _load(gateway: Gateway, accountant: Accountant, over: threading.Event) -> None:
    while not over.is_set():
        batch = instances.many(20) + instances.many(4, size=150_000)
        in_parallel(4, batch, lambda mine: store_all(gateway.address, mine, listener=accountant))


@contextmanager
def stopped(pids: set[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def run(options: Options) -> int:
    if os.geteuid() != 0 or not all(map(shutil.which, ("strace", "mkfs.ext4", "mount"))):
        print("power: needs root, strace, and mkfs.ext4")
        return 2
    with short_folder() as folder:
        (folder / "w").mkdir()
        good = steps(folder, options)
        for kind in KINDS:
            if shutil.which(f"mkfs.{kind.name}") is None:
                print(f"{kind.name}: skipped, mkfs.{kind.name} is not installed")
                continue
            (folder / kind.name).mkdir()
            good = together(folder / kind.name, options, kind) and good
        good = whole(folder / "w", options) and good
    return 0 if good else 1
