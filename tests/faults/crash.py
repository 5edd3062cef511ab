"""Kill a process, or fail a system call, at each call that it makes while it stores.

A recording of an undisturbed store names the calls. Then, for each of them, strace is attached to
the acceptor or the storage worker of a living gateway, an SCU stores and notes what it is told, and
the process is killed at that call, or the call fails. The supervisor starts it again, the SCU sends
again what it was not told to be stored, and the accountant compares. strace counts the calls of
each thread by itself: the `nth` call is that of the first thread that gets there.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from tests.accountant import Accountant, leftovers, read_index, report
from tests.conftest import short_folder
from tests.faults import strace
from tests.faults.hasty import HASTY
from tests.faults.strace import Point, attached
from tests.patience import PATIENCE, WALL
from tests.peers import instances, procfs
from tests.peers.process import Gateway
from tests.peers.raw import echo_ok
from tests.peers.sender import Outcome, in_parallel, store_all
from tests.peers.workers import STORAGE_OFF

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tests.faults.row import Options
    from tests.peers.instances import Instance

CONFIG = f"[fabric]\nheartbeat = {0.2 * PATIENCE}\nlease_grace = {WALL}\n"
VICTIMS = ("acceptor-0", "storage-0")
KINDS = ("inline", "spooled", "bucket", "checkpoint")
ERRORS = ("EIO", "ENOSPC")
DISK = (
    *("openat", "mkdir", "mkdirat", "write", "writev", "pwrite64", "pread64", "preadv2"),
    *("fdatasync", "fsync", "syncfs", "rename", "renameat", "renameat2", "link", "linkat"),
    *("unlink", "unlinkat", "ftruncate", "flock"),
)
CALLS = (*DISK, "read", "fcntl", "close", "newfstatat", "sync_file_range", "sendto", "recvfrom")
CHANGES = ("write", "writev", "pwrite64", "fdatasync", "fsync", "syncfs", "rename", "renameat2")
"""Calls that are also made to fail every time, for as long as the fault lasts."""

REFUSALS = (0xA700, 0x0110)
CHECKPOINT = 400
"""Instances after which SQLite must have copied its log into its file."""


class Broken(Exception):  # noqa: N818 - a promise, in words
    """A promise was not kept."""


class Cut(NamedTuple):
    """The outcome of one fault."""

    struck: bool
    died: bool
    told: Outcome


class Target:
    """A gateway, and a record of everything that was sent to it."""

    def __init__(self, folder: Path, *, config: str = CONFIG) -> None:
        self.folder = folder
        self.gateway = Gateway(folder, config=config)
        self.accountant = Accountant()
        self.log = folder / "strace.log"

    def close(self) -> None:
        self.gateway.close()

    def send(self, batch: Sequence[Instance]) -> Outcome:
        """Send on one association; raise Broken if no answer comes."""
        told = store_all(self.gateway.address, batch, listener=self.accountant)
        if any(error.startswith("TimeoutError") for error in told.errors):
            raise Broken(f"neither a status nor an abort within {WALL} s: {told}")
        return told

    def load(self, batch: list[Instance]) -> Outcome:
        """Send on four associations at once."""
        whole = Outcome()
        for part in in_parallel(4, batch, self.send):
            whole.statuses.update(part.statuses)
            whole.broken += part.broken
            whole.errors += part.errors
        return whole

    def store(self, kind: str) -> tuple[list[Instance], Outcome]:
        """Store as the fault requires."""
        if kind == "checkpoint":
            batch = instances.many(CHECKPOINT, size=512)
            return batch, self.load(batch)
        sizes = (70_000, 2_000) if kind == "spooled" else (2_000, 70_000)
        batch = [instances.make(size=size) for size in sizes]
        return batch, self.send(batch)

    def prepare(self, kind: str) -> None:
        """Restart the acceptor for a new bucket, if the fault is to hit that."""
        if kind == "bucket":
            pid = self.gateway.child("acceptor-0")
            os.kill(pid, signal.SIGKILL)
            self.back("acceptor-0", pid)

    def aim(self, kind: str) -> list[str]:
        """Return strace options: the file into which SQLite copies its log, or any file."""
        return ["-P", str(self.gateway.archive / "index.sqlite")] if kind == "checkpoint" else []

    def record(self, victim: str, kind: str, calls: Sequence[str]) -> str:
        """Return the system calls of an undisturbed store."""
        self.prepare(kind)
        options = ["-y", "-o", str(self.log), "-e", f"trace={strace.among(calls)}"]
        with attached(self.gateway.child(victim), *self.aim(kind), *options):
            _, told = self.store(kind)
        if told.errors or told.failed:
            raise Broken(f"an undisturbed store failed: {told}")
        return self.log.read_text()

    def kill(self, victim: str, kind: str, point: Point) -> Cut:
        """Kill the process at the call, wait for its restart, and send again."""
        self.prepare(kind)
        pid = self.gateway.child(victim)
        inject = f"inject={point.call}:signal=SIGKILL:{point.when}"
        with attached(pid, *self.aim(kind), "-e", inject):
            batch, told = self.store(kind)
        died = not procfs.alive(pid)
        if died:
            self.back(victim, pid)
        if victim == "storage-0" and (told.errors or told.failed):
            raise Broken(f"the death of a worker is an error to its SCU: {told}")
        self.again(batch)
        return Cut(died, died, told)

    def refuse(self, victim: str, kind: str, point: Point, error: str) -> Cut:
        """Make the call fail; check the statuses, and that storing works afterwards."""
        self.prepare(kind)
        pid = self.gateway.child(victim)
        inject = f"inject={point.call}:error={error}:{point.when}"
        seen = ["-y", "-o", str(self.log), "-e", f"trace={point.call}", "-e", inject]
        with attached(pid, *self.aim(kind), *seen):
            batch, told = self.store(kind)
        died = not procfs.alive(pid)
        if died:
            self.back(victim, pid)
        elif told.errors:
            raise Broken(f"the association did not go on: {told}")
        wrong = {s for statuses in told.statuses.values() for s in statuses} - {0, *REFUSALS}
        if wrong:
            raise Broken(f"statuses {sorted(map(hex, wrong))}")
        self.again(batch)
        return Cut("(INJECTED)" in self.log.read_text(), died, told)

    def back(self, victim: str, pid: int) -> None:
        self.gateway.wait_child(victim, other_than=pid)
        if victim.startswith("acceptor"):
            procfs.until(self.echoes, what="an answer to C-ECHO")

    def echoes(self) -> bool:
        try:
            return echo_ok(self.gateway.address)
        except (OSError, AssertionError):
            return False

    def again(self, batch: Iterable[Instance]) -> None:
        """Send again what was not acknowledged, and one new instance."""
        rest = [one for one in batch if one.uid not in self.accountant.acknowledged]
        told = self.send([*rest, instances.make()])
        if told.errors or told.failed:
            raise Broken(f"after the fault: {told}")

    def audit(self) -> None:
        """Wait until every invariant holds; raise Broken if one never does."""
        end = time.monotonic() + WALL
        while found := [str(one) for one in self.violations()]:
            if time.monotonic() > end:
                raise Broken(report(found))
            time.sleep(0.05)

    def violations(self) -> Iterator[object]:
        gateway = self.gateway
        yield from self.accountant.violations(gateway.archive, spool=gateway.spool)
        yield from leftovers(gateway.archive)
        index = gateway.archive / "index.sqlite"
        rows = Counter(row.uid for row in (read_index(index) if index.exists() else ()))
        yield from (f"{uid} is in the index twice" for uid, count in rows.items() if count > 1)

    def twice(self) -> dict[str, int]:
        return self.accountant.duplicates(self.gateway.archive)

    def renew(self) -> None:
        """Stop and start again, which removes unfinished files."""
        if self.gateway.stop() != 0:
            raise Broken(f"it did not leave well\n{self.gateway.program.report()}")
        self.gateway = Gateway(self.folder, config=CONFIG)


class Series:
    """Inject every fault in one kind of store by one process."""

    def __init__(self, victim: str, kind: str, options: Options) -> None:
        self._victim = victim
        self._kind = kind
        self._limit = options.limit
        self._errors = [error for error in options.errors.split(",") if error]
        self._calls = options.syscalls.split(",") if options.syscalls else CALLS
        self.cuts = self.struck = self.deaths = self.refused = 0
        self.broken: list[str] = []

    def run(self) -> None:
        with short_folder() as folder:
            target = Target(folder)
            try:
                target.again(instances.many(2))
                self._run(target)
            except Exception:
                print(target.gateway.program.err.text[-4000:])
                raise
            finally:
                target.close()

    def _run(self, target: Target) -> None:
        log = target.record(self._victim, self._kind, self._calls)
        for point in thinned(strace.points(log), self._limit):
            self._try(target, f"killed at {point}", lambda p=point: self._kill(target, p))
        disk = [one for one in strace.points(log, target.gateway.data) if one.call in DISK]
        disk = thinned(disk, self._limit)
        disk += [Point(call, 0) for call in CHANGES if any(one.call == call for one in disk)]
        for error in self._errors:
            for point in disk:
                what = f"{error} at {point}"
                self._try(target, what, lambda p=point, e=error: self._refuse(target, p, e))
        self._try(target, "at the end", lambda: self._end(target))

    def _try(self, target: Target, what: str, fault) -> None:
        begun = len(target.gateway.program.err.lines)
        try:
            fault()
            target.audit()
        except (Broken, AssertionError) as error:
            lines = "\n    ".join(target.gateway.program.err.lines[begun:][-12:])
            self.broken.append(f"{self._victim} {self._kind} {what}: {error}\n    {lines}")
            print(self.broken[-1], flush=True)
            if len(self.broken) > 5:
                raise

    def _kill(self, target: Target, point: Point) -> None:
        cut = target.kill(self._victim, self._kind, point)
        self.cuts += 1
        self.struck += cut.struck
        self.deaths += cut.died

    def _refuse(self, target: Target, point: Point, error: str) -> None:
        cut = target.refuse(self._victim, self._kind, point, error)
        self.cuts += 1
        self.struck += cut.struck
        self.deaths += cut.died
        self.refused += len(cut.told.failed)

    def _end(self, target: Target) -> None:
        target.renew()
        target.again([])
        if twice := target.twice():
            raise Broken(f"kept twice: {twice}")

    def __str__(self) -> str:
        return (
            f"{self._victim} {self._kind}: {self.cuts} faults, {self.struck} struck, "
            f"{self.deaths} deaths, {self.refused} refusals, {len(self.broken)} broken promises"
        )


def thinned(points: list[Point], limit: int) -> list[Point]:
    """Return at most `count` points of each call, spread evenly."""
    kept: list[Point] = []
    for call in dict.fromkeys(point.call for point in points):
        mine = sorted(point for point in points if point.call == call)
        step = max(1.0, len(mine) / limit) if limit else 1.0
        kept += [mine[int(n * step)] for n in range(int(len(mine) / step))]
    return kept


def control(folder: Path) -> bool:
    """Return whether the check finds out a worker that answers before it stores."""
    (folder / "hasty_worker.py").write_text(HASTY)
    config = '[workers.hasty]\nworker = "hasty_worker:worker"\n'
    target = Target(folder, config=CONFIG + STORAGE_OFF + config)
    try:
        target.again(instances.many(2))
        target.audit()
        refused, killed = instances.many(2)  # the worker holds their bytes
        pid = target.gateway.child("hasty-0")
        seen = ["-o", str(target.log), "-e", "trace=rename"]
        with attached(pid, *seen, "-e", "inject=rename:error=EIO:when=1+"):
            target.send([refused])
            procfs.until(lambda: "(INJECTED)" in target.log.read_text(), what="a refusal")
        with attached(pid, "-e", "inject=rename:signal=SIGKILL:when=1"):
            target.send([killed])
            procfs.until(lambda: not procfs.alive(pid), what="the death of the worker")
        target.gateway.wait_child("hasty-0", other_than=pid)
        target.again([])
        # These violations do not go away, so there is no need to wait as `audit` does.
        lines = [line for one in target.violations() if "it is not on disk" in (line := str(one))]
        return all(any(one.uid in line for line in lines) for one in (refused, killed))
    finally:
        target.close()


def run(options: Options) -> int:
    if not strace.works():
        print("crash: strace is not installed, or may not trace here")
        return 2
    begun, broken, cuts = time.monotonic(), 0, 0
    for victim in options.victims.split(","):
        for kind in options.kinds.split(","):
            if (victim, kind) == ("acceptor-0", "checkpoint"):
                continue  # this process is not involved
            series = Series(victim, kind, options)
            series.run()
            print(series, flush=True)
            broken += len(series.broken)
            cuts += series.cuts
    with short_folder() as folder:
        noticed = control(folder)
    print(f"a worker that answers too early {'is noticed, as must be' if noticed else 'GOES BY'}")
    print(f"{cuts} faults in {time.monotonic() - begun:.0f} s, {broken} broken promises")
    return 0 if noticed and not broken else 1
