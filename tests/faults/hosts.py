"""Two gateways with one index in PostgreSQL, of which one has a fault."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.faults.database import database
from tests.faults.healing import gateway
from tests.faults.row import BrokenPromise
from tests.faults.steady_load import Load
from tests.patience import PATIENCE, WALL
from tests.peers import procfs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.peers.process import Gateway

STALL = 5.0
"""Seconds that a host may wait for another."""


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
    """SIGSTOP of a process at a moment at which the server waits for it in a transaction.

    That is one which has locked a study, so the process has to be sent new ones: instances of known
    series take one statement. In the midst of a pipeline it is not "idle" to the server.
    """
    import psycopg

    text = (
        "SELECT 1 FROM pg_stat_activity AS one WHERE application_name = %s AND state <> 'idle' "
        "AND wait_event_type = 'Client' AND EXISTS (SELECT 1 FROM pg_locks "
        "WHERE pid = one.pid AND locktype = 'advisory' AND granted)"
    )
    until = time.monotonic() + WALL
    with psycopg.connect(dsn, autocommit=True) as connection:
        while time.monotonic() < until:
            os.kill(pid, signal.SIGSTOP)
            procfs.until(lambda: procfs.state(pid) == "T", what="a stopped process")
            time.sleep(0.05)  # the server finishes the statement that it has
            found = connection.execute(text, (title,)).fetchone()
            if found is not None:
                return
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.02)  # work comes in
    raise BrokenPromise(f"{title} was never stopped inside a transaction")


def frozen(seconds: float = 12.0) -> str:
    """A storage worker is stopped in its transaction; the other host goes on storing."""
    with hosts("ONE", "TWO") as (dsn, (one, two)):
        pid = one.child("storage-0")
        with Load(one, new_studies=True) as own, Load(two) as other:
            frozen_in_transaction(dsn, "ONE", pid)
            try:
                other.forget()
                time.sleep(seconds)
                stored, longest = other.stored, other.longest
                seen = f"{stored} stored, {longest:.1f} s at most without"
                if other.failures or longest > STALL * PATIENCE or not stored:
                    raise BrokenPromise(f"at the other host: {seen}, failed: {other.failures[:3]}")
            finally:
                os.kill(pid, signal.SIGCONT)
            own.forget()
            own.until_stored(1)
    return f"{seconds:.0f} s frozen; at the other host: {seen}"
