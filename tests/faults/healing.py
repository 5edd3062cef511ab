"""A gateway to which something happens, and the time until it stores again by itself.

Each function makes one fault, removes its cause, and returns what was seen in a few words; it
raises BrokenPromise if the gateway does not store again in time. Tests call them one by one, the
matrix of faults lists them (`tests/faults/rows/healing.py`).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tests.accountant import Accountant
from tests.conftest import short_folder
from tests.faults.row import BrokenPromise
from tests.patience import PATIENCE, WALL
from tests.peers import instances, procfs, wire
from tests.peers.process import COMMAND, READY, Gateway, Program, run_cli
from tests.peers.raw import RawPeer, echo_ok
from tests.peers.sender import store_all
from tests.peers.workers import READY as WORKER_READY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Skipped(Exception):  # noqa: N818 - what happened
    """Raised if a fault cannot be made on this machine."""


HEALED = 10.0
"""Seconds from the end of the cause until the gateway stores again."""
HANG = 2.0 * PATIENCE
FAST = f"[gateway]\nhang_timeout = {HANG}\n[fabric]\nheartbeat = {0.2 * PATIENCE}\n"


def store_status(gateway: Gateway) -> int | str:
    """Return the status that a new instance gets, or what kept it from getting one."""
    told = store_all(gateway.address, instances.many(1))
    return next(iter(told.statuses.values()))[0] if told.statuses else str(told.errors)


def seconds_until_it_stores(gateway: Gateway, limit: float = HEALED) -> float:
    """Send instances until one is stored; raise BrokenPromise after `limit` seconds."""
    begun = time.monotonic()
    while (status := store_status(gateway)) != 0x0000:
        if time.monotonic() - begun > limit * PATIENCE:
            raise BrokenPromise(f"after {limit * PATIENCE:.0f} s still {status!r}")
    return time.monotonic() - begun


@contextmanager
def gateway(config: str = FAST, folder: Path | None = None) -> Iterator[Gateway]:
    """Run a gateway in a folder of its own, and stop it as an operator would."""
    if folder is None:
        with short_folder() as place, gateway(config, place) as running:
            yield running
        return
    running = Gateway(folder, config=config)
    try:
        yield running
        status = running.stop()
        if status != 0:
            raise BrokenPromise(f"exit status {status}\n{running.program.report()}")
    finally:
        running.close()


def stopped(name: str) -> str:
    """SIGSTOP of a process: it is replaced, and what it had in hand is done by the other."""
    with gateway() as running:
        pid = running.child(name)
        os.kill(pid, signal.SIGSTOP)
        running.wait_child(name, other_than=pid)
        took = seconds_until_it_stores(running)
        running.program.err.wait_for(rf"child={name} was silent for .*: it is killed and replaced")
    return f"{name} replaced, stored {took:.1f} s later"


def paused() -> str:
    """SIGSTOP and SIGCONT of the supervisor: the children are not blamed for its pause."""
    with gateway() as running:
        before = running.children()
        os.kill(running.pid, signal.SIGSTOP)
        procfs.until(lambda: procfs.state(running.pid) == "T", what="a stopped supervisor")
        time.sleep(HANG + 3.0)
        os.kill(running.pid, signal.SIGCONT)
        running.program.err.wait_for("children are excused")
        took = seconds_until_it_stores(running)
        if running.children() != before:
            raise BrokenPromise(f"children were replaced: {running.program.report()}")
    return f"no child was replaced, stored {took:.1f} s later"


def swapped(*, kill: bool = False) -> str:
    """`worker storage` takes over and leaves, or is killed: the gateway's own comes back."""
    with gateway() as running:
        own = running.child("storage-0")
        swap = Program(COMMAND, "worker", "storage", "--data", running.data, cwd=running.folder)
        try:
            swap.out.wait_for(WORKER_READY)
            running.program.err.wait_for("worker storage answers in its place")
            if store_status(running) != 0x0000:
                raise BrokenPromise("the worker that took over does not store")
            if kill:
                swap.kill_all()
            else:
                swap.terminate()
                swap.wait()
            took = seconds_until_it_stores(running)
            running.wait_child("storage-0", other_than=own)
        finally:
            if swap.popen.poll() is None:
                swap.kill_all()
    return f"its own storage is back, stored after {took:.1f} s"


