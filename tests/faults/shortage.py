"""What a gateway needs runs short under way, and is there again a moment later.

Descriptors, memory and threads are limited for one process by prlimit(2): a limit of its address
space leaves no room for the stack of another thread either. Whatever happens to the process, all
that was acknowledged must be there, and the gateway stores again within seconds of the end.
"""

from __future__ import annotations

import resource
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tests.accountant import Accountant
from tests.conftest import running, short_folder
from tests.faults import healing
from tests.faults.healing import Skipped, gateway, healthy, seconds_until_it_stores, store_status
from tests.faults.row import BrokenPromise
from tests.peers import instances, procfs
from tests.peers.process import run_cli
from tests.peers.raw import echo_ok
from tests.peers.sender import in_parallel, store_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.peers.process import Gateway

SHORT = 5.0
"""Seconds for which something is short."""
ROOM = 4 << 20
"""Bytes that a process may have more, in all of its address space."""


@contextmanager
def limited(pid: int, what: int, limit: int) -> Iterator[None]:
    """Limit a process for a while; it may end meanwhile."""
    soft, hard = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (limit, hard))
    try:
        yield
    finally:
        if procfs.alive(pid):
            resource.prlimit(pid, what, (soft, hard))


def descriptors(name: str) -> str:
    """A process can open nothing more."""
    return _short(name, resource.RLIMIT_NOFILE, lambda pid: max(procfs.descriptors(pid)) + 1)


def memory(name: str) -> str:
    """A process gets no more memory, and no thread."""
    return _short(name, resource.RLIMIT_AS, lambda pid: procfs.memory(pid, "VmSize") + ROOM)


def _short(name: str, what: int, limit: Callable[[int], int]) -> str:
    books = Accountant()
    with gateway() as it:
        store_all(it.address, instances.many(5), listener=books)
        pid = it.child(name)
        with limited(pid, what, limit(pid)):
            _load(it, books)
        took = seconds_until_it_stores(it)
        healthy(it)
        if lost := [v for v in books.violations(it.archive) if str(v).startswith("I1")]:
            raise BrokenPromise(f"acknowledged and lost: {lost}")
        if traces := _tracebacks(it.program.err.lines):
            raise BrokenPromise(f"{len(traces)} tracebacks, such as\n{traces[0]}")
        fate = "stayed" if it.child(name) == pid else "was replaced"
    stored = len(books.acknowledged)
    return f"{name} {fate}, {stored} stored in all, again {took:.1f} s later"


def _tracebacks(lines: list[str]) -> list[str]:
    """Return the tracebacks in a log, whose lines are indented."""
    found: list[list[str]] = []
    for line in lines:
        if "Traceback (most" in line:
            found.append([])
        if found and line.startswith("    |"):
            found[-1].append(line)
    return ["\n".join(one) for one in found]


def _load(it: Gateway, books: Accountant) -> None:
    """Store small and large instances, find them, and ask for associations, for a while."""
    end = time.monotonic() + SHORT
    while time.monotonic() < end:
        batch = instances.many(10) + instances.many(4, size=300_000)
        in_parallel(7, batch, lambda mine: store_all(it.address, mine, listener=books, timeout=5))
        with suppress(OSError):  # new connections may have to wait
            echo_ok(it.address, timeout=1)
        run_cli("find", *map(str, it.address), "--level", "study")


def full_disk() -> str:
    """The disk is full to the last byte when the gateway starts (root)."""
    with small_disk("size=160m") as folder:
        return healing.starts_without_room(folder, folder / "data", healing.fill)


def no_inodes() -> str:
    """No file can be made when the gateway starts, although there is room (root)."""
    with small_disk("size=160m,nr_inodes=2000") as folder:
        return healing.starts_without_room(folder, folder / "data", _use_up_inodes)


def failed_reindex() -> str:
    """A reindex without room on the disk fails, says so, and leaves what there was (root)."""
    with small_disk("size=100m") as folder:
        data = folder / "data"
        with gateway(healing.SMALL_LIMITS, folder) as it:
            if store_status(it) != 0x0000:
                raise BrokenPromise("it does not store before")
        healing.fill(data / "filler")
        before = _listing(data)
        told = run_cli("archive", "reindex", "--data", data)
        if told.popen.returncode == 0:
            raise BrokenPromise("the reindex succeeds on a full disk")
        if "Traceback" in told.err.text:
            raise BrokenPromise(told.report())
        if (left := _listing(data)) != before:
            raise BrokenPromise(f"it leaves {sorted(left ^ before)}")
        (data / "filler").unlink()
        with gateway(healing.SMALL_LIMITS, folder) as it:
            took = seconds_until_it_stores(it)
    return f"exit status {told.popen.returncode}, nothing left, stored {took:.1f} s later"


@contextmanager
def small_disk(options: str) -> Iterator[Path]:
    """Yield a folder whose `data` is a file system of its own."""
    with short_folder() as folder:
        data = folder / "data"
        data.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "none", data]
        if subprocess.run(command, check=False).returncode != 0:
            raise Skipped("a file system cannot be mounted here")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", data], check=True)


def _use_up_inodes(folder: Path) -> None:
    folder.mkdir()
    number = 0
    try:
        while True:
            (folder / str(number)).touch()
            number += 1
    except OSError:
        return


def _listing(folder: Path) -> set[tuple[str, int]]:
    """Return the files below a folder, with their sizes."""
    return {
        (str(path.relative_to(folder)), path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith((".open", ".lock"))
    }


def unread_log() -> str:
    """Nobody reads the log of a gateway under load."""
    books = Accountant()
    config = '[log]\nlevel = "debug"\nrepeats = 0\n'
    with running(config, reads_log=False) as it:
        batch = instances.many(1000)
        in_parallel(8, batch, lambda mine: store_all(it.address, mine, listener=books))
        if len(books.acknowledged) != len(batch):
            raise BrokenPromise(f"{len(books.acknowledged)} of {len(batch)} were stored")
        if not echo_ok(it.address):
            raise BrokenPromise("no answer to C-ECHO")
    return f"{len(batch)} stored, and it ends at SIGTERM"
