"""Two gateways with one index in PostgreSQL, of which one has a fault."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.faults.database import database
from tests.faults.healing import HEALED, gateway
from tests.faults.row import BrokenPromise
from tests.patience import PATIENCE, WALL
from tests.peers import instances, procfs
from tests.peers.sender import store_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.peers.process import Gateway

STALL = 5.0
"""Seconds that a host may wait for another."""
_SENDERS = 4


class Load:
    """Stores at a gateway without pause; counts, and measures the longest time without success."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._last = time.monotonic()
        self.stored = 0
        self.failed = 0
        self.longest = 0.0
        self._threads = [threading.Thread(target=self._send) for _ in range(_SENDERS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(WALL)

    def forget(self) -> None:
        """Measure from now on."""
        with self._lock:
            self._last, self.longest, self.stored, self.failed = time.monotonic(), 0.0, 0, 0

    def _send(self) -> None:
        while not self._ended.is_set():
            told = store_all(self._gateway.address, instances.many(5), timeout=WALL)
            now = time.monotonic()
            with self._lock:
                stored = len(told.statuses) - len(told.failed)
                self.failed += len(told.failed) + bool(told.errors)
                if stored:
                    self.stored += stored
                    self.longest = max(self.longest, now - self._last)
                    self._last = now


@contextmanager
def hosts(*titles: str, config: str = "") -> Iterator[tuple[str, list[Gateway]]]:
    """Run gateways that share an index; gives its DSN and the gateways."""
    with database() as server:
        server.start()
        text = f'{config}[archive]\ndsn = "{server.dsn} application_name={{}}"\n'
        with _running(titles, text) as running:
            yield server.dsn, running


@contextmanager
def _running(titles: tuple[str, ...], text: str) -> Iterator[list[Gateway]]:
    if not titles:
        yield []
        return
    own = f'[gateway]\nae_title = "{titles[0]}"\nhang_timeout = 600\n{text.format(titles[0])}'
    with gateway(own) as first, _running(titles[1:], text) as rest:
        yield [first, *rest]


def frozen_in_transaction(dsn: str, title: str, pid: int) -> None:
    """SIGSTOP of a process at a moment at which the server waits for it in a transaction."""
    import psycopg

    text = (
        "SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND state = %s "
        "AND backend_xid IS NOT NULL"
    )
    until = time.monotonic() + WALL
    with psycopg.connect(dsn, autocommit=True) as connection:
        while time.monotonic() < until:
            os.kill(pid, signal.SIGSTOP)
            procfs.until(lambda: procfs.state(pid) == "T", what="a stopped process")
            time.sleep(0.05)  # the server finishes the statement that it has
            found = connection.execute(text, (title, "idle in transaction")).fetchone()
            if found is not None:
                return
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.003)
    raise BrokenPromise(f"{title} was never stopped inside a transaction")


def frozen(seconds: float = 12.0) -> str:
    """A storage worker is stopped in its transaction; the other host goes on storing."""
    with hosts("ONE", "TWO") as (dsn, (one, two)):
        pid = one.child("storage-0")
        loads = [Load(one), Load(two)]
        for load in loads:
            load.start()
        try:
            frozen_in_transaction(dsn, "ONE", pid)
            try:
                loads[1].forget()
                time.sleep(seconds)
                other = loads[1]
                seen = f"{other.stored} stored, {other.longest:.1f} s at most without"
                if other.failed or other.longest > STALL * PATIENCE or not other.stored:
                    raise BrokenPromise(f"at the other host: {seen}, {other.failed} failed")
            finally:
                os.kill(pid, signal.SIGCONT)
            loads[0].forget()
            until = time.monotonic() + HEALED * PATIENCE
            while not loads[0].stored and time.monotonic() < until:
                time.sleep(0.1)
            if not loads[0].stored:
                raise BrokenPromise("the host that was frozen does not store again")
        finally:
            for load in loads:
                load.stop()
    return f"{seconds:.0f} s frozen; at the other host: {seen}"
