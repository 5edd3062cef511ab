"""Kill a start at each system call of its clean-up: the next start must succeed.

A gateway is killed while it stores, and leftovers of each kind are laid beside what it had. That is
copied for each cut: strace kills whichever process of a starting gateway gets to the call, all
others are killed a moment later, and a start without a fault must find everything as promised.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from typing import TYPE_CHECKING

from tests.accountant import Accountant, leftovers, report
from tests.conftest import short_folder
from tests.faults import strace
from tests.faults.crash import thinned
from tests.peers import instances, procfs
from tests.peers.process import COMMAND, READY, Gateway, Program
from tests.peers.raw import echo_ok
from tests.peers.sender import in_parallel, store_all

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.row import Options
    from tests.faults.strace import Point

CALLS = (
    *("mkdir", "mkdirat", "unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2"),
    *("link", "linkat", "fsync", "fdatasync", "pwrite64", "ftruncate", "flock"),
)
ENDED = "ended: killed by SIGKILL"


def token(number: int) -> str:
    return f"20200101-120000000-0-{number:024x}"


class Scene:
    """The state that each start finds, and the instances of it that were acknowledged."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template = folder / "template"
        self.accountant = Accountant()
        self.log = folder / "strace.log"
        self.data = folder / "data"

    def make(self) -> None:
        gateway = Gateway(self._folder)
        try:
            batch = instances.many(80) + instances.many(20, size=100_000)
            address, books = gateway.address, self.accountant
            load = threading.Thread(
                target=lambda: in_parallel(
                    4, batch, lambda mine: store_all(address, mine, listener=books)
                )
            )
            load.start()
            procfs.until(lambda: len(books.acknowledged) > 30, what="some stored")
            family = gateway.children()
            os.kill(gateway.pid, signal.SIGKILL)
            procfs.wait_gone(family)
            load.join()
        finally:
            gateway.close()
        self._litter(gateway)
        shutil.copytree(self.data, self._template, ignore=shutil.ignore_patterns("run"))

    def _litter(self, gateway: Gateway) -> None:
        one = instances.make()
        self.accountant.sending(one)
        bucket = gateway.archive / "20200101" / "120000000-0"
        unfinished = gateway.archive / "tmp" / "0123456789abcdef"
        for place in (bucket, unfinished):
            place.mkdir(parents=True)
        kept = next(gateway.archive.rglob("*.dcm"))
        shutil.copy(kept, bucket / f"{token(1)}.dcm")
        (bucket / f"{token(2)}.dcm").write_bytes(one.part10())
        (unfinished / f"{token(3)}.1.part").write_bytes(b"half")
        (gateway.spool / "incoming" / "0" / f"{token(4)}.part").write_bytes(b"half")
        (gateway.spool / "ready" / token(5)).write_bytes(one.part10())

    def _again(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.copytree(self._template, self.data)

    def traced(self, *options: str) -> Program:
        """Start the gateway under strace with these options."""
        self._again()
        serve = (COMMAND, "serve", "--port", "0", "--data", self.data)
        return Program("strace", "-qq", "-f", "--seccomp-bpf", *options, *serve, cwd=self._folder)

    def points(self) -> list[Point]:
        program = self.traced("-y", "-o", str(self.log), "-e", f"trace={strace.among(CALLS)}")
        program.out.wait_for(READY)
        program.kill_all()
        return strace.points(self.log.read_text(), self.data)

    def cut(self, point: Point) -> bool:
        """Return whether a process was killed."""
        inject = f"inject={point.call}:signal=SIGKILL:{point.when}"
        program = self.traced("-o", "/dev/null", "-e", inject)

        def over() -> bool:
            return (
                program.popen.poll() is not None
                or ENDED in program.err.text
                or READY.search(program.out.text) is not None
            )

        procfs.until(over, what="an end of the start")
        struck = ENDED in program.err.text or program.popen.poll() is not None
        family = procfs.descendants(program.pid)
        program.kill_all()
        procfs.wait_gone(family)
        return struck

    def check(self) -> list[str]:
        """Return what is wrong after a start without a fault."""
        gateway = Gateway(self._folder)
        try:
            if not echo_ok(gateway.address):
                return ["no answer to C-ECHO"]
            told = store_all(gateway.address, instances.many(1))
            found = [str(told)] if told.errors or told.failed else []
            new = next(iter(told.statuses))
            books = self.accountant
            found += [
                str(one)
                for one in (
                    *books.violations(gateway.archive, spool=gateway.spool),
                    *leftovers(gateway.archive),
                )
                if new not in str(one)
            ]
            twice = {uid: n for uid, n in books.duplicates(gateway.archive).items() if n > 1}
            found += [f"kept twice: {twice}"] if twice else []
            return found if gateway.stop() == 0 else [*found, "it did not leave well"]
        finally:
            gateway.close()


def run(options: Options) -> int:
    if not strace.works():
        print("start: strace is not installed, or may not trace here")
        return 2
    begun, struck, broken = time.monotonic(), 0, 0
    with short_folder() as folder:
        scene = Scene(folder)
        scene.make()
        points = thinned(scene.points(), options.limit)
        for point in points:
            struck += scene.cut(point)
            if found := scene.check():
                broken += 1
                print(f"killed at {point}: {report(found)}", flush=True)
    told = len(scene.accountant.acknowledged)
    print(
        f"{len(points)} starts cut, {struck} struck, {told} acknowledged before, "
        f"{broken} broken promises, {time.monotonic() - begun:.0f} s"
    )
    return 1 if broken or not struck else 0
