"""A site of several hosts: gateways that share an index in PostgreSQL, HAProxy in front of them."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.accountant import Accountant
from tests.conftest import short_folder
from tests.faults.database import database
from tests.faults.healing import Skipped
from tests.faults.network import Network, Place, network
from tests.peers import procfs
from tests.peers.balancer import balancer, configuration, program
from tests.peers.object_server import object_server
from tests.peers.object_server import program as object_program
from tests.peers.process import Gateway
from tests.peers.scp import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.archive.postgres import Server
    from tests.peers.object_server import ObjectServer

TITLES = ("ONE", "TWO", "THREE")


class Host:
    """A gateway at a place of its own, which can be started again."""

    def __init__(self, title: str, place: Place, folder: Path, config: str) -> None:
        self.title, self.place = title, place
        self.port, self.probes = free_port(), free_port()
        self._folder, self._config = folder, config
        folder.mkdir()
        self.start()

    @property
    def address(self) -> tuple[str, int]:
        return self.place.address, self.port

    def start(self, modules: Path | None = None) -> None:
        """Start the gateway, with the program in `modules` if that is not the one under test."""
        own = f'[gateway]\nhost = "{self.place.address}"\nae_title = "{self.title}"\n'
        probes = f'[workers.web]\n[web]\nport = 0\nprobes = "{self.place.address}:{self.probes}"\n'
        self.gateway = Gateway(
            self._folder,
            config=own + self._config + probes,
            options=("--port", str(self.port)),
            within=self.place.within,
            modules=modules,
        )
        self.gateway.family = self.gateway.children()

    def kill(self) -> None:
        """SIGKILL of every process, as if the host had lost its power."""
        self._signal(signal.SIGKILL)
        self.gateway.program.wait()

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for pid in (self.gateway.pid, *self.gateway.children()):
            if procfs.alive(pid):
                os.kill(pid, number)


@dataclass
class Site:
    """The hosts with what is around them, and the books of what was sent."""

    network: Network
    database: Server
    hosts: list[Host]
    front: tuple[str, int]
    """The address of the balancer."""
    sink: tuple[str, int]
    """Where the destination SINK of C-MOVE is expected."""
    store: ObjectServer | None
    """Where the instances are; None: in files of each host."""
    _folder: Path
    books: Accountant = field(default_factory=Accountant)
    _balancer: ExitStack = field(default_factory=ExitStack)

    def start_balancer(self) -> None:
        addresses = [host.address for host in self.hosts]
        probes = [host.probes for host in self.hosts]
        text = configuration(self.front[1], addresses, probes=probes, source=self.network.balancer)
        self._balancer.enter_context(balancer(self._folder, text, self.front[1]))

    def stop_balancer(self) -> None:
        self._balancer.close()

    def close(self) -> None:
        self.stop_balancer()
        for host in self.hosts:
            host.thaw()
            host.gateway.close()


def _store(stack: ExitStack, net: Network) -> ObjectServer:
    try:
        import obstore  # noqa: F401
    except ImportError:
        raise Skipped("obstore is not installed") from None
    if object_program() is None:
        raise Skipped("SeaweedFS is not installed")
    return stack.enter_context(object_server(net.here))


@contextmanager
def site(count: int, *, objects: bool = False) -> Iterator[Site]:
    """Run a site with so many hosts; nothing of it is left at the end.

    `objects`: instances are in SeaweedFS, in place of files of each host.
    """
    if program() is None:
        raise Skipped("HAProxy is not installed")
    with network(count) as net, short_folder() as folder, ExitStack() as stack:
        server = stack.enter_context(database(net.here if net.has_plugs else ""))
        server.start()
        store = _store(stack, net) if objects else None
        sink = net.here, free_port()
        text = (
            f'balancers = ["{net.balancer}/32"]\n'
            f'[archive]\ndsn = "{server.dsn} application_name={{}}"\n'
            f"{store.settings() if store else ''}"
            f'[destinations]\nSINK = "{sink[0]}:{sink[1]}"\n'
        )
        made = Site(net, server, [], ("127.0.0.1", free_port()), sink, store, folder)
        try:
            for title, place in zip(TITLES, net.places, strict=False):
                made.hosts.append(Host(title, place, folder / title, text.format(title)))
            made.start_balancer()
            yield made
        finally:
            made.close()
