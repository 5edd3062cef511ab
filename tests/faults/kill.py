"""Kill a random process at a random moment under load, restart it, and check the invariants."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from typing import TYPE_CHECKING

from tests.accountant import Accountant, Row, report
from tests.conftest import short_folder
from tests.patience import PATIENCE, WALL
from tests.peers import instances, procfs
from tests.peers.process import Gateway
from tests.peers.raw import echo_ok
from tests.peers.sender import in_parallel, store_all

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.row import Options

CONFIG = "[fabric]\nheartbeat = 0.2\nlease_grace = 5.0\n"
ASSOCIATIONS = 4
VICTIMS = ("acceptor-0", "storage-0", "query-0", "retrieve-0", "supervisor")
ANSWERED = 1.0 * PATIENCE
"""Seconds after the fault, or after the process was started again, for an answer to C-ECHO (I5)."""
CHECKED = 20
"""Rounds between two readings of the whole archive."""


class Rounds:
    """One archive through all rounds; the gateway is restarted when its supervisor was killed."""

    def __init__(self, folder: Path, seed: int, dsn: str = "") -> None:
        self._folder = folder
        self._dsn = dsn
        self._config = f'{CONFIG}[archive]\ndsn = "{dsn}"\n' if dsn else CONFIG
        self._random = random.Random(seed)
        self.accountant = Accountant()
        self.gateway = Gateway(folder, config=self._config)
        self.sent = 0
        self.slowest = 0.0
        """Seconds that the slowest C-ECHO after a restart took."""

    def one(self) -> str:
        """Kill a process under load and wait for recovery; return the name of the process."""
        size = self._random.choice((2_000, 200_000))
        batch = instances.many(self._random.randrange(80, 240), size=size)
        again = self._random.sample(batch, len(batch) // 10)  # duplicates, sent at the same time
        load = threading.Thread(target=self._send, args=(batch + again,))
        load.start()
        time.sleep(self._random.uniform(0.0, 0.4))
        victim = self._random.choice(VICTIMS)
        self._kill(victim)
        load.join()
        self.sent += len(batch)
        return victim

    def _send(self, batch: list[instances.Instance]) -> None:
        address = self.gateway.address
        in_parallel(
            ASSOCIATIONS,
            batch,
            lambda mine: store_all(address, mine, listener=self.accountant, timeout=WALL),
        )

    def _kill(self, victim: str) -> None:
        gateway = self.gateway
        if victim == "supervisor":
            family = gateway.family | gateway.children()
            os.kill(gateway.pid, signal.SIGKILL)
            gateway.program.popen.wait(WALL)
            left = procfs.wait_gone(family)
            assert not left, f"outlived the supervisor: {left}"
            gateway.close()
            self.gateway = Gateway(self._folder, config=self._config)
        else:
            pid = gateway.wait_child(victim)
            os.kill(pid, signal.SIGKILL)
            gateway.wait_child(victim, other_than=pid)
        begun = time.monotonic()
        assert echo_ok(self.gateway.address, timeout=ANSWERED)
        self.slowest = max(self.slowest, time.monotonic() - begun)

    def settle(self) -> list:
        """Return the violations that remain after a few seconds."""
        end = time.monotonic() + 15
        while True:
            archive, spool = self.gateway.archive, self.gateway.spool
            found = self.accountant.violations(archive, spool=spool, rows=self._rows())
            if not found or time.monotonic() > end:
                return found
            time.sleep(0.5)

    def _rows(self) -> list[Row] | None:
        """Return the index if it is in PostgreSQL."""
        if not self._dsn:
            return None
        from workers.archive.index.postgres import PostgresIndex

        with PostgresIndex(self._dsn) as index:
            return [
                Row(one.sop_instance_uid, one.path, one.digest.hex(), one.size)
                for one in (*index.everything(), *index.conflicts())
            ]


def run(options: Options, dsn: str = "") -> int:
    with short_folder() as folder:
        rounds = Rounds(folder, options.seed, dsn)
        try:
            for number in range(1, options.rounds + 1):
                victim = rounds.one()
                told = len(rounds.accountant.acknowledged)
                print(f"round {number}: {victim} killed, {told} of {rounds.sent} acknowledged")
                last = number == options.rounds
                if (last or number % CHECKED == 0) and (found := rounds.settle()):
                    print(report(found))
                    print(rounds.gateway.program.err.text[-4000:])
                    return 1
            status = rounds.gateway.stop()
            print(f"{options.rounds} rounds: the invariants hold")
            print(f"slowest C-ECHO after a restart: {rounds.slowest:.2f} s")
            return status
        finally:
            rounds.gateway.close()
