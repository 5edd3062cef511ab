"""Run the acceptors on one port and the configured workers, until a signal asks it to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway import spool
from gateway.errors import ConfigError, GatewayError
from gateway.process import EXIT_FAILED
from gateway.supervisor import child_specs
from gateway.supervisor.child_group import STOP_MARGIN, ChildGroup, StartFailed
from gateway.supervisor.child_specs import ChildModules, WorkerLaunch
from gateway.supervisor.control import ControlSocket
from gateway.supervisor.data_directory import DataDirectory, RunningGateway
from gateway.supervisor.gateway_status import GatewayStatus
from gateway.supervisor.listen import format_address, listen, passed_on, raise_descriptor_limit
from gateway.supervisor.reloading import Configuration
from gateway.supervisor.remembered_workers import RememberedWorkers
from gateway.supervisor.replacing import replace
from gateway.supervisor.reserve import Reserve
from gateway.supervisor.service_manager import ServiceManager
from gateway.supervisor.signals import Signals, first_of
from gateway.supervisor.succession import Succession

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Sequence

    from gateway.settings import Settings
    from gateway.supervisor.child_keeper import ChildSpec

LOOK = 1.0
"""Seconds between two looks at the data directory."""

_log = logging.getLogger("gateway.supervisor")


async def serve(
    settings: Settings,
    announce: Callable[[str], None],
    modules: ChildModules = child_specs.MODULES,
    read: Callable[[], Settings] | None = None,
) -> int:
    """Run a gateway until SIGTERM or SIGINT; return the exit status.

    `read` returns the settings that are wanted now; at SIGHUP they are put in force.

    `announce` is called with one line as soon as associations are accepted and every worker is
    registered. Raises ConfigError if the gateway cannot start with these settings.
    """
    data = Path(settings.gateway.data)
    with Signals(on_hangup=lambda: None) as signals, DataDirectory.open(data) as directory:
        spool.check_data_dir(directory.path)
        directory.wait_for_predecessor()
        with passed_on() or listen(settings.gateway.host, settings.gateway.port) as listener:
            raise_descriptor_limit()
            configuration = Configuration(settings, read or (lambda: settings))
            gateway = _Gateway(configuration, directory, listener, modules)
            signals.on_hangup = gateway.reload_soon
            return await gateway.run(signals, announce)


class _Gateway:
    def __init__(
        self,
        configuration: Configuration,
        directory: DataDirectory,
        listener: socket.socket,
        modules: ChildModules,
    ) -> None:
        settings = configuration.settings
        self._configuration = configuration
        self._manager = ServiceManager()
        self._reloads: set[asyncio.Task[None]] = set()
        self._directory = directory
        self._modules = modules
        self._is_ready = False
        self._address: tuple[str, int] = listener.getsockname()[:2]
        self._listener = listener
        names = child_specs.enabled(settings)
        self._remembered = RememberedWorkers(names, settings.fabric.lease_grace)
        self._succession = Succession(lambda: self.acceptors.keepers, names, self._next_generation)
        self.acceptors = self.group(self.acceptor_specs(settings, configuration.revision))
        self.workers = self.group(())
        self._is_stopping = self._is_drained = False
        self._troubles: tuple[str, ...] = ()
        self._control = ControlSocket(directory.run_dir, self._obey)

    async def run(self, signals: Signals, announce: Callable[[str], None]) -> int:
        """Return 0 when a signal asked it to stop, 1 if a child cannot be kept running."""
        looking = asyncio.create_task(self._look_after_directory())
        living = asyncio.create_task(self._manager.keep_alive())
        try:
            await self._control.open()
            async with self._configuration.lock:
                if not await signals.unless_told(self._start()):
                    return 0
            announce(self._ready_line())
            self._manager.ready("ready")
            for page in (k.facts.get("page") for k in self.workers.keepers):
                if page:
                    announce(f"page for operators: {page}")
            ending = await first_of(
                signals.leave,
                self.acceptors.failure(needed=True),
                self.workers.failure(needed=False),
            )
            if ending is None:
                return 0
            _log.critical("%s; stopping the gateway", ending)
            return EXIT_FAILED
        except StartFailed as failed:
            raise failed.as_error() from None
        finally:
            self._is_stopping = True
            self._manager.stopping()
            for task in self._reloads:
                task.cancel()
            end = time.monotonic() + self._settings.gateway.drain_timeout + STOP_MARGIN
            await self.acceptors.leave(end - time.monotonic(), signals.hurry)
            # Nobody asks the workers any more.
            left = max(STOP_MARGIN, end - time.monotonic())
            await self.workers.leave(left, signals.hurry)
            looking.cancel()
            living.cancel()
            await self._control.close()

    @property
    def _settings(self) -> Settings:
        """The settings in force."""
        return self._configuration.settings

    async def _start(self) -> None:
        self.acceptors.start()
        await self.acceptors.ready()
        settings = self._settings
        specs = await self.worker_specs(
            settings, child_specs.enabled(settings), self._configuration.revision
        )
        self.workers = self.group(specs)
        self.workers.start()
        await self.workers.ready()
        self._is_ready = True
        self._describe()

    def group(self, specs: Iterable[ChildSpec]) -> ChildGroup:
        limit = child_specs.hang_limit(self._settings)
        return ChildGroup(specs, self._describe, hang_timeout=limit, standby=self._succession)

    def expect(self, names: Sequence[str]) -> None:
        """Take note of the workers that are configured."""
        self._remembered.configured = self._succession.configured = names

    def acceptor_specs(self, settings: Settings, revision: int) -> Iterable[ChildSpec]:
        """Return what the acceptors are to have."""
        place = self._directory.path, self._listener.fileno()
        return child_specs.acceptors(settings, self._modules, *place, self._remembered, revision)

    async def worker_specs(
        self, settings: Settings, names: Sequence[str], revision: int
    ) -> list[ChildSpec]:
        """Return how to start these workers, each in a generation of its own."""
        directory, durable = self._directory, child_specs.is_durable(settings)
        specs: list[ChildSpec] = []
        for name in names:
            generation = await self._next_generation(name)
            place = directory.run_dir, directory.path
            launch = WorkerLaunch(
                name, settings.workers[name], generation, *place, durable, revision
            )
            specs += child_specs.members(launch, settings, self._modules)
        return specs

    async def _next_generation(self, name: str) -> int:
        run_dir, fabric = self._directory.run_dir, self._settings.fabric.here()
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

    def reload_soon(self) -> None:
        """Reload; if the configuration is wrong, the log says so."""

        async def reload() -> None:
            with suppress(GatewayError):
                await self._reload()

        task = asyncio.create_task(reload(), name="reload")
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reload(self) -> dict[str, Any]:
        if self._is_stopping:
            raise GatewayError("the gateway is stopping")
        self._manager.reloading()
        try:
            return await self._configuration.reload(self)
        finally:
            self._describe()
            self._manager.ready(f"revision {self._configuration.revision} of the configuration")

    async def _obey(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Do what a client of the control socket asks for, and return the state of the gateway.

        For a reload it is what has changed, for a restart or swap what was replaced.
        """
        if asked.get("do") == "reload":
            try:
                return await self._reload()
            except GatewayError as error:
                return {"error": str(error), "is_wrong": isinstance(error, ConfigError)}
        match asked.get("do"):
            case "restart" | "swap":
                return await replace(self, self._configuration, asked)
            case "drain":
                self._drain(True)
            case "resume":
                self._drain(False)
        return GatewayStatus(
            self._settings,
            self._directory.path,
            self._address,
            self.acceptors.keepers,
            self.workers.keepers,
            is_stopping=self._is_stopping,
            is_drained=self._is_drained,
            troubles=self._troubles,
            revision=self._configuration.revision,
        ).as_map()

    def _drain(self, is_drained: bool) -> None:
        """Have every acceptor, and each that will be started, turn newcomers away or not."""
        self._is_drained = is_drained
        for keeper in self.acceptors.keepers:
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
                acceptors=self.acceptors.pids,
                workers=self.workers.pids,
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