def guard_missing() -> str:
    """The volume of the archive is not mounted at the start, and comes a moment later."""
    with short_folder() as folder:
        config = folder / "gateway.toml"
        config.write_text('[gateway]\nport = 0\n[archive]\nguard = "archive/mounted"\n')
        with waiting(folder, config) as program:
            program.err.wait_for("cannot start yet, .*the archive's volume is not mounted")
            _not_yet(folder / "data")
            (folder / "data" / "archive" / "mounted").touch()
            return ready_after(program, "the volume was there")


@contextmanager
def waiting(folder: Path, config: Path) -> Iterator[Program]:
    """A gateway that does not get ready until what it lacks is there."""
    serve = (COMMAND, "serve", "--port", "0", "--config", config, "--data", folder / "data")
    program = Program(*serve, cwd=folder)
    try:
        yield program
    finally:
        if program.popen.poll() is None:
            program.kill_all()


def ready_after(program: Program, cause: str) -> str:
    """Wait until a gateway is ready, and stop it; return how long after the cause that was."""
    begun = time.monotonic()
    program.out.wait_for(READY)
    took = time.monotonic() - begun
    program.terminate()
    if program.wait() != 0:
        raise BrokenPromise(program.report())
    if took > HEALED * PATIENCE:
        raise BrokenPromise(f"ready only {took:.1f} s after {cause}")
    return f"ready {took:.1f} s after {cause}"


def _not_yet(data: Path) -> None:
    """Check that a gateway without its storage says so, and turns those away that want to store."""
    told = run_cli("status", "--json", "--data", data)
    status = json.loads(told.out.text)
    if told.popen.returncode != 1 or not any("not mounted" in why for why in status["reasons"]):
        raise BrokenPromise(f"status says {status['state']}: {status['reasons']}")
    address = status["address"][0], status["address"][1]
    with RawPeer(address) as peer:
        peer.send(wire.associate_rq(wire.context(1, wire.CT, wire.EXPLICIT)))
        if (answer := peer.recv_pdu()) != wire.associate_rj(2, 3, 1):
            raise BrokenPromise(f"who wants to store is answered {answer.hex()}")
    if not echo_ok(address):
        raise BrokenPromise("no answer to C-ECHO")


EXITS_ONCE = """
import os

from gateway import Worker, evt

worker = Worker("exits")


@worker.on(evt.EVT_C_ECHO)
def echo(event):
    try:
        os.close(os.open("left", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return 0x0000
    os._exit(2)
"""


def exits_with_2() -> str:
    """A handler that calls os._exit(2) once: a configured worker is restarted all the same."""
    with short_folder() as folder:
        (folder / "exits.py").write_text(EXITS_ONCE)
        with gateway(f'{FAST}[workers.exits]\nworker = "exits:worker"\n', folder) as running:
            echo_ok(running.address)
            running.program.err.wait_for("child=exits-0 ended: exit status 2; restarting it")
            if not echo_ok(running.address, timeout=WALL):
                raise BrokenPromise("no answer to a second C-ECHO")
    return "restarted, and answers"


def taken_away(what: str) -> str:
    """The index, `run/` or `spool/` is deleted under way; nothing that was acknowledged is lost."""
    with gateway() as running:
        books = Accountant()
        store_all(running.address, instances.many(3), listener=books)
        place = running.data / what
        if place.is_dir():
            shutil.rmtree(place)
        else:
            for file in place.parent.glob(f"{place.name}*"):
                file.unlink()
        store_all(running.address, instances.many(1), listener=books)  # it may not know yet
        begun = time.monotonic()
        running.program.err.wait_for(rf"{what.rpartition('/')[2]}.* (were|was) .*(deleted|anew)")
        took = seconds_until_it_stores(running)
        store_all(running.address, instances.many(3), listener=books)
        healthy(running)
        seconds = time.monotonic() - begun
        violations = books.violations(running.archive)
        known = {one.uid for one in violations if hasattr(one, "uid")}
        if broken := [one for one in violations if str(one).startswith("I1")]:
            raise BrokenPromise(f"{broken} {known}")
    return f"mended, stored {took:.1f} s later, ok after {seconds:.1f} s"


