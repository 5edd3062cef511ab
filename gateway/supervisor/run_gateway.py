"""Run the acceptors on one port and the configured workers, until a signal asks it to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway import spool
from gateway.errors import GatewayError
from gateway.process import EXIT_FAILED
from gateway.supervisor import child_specs
from gateway.supervisor.child_group import STOP_MARGIN, ChildGroup, StartFailed
from gateway.supervisor.child_specs import ChildModules, WorkerLaunch
from gateway.supervisor.control import ControlSocket
from gateway.supervisor.data_directory import DataDirectory, RunningGateway
from gateway.supervisor.gateway_status import GatewayStatus
from gateway.supervisor.listen import format_address, listen, raise_descriptor_limit
from gateway.supervisor.reserve import Reserve
from gateway.supervisor.signals import Signals, first_of
from gateway.supervisor.succession import Succession

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    from gateway.settings import Settings
    from gateway.supervisor.child_keeper import ChildSpec

LOOK = 1.0
"""Seconds between two looks at the data directory."""

_log = logging.getLogger("gateway.supervisor")


async def serve(
    settings: Settings, announce: Callable[[str], None], modules: ChildModules = child_specs.MODULES
) -> int:
    """Run a gateway until SIGTERM or SIGINT; return the exit status.

    `announce` is called with one line as soon as associations are accepted and every worker is
    registered. Raises ConfigError if the gateway cannot start with these settings.
    """
    data = Path(settings.gateway.data)
    with Signals() as signals, DataDirectory.open(data) as directory:
        spool.check_data_dir(directory.path)
        directory.wait_for_predecessor()
        with listen(settings.gateway.host, settings.gateway.port) as listener:
            raise_descriptor_limit()
            gateway = _Gateway(settings, directory, listener, modules)
            return await gateway.run(signals, announce)


class _Gateway:
    def __init__(
        self,
        settings: Settings,
        directory: DataDirectory,
        listener: socket.socket,
        modules: ChildModules,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._modules = modules
        self._is_ready = False
        self._address: tuple[str, int] = listener.getsockname()[:2]
        self._succession = Succession(
            lambda: self._acceptors.keepers,
            [name for name, table in settings.workers.items() if table.enabled],
            self._next_generation,
        )
        specs = child_specs.acceptors(settings, modules, directory.path, listener.fileno())
        self._acceptors = self._group(specs)
        self._workers = self._group(())
        self._is_stopping = self._is_drained = False
        self._troubles: tuple[str, ...] = ()
        self._control = ControlSocket(directory.run_dir, self._obey)

    async def run(self, signals: Signals, announce: Callable[[str], None]) -> int:
        """Return 0 when a signal asked it to stop, 1 if a child cannot be kept running."""
        looking = asyncio.create_task(self._look_after_directory())
        try:
            await self._control.open()
            if not await signals.unless_told(self._start()):
                return 0
            announce(self._ready_line())
            for page in (k.facts.get("page") for k in self._workers.keepers):
                if page:
                    announce(f"page for operators: {page}")
            ending = await first_of(
                signals.leave,
                self._acceptors.failure(needed=True),
                self._workers.failure(needed=False),
            )
            if ending is None:
                return 0
            _log.critical("%s; stopping the gateway", ending)
            return EXIT_FAILED
        except StartFailed as failed:
            raise failed.as_error() from None
        finally:
            self._is_stopping = True
            end = time.monotonic() + self._settings.gateway.drain_timeout + STOP_MARGIN
            await self._acceptors.leave(end - time.monotonic(), signals.hurry)
            # Nobody asks the workers any more.
            left = max(STOP_MARGIN, end - time.monotonic())
            await self._workers.leave(left, signals.hurry)
            looking.cancel()
            await self._control.close()

    async def _start(self) -> None:
        self._acceptors.start()
        await self._acceptors.ready()
        specs = [
            spec
            for launch in await self._launches()
            for spec in child_specs.members(launch, self._settings, self._modules)
        ]
        self._workers = self._group(specs)
        self._workers.start()
        await self._workers.ready()
        self._is_ready = True
        self._describe()

    def _group(self, specs: Iterable[ChildSpec]) -> ChildGroup:
        limit = child_specs.hang_limit(self._settings)
        return ChildGroup(specs, self._describe, hang_timeout=limit, standby=self._succession)

    async def _launches(self) -> list[WorkerLaunch]:
        """Return each enabled worker with its generation."""
        directory, settings = self._directory, self._settings
        durable = child_specs.is_durable(settings)
        launches = []
        for name, table in settings.workers.items():
            if table.enabled:
                run_dir = directory.run_dir
                generation = await self._next_generation(name)
                launches.append(
                    WorkerLaunch(name, table, generation, run_dir, directory.path, durable)
                )
        return launches

    async def _next_generation(self, name: str) -> int:
        run_dir, fabric = self._directory.run_dir, self._settings.fabric
        return await asyncio.to_thread(self._modules.generation, run_dir, name, fabric)

    async def _look_after_directory(self) -> None:
        """Keep the reserve, and make `run/` again if it is deleted."""
        reserve = Reserve(self._directory.path)
        while True:
            reserve.keep()
            try:
                if self._directory.restore():
                    _log.error("%s was deleted: made again", self._directory.run_dir)
                    await self._control.open()
                    self._describe()
                self._troubles = ()
            except (GatewayError, OSError) as error:
                self._troubles = (f"{self._directory.run_dir} is gone: {error}",)
            await asyncio.sleep(LOOK)

    def _obey(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Do what a client of the control socket asks for, and return the state of the gateway."""
        match asked.get("do"):
            case "drain":
                self._drain(True)
            case "resume":
                self._drain(False)
        return GatewayStatus(
            self._settings,
            self._directory.path,
            self._address,
            self._acceptors.keepers,
            self._workers.keepers,
            is_stopping=self._is_stopping,
            is_drained=self._is_drained,
            troubles=self._troubles,
        ).as_map()

    def _drain(self, is_drained: bool) -> None:
        """Have every acceptor, and each that will be started, turn newcomers away or not."""
        self._is_drained = is_drained
        for keeper in self._acceptors.keepers:
            keeper.stand(drain=is_drained)
        _log.warning("drained=%s", "yes" if is_drained else "no")

    def _describe(self) -> None:
        self._directory.describe(
            RunningGateway(
                pid=os.getpid(),
                address=self._address,
                ae_title=self._settings.gateway.ae_title,
                durability=self._settings.gateway.durability,
                ready=self._is_ready,
                acceptors=self._acceptors.pids,
                workers=self._workers.pids,
            )
        )

    def _ready_line(self) -> str:
        gateway = self._settings.gateway
        tls = "TLS, " if self._settings.tls.certificate else ""
        if child_specs.is_durable(self._settings):
            means = "success means durable (synced to disk)"
        else:
            means = "success means written (not synced: lost in a power failure)"
            _log.warning(
                "durability=written: instances answered with success are lost in a power failure"
            )
        return (
            f"dicom-gateway ready: {format_address(self._address)} AE {gateway.ae_title}, {tls}"
            f"data {gateway.data}, {means}"
        )
