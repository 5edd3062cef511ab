"""A gateway to which something happens, and the time until it stores again by itself.

Each function makes one fault, removes its cause, and returns what was seen in a few words; it
raises BrokenPromise if the gateway does not store again in time. Tests call them one by one, the
matrix of faults lists them (`tests/faults/rows/healing.py`).
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.conftest import short_folder
from tests.faults.row import BrokenPromise
from tests.patience import PATIENCE, WALL
from tests.peers import instances, procfs
from tests.peers.process import COMMAND, READY, Gateway, Program
from tests.peers.sender import store_all
from tests.peers.workers import READY as WORKER_READY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
        serve = (COMMAND, "serve", "--config", config, "--data", folder / "data")
        program = Program(*serve, cwd=folder)
        try:
            program.err.wait_for("cannot start yet, .*the archive's volume is not mounted")
            (folder / "data" / "archive" / "mounted").touch()
            begun = time.monotonic()
            program.out.wait_for(READY)
            took = time.monotonic() - begun
            program.terminate()
            if program.wait() != 0:
                raise BrokenPromise(program.report())
        finally:
            if program.popen.poll() is None:
                program.kill_all()
    if took > HEALED * PATIENCE:
        raise BrokenPromise(f"ready only {took:.1f} s after the volume was there")
    return f"ready {took:.1f} s after the volume was there"


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
            from tests.peers.raw import echo_ok

            echo_ok(running.address)
            running.program.err.wait_for("child=exits-0 ended: exit status 2; restarting it")
            if not echo_ok(running.address, timeout=WALL):
                raise BrokenPromise("no answer to a second C-ECHO")
    return "restarted, and answers"