def healthy(running: Gateway, limit: float = HEALED) -> dict[str, object]:
    """Wait until `status` says ok, and return it."""
    end = time.monotonic() + limit * PATIENCE
    while True:
        told = run_cli("status", "--json", "--data", running.data)
        status = json.loads(told.out.text)
        if status["state"] == "ok":
            return status
        if time.monotonic() > end:
            raise BrokenPromise(f"not ok: {status['reasons']}")


def degraded(running: Gateway, reason: str, limit: float = HEALED) -> None:
    """Wait until `status` says degraded, for this reason."""
    end = time.monotonic() + limit * PATIENCE
    while True:
        told = run_cli("status", "--json", "--data", running.data)
        status = json.loads(told.out.text)
        if status["state"] == "degraded" and any(reason in why for why in status["reasons"]):
            return
        if time.monotonic() > end:
            raise BrokenPromise(f"status says {status['state']}: {status['reasons']}")


def damaged_index() -> str:
    """The index is damaged: never made anew by itself; `status` says how, and that mends it."""
    with short_folder() as folder:
        with gateway(FAST, folder) as before:
            books = Accountant()
            store_all(before.address, instances.many(3), listener=books)
            data, archive = before.data, before.archive
        index = archive / "index.sqlite"
        index.write_bytes(bytes(index.stat().st_size))
        with waiting(folder, folder / "gateway.toml") as program:
            program.err.wait_for("child=storage-0 is waiting: .*damaged")
            told = run_cli("status", "--json", "--data", data)
            reasons = json.loads(told.out.text)["reasons"]
            if not any("archive reindex" in why for why in reasons):
                raise BrokenPromise(f"status does not say how to mend it: {reasons}")
            mended = run_cli("archive", "reindex", "--data", data)
            if mended.popen.returncode != 0:
                raise BrokenPromise(f"the gateway runs, and so: {mended.report()}")
            text = ready_after(program, "the reindex")
            if broken := books.violations(archive):
                raise BrokenPromise(str(broken))
            return text


SMALL_LIMITS = "[spool]\nmin_free = 1048576\nrefuse_below = 2097152\n"


def starts_without_room(folder: Path, data: Path, use_up: Callable[[Path], None]) -> str:
    """The disk is full at the start: reading works, storing does not until there is room.

    `use_up` puts what fills the disk at a path.
    """
    filler = data / "filler"
    with gateway(SMALL_LIMITS, folder) as running:
        if store_status(running) != 0x0000:
            raise BrokenPromise("it does not store before")
        procfs.until((data / "reserve").exists, what="the reserve")
    use_up(filler)
    with gateway(SMALL_LIMITS, folder) as running:
        if not echo_ok(running.address):
            raise BrokenPromise("no answer to C-ECHO")
        found = run_cli("find", *map(str, running.address), "--level", "study")
        if found.popen.returncode != 0:
            raise BrokenPromise(f"C-FIND: {found.report()}")
        if store_status(running) == 0x0000:
            raise BrokenPromise("it stores on a full disk")
        told = json.loads(run_cli("status", "--json", "--data", data).out.text)
        if told["state"] != "degraded" or not any("disk" in why for why in told["reasons"]):
            raise BrokenPromise(f"status says {told['state']}: {told['reasons']}")
        shutil.rmtree(filler) if filler.is_dir() else filler.unlink()
        took = seconds_until_it_stores(running)
        healthy(running)
    return f"reads on a full disk, stored {took:.1f} s after there was room"


def fill(path: Path) -> None:
    """Write a file until the disk is full to the last byte."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (1 << 20, 4096, 1):
            with suppress(OSError):
                while True:
                    os.write(fd, bytes(size))
    finally:
        os.close(fd)
