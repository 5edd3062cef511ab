"""A gateway whose index is in PostgreSQL, which is late, stopped or paused."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tests.archive import postgres
from tests.conftest import short_folder
from tests.faults.healing import (
    FAST,
    HANG,
    HEALED,
    Skipped,
    degraded,
    gateway,
    healthy,
    ready_after,
    seconds_until_it_stores,
    waiting,
)
from tests.faults.row import BrokenPromise
from tests.faults.steady_load import Load
from tests.patience import PATIENCE
from tests.peers import procfs, wire
from tests.peers.process import run_cli
from tests.peers.raw import RawPeer, echo_ok

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.peers.process import Gateway


@contextmanager
def database(listen: str = "") -> Iterator[postgres.Server]:
    """A PostgreSQL server that is not started yet, and is stopped at the end."""
    if reason := postgres.absent():
        raise Skipped(reason)
    with short_folder() as folder:
        folder.chmod(0o755)
        server = postgres.Server(folder / "pg", listen=listen)
        try:
            yield server
        finally:
            with suppress(AssertionError):
                server.stop()


def late() -> str:
    """PostgreSQL is started after the gateway."""
    with database() as server, short_folder() as folder:
        config = folder / "gateway.toml"
        config.write_text(f'{FAST}[archive]\ndsn = "{server.dsn}"\n')
        with waiting(folder, config) as program:
            program.err.wait_for("child=storage-0 is waiting: .*the database cannot be used")
            told = run_cli("status", "--json", "--data", folder / "data")
            reasons = json.loads(told.out.text)["reasons"]
            if not any("storage-0 is waiting: archive.dsn" in why for why in reasons):
                raise BrokenPromise(f"status says {reasons}")
            server.start()
            return ready_after(program, "the database")


def stopped() -> str:
    """PostgreSQL is stopped, the storage worker is killed meanwhile, PostgreSQL comes back."""
    with database() as server:
        server.start()
        with gateway(f'{FAST}[archive]\ndsn = "{server.dsn}"\n') as running:
            seconds_until_it_stores(running)
            server.stop()
            degraded(running, "storage-0: the index cannot be read")
            pid = running.child("storage-0")
            os.kill(pid, signal.SIGKILL)
            running.program.err.wait_for("child=storage-0 is waiting: .*the database cannot be us")
            told = json.loads(run_cli("status", "--json", "--data", running.data).out.text)
            if told["state"] != "degraded":
                raise BrokenPromise(f"status says {told['state']}")
            server.start()
            took = seconds_until_it_stores(running)
            healthy(running)
    return f"stored {took:.1f} s after the database was back"


def paused() -> str:
    """PostgreSQL does not answer for a while (SIGSTOP of all its processes)."""
    with database() as server:
        server.start()
        with gateway(f'{FAST}[archive]\ndsn = "{server.dsn}"\n') as running:
            seconds_until_it_stores(running)
            family = [server.pid, *procfs.descendants(server.pid)]
            for pid in family:
                os.kill(pid, signal.SIGSTOP)
            try:
                if not echo_ok(running.address):
                    raise BrokenPromise("no answer to C-ECHO")
                time.sleep(HANG)
            finally:
                for pid in family:
                    os.kill(pid, signal.SIGCONT)
            took = seconds_until_it_stores(running)
    return f"stored {took:.1f} s after the database went on"


def restarted(seconds: float = 6.0) -> str:
    """PostgreSQL is away for seconds under load: everybody waits, and nobody is refused."""
    with database() as server:
        server.start()
        with gateway(f'{FAST}[archive]\ndsn = "{server.dsn}"\n') as running:
            seconds_until_it_stores(running)
            with Load(running) as load:
                load.until_stored(20)
                server.stop()
                time.sleep(seconds)
                server.start()
                load.forget()
                load.until_stored(20)
            if load.failures:
                raise BrokenPromise(f"{len(load.failures)} were refused: {load.failures[:3]}")
    return f"{seconds:.0f} s without a database: none of {load.sent} was refused"


def away() -> str:
    """PostgreSQL stays away: who wants to store is turned away at A-ASSOCIATE, until it is back."""
    with database() as server:
        server.start()
        with gateway(f'{FAST}[archive]\ndsn = "{server.dsn}"\n') as running:
            seconds_until_it_stores(running)
            server.stop()
            running.program.err.wait_for("the index was out of reach for .*: this process is repl")
            running.program.err.wait_for("child=storage-0 is waiting: .*the database cannot be us")
            until = time.monotonic() + HEALED * PATIENCE
            while (answer := answer_to_a_storer(running)) != wire.associate_rj(2, 3, 1):
                if time.monotonic() > until:
                    raise BrokenPromise(f"who wants to store is answered {answer.hex()}")
                time.sleep(0.2)
            server.start()
            took = seconds_until_it_stores(running)
            healthy(running)
    return f"(2,3,1) meanwhile, stored {took:.1f} s after the database was back"


def answer_to_a_storer(running: Gateway) -> bytes:
    with RawPeer(running.address) as peer:
        peer.send(wire.associate_rq(wire.context(1, wire.CT, wire.EXPLICIT)))
        return peer.recv_pdu()
