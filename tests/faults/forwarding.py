"""Store and forward under faults: what a destination holds at the end, and what it got twice.

The destination is down while everything is stored. Then all processes of the gateways are killed,
it returns, and the processes are killed again and again while it receives; PostgreSQL is restarted,
if the index is there.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from tests.conftest import short_folder
from tests.faults.database import database
from tests.faults.row import BrokenPromise
from tests.patience import PATIENCE, WALL
from tests.peers import instances, procfs
from tests.peers.destination import Destination
from tests.peers.process import Gateway
from tests.peers.sender import store_all

if TYPE_CHECKING:
    from pathlib import Path

    from tests.archive.postgres import Server

AT_A_KILL = 1.5 * PATIENCE
"""Seconds before a kill within which something can have been on its way, or not written down."""
MOST_TWICE = 32
"""Instances that a lane takes at once, and so may send again after a kill."""


def config(port: int, title: str, dsn: str) -> str:
    """The configuration of a gateway that sends everything to the destination."""
    index = f'[archive]\ndsn = "{dsn}"\n' if dsn else ""
    return (
        f'[gateway]\nae_title = "{title}"\n{index}[fabric]\nheartbeat = 0.2\n'
        "[forward]\nfirst_pause = 0.2\nlongest_pause = 0.5\n"
        f'[destinations.PACS]\nhost = "127.0.0.1"\nport = {port}\nassociations = 2\n'
        '[[routes]]\ndestinations = ["PACS"]\n'
    )


class Hosts:
    """Gateways that send to one destination, and are killed and started again."""

    def __init__(self, folders: list[Path], port: int, dsn: str) -> None:
        self._places = [
            (folder, config(port, f"HOST{number}", dsn)) for number, folder in enumerate(folders)
        ]
        self.gateways: list[Gateway] = []
        self.kills: list[float] = []

    def start(self) -> None:
        self.gateways = [Gateway(folder, config=text) for folder, text in self._places]

    def store(self, sent: list[instances.Instance]) -> None:
        """Store a share at each gateway."""
        for number, gateway in enumerate(self.gateways):
            share = sent[number :: len(self.gateways)]
            outcome = store_all(gateway.address, share)
            if outcome.failed or len(outcome.statuses) < len(share):
                raise BrokenPromise(f"not everything was stored: {outcome.errors}")

    def kill_everything(self) -> None:
        """SIGKILL of every process of every gateway, and start them again."""
        self.kills.append(time.monotonic())
        for gateway in self.gateways:
            gateway.program.kill_all()
        self.start()

    def kill_sender(self) -> None:
        """SIGKILL of the forwarding worker of each gateway."""
        self.kills.append(time.monotonic())
        for gateway in self.gateways:
            with suppress(ProcessLookupError):
                os.kill(gateway.child("forward-0"), signal.SIGKILL)
        for gateway in self.gateways:
            gateway.wait_child("forward-0")

    def stop(self) -> None:
        for gateway in self.gateways:
            status = gateway.stop()
            if status != 0:
                raise BrokenPromise(f"exit status {status}\n{gateway.program.report()}")

    def close(self) -> None:
        for gateway in self.gateways:
            gateway.close()


def forward(count: int, kills: int, hosts: int = 1, *, postgres: bool = False) -> str:
    """Store while the destination is down, and kill; return what was seen, in words."""
    destination, sent = Destination(), instances.many(count)
    with ExitStack() as stack:
        server = stack.enter_context(database()) if postgres else None
        if server is not None:
            server.start()
        folders = [stack.enter_context(short_folder()) for _ in range(hosts)]
        gateways = Hosts(folders, destination.port, server.dsn if server else "")
        stack.callback(gateways.close)
        gateways.start()
        gateways.store(sent)
        gateways.kill_everything()
        began = time.monotonic()
        with destination.running():
            _kill_while_it_receives(gateways, destination, kills, count, server)
            wanted = {one.uid for one in sent}
            procfs.until(
                lambda: destination.got.keys() >= wanted,
                what="everything at the destination",
                timeout=WALL + count / 20,
            )
            took = time.monotonic() - began
            time.sleep(1.0)  # for what comes twice
        gateways.stop()
    twice = {uid: times for uid, times in destination.got.items() if len(times) > 1}
    _check_twice(twice, gateways.kills, MOST_TWICE * 2 * hosts)
    return (
        f"{count} of {count} instances arrived in {took:.0f} s, {len(twice)} of them twice, "
        f"after {len(gateways.kills)} kills"
    )


def _kill_while_it_receives(
    gateways: Hosts, destination: Destination, kills: int, count: int, server: Server | None
) -> None:
    """Kill at even distances of what has arrived; restart the database in the middle."""
    for number in range(1, kills + 1):
        mark = count * number // (kills + 1)
        procfs.until(
            lambda mark=mark: len(destination.got) >= mark,
            what=f"{mark} instances at the destination",
            timeout=WALL + count / 20,
        )
        if server is not None and number == (kills + 1) // 2:
            server.stop()
            server.start()
        if number % 3 == 0:
            gateways.kill_everything()
        else:
            gateways.kill_sender()


def _check_twice(twice: dict[str, list[float]], kills: list[float], most: int) -> None:
    """Raise BrokenPromise if something came twice that was not on its way at a kill."""
    for uid, times in twice.items():
        if not any(-AT_A_KILL <= times[0] - kill <= AT_A_KILL for kill in kills):
            raise BrokenPromise(f"{uid} came {len(times)} times, though nothing was killed then")
    if len(twice) > most * len(kills):
        raise BrokenPromise(f"{len(twice)} instances came twice after {len(kills)} kills")
