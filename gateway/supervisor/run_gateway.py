"""Run the acceptors on one port and the configured workers, until a signal asks it to stop."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import spool
from gateway.process import EXIT_FAILED
from gateway.supervisor import child_specs
from gateway.supervisor.child_group import START_LIMIT, STOP_MARGIN, ChildGroup, StartFailed
from gateway.supervisor.child_specs import ChildModules, WorkerLaunch
from gateway.supervisor.data_directory import DataDirectory, RunningGateway
from gateway.supervisor.listen import format_address, listen, raise_descriptor_limit
from gateway.supervisor.signals import Signals, first_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from gateway.settings import Settings

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
        specs = child_specs.acceptors(settings, modules, directory.path, listener.fileno())
        self._acceptors = ChildGroup(specs, self._describe)
        self._workers = ChildGroup((), self._describe)

    async def run(self, signals: Signals, announce: Callable[[str], None]) -> int:
        """Return 0 when a signal asked it to stop, 1 if a child cannot be kept running."""
        try:
            if not await signals.unless_told(self._start()):
                return 0
            announce(self._ready_line())
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
            limit = self._settings.gateway.drain_timeout + STOP_MARGIN
            await self._acceptors.leave(limit, signals.hurry)
            await self._workers.leave(limit, signals.hurry)

    async def _start(self) -> None:
        self._acceptors.start()
        await self._acceptors.ready(START_LIMIT)
        specs = [
            spec
            for launch in await self._launches()
            for spec in child_specs.members(launch, self._settings, self._modules)
        ]
        self._workers = ChildGroup(specs, self._describe)
        self._workers.start()
        await self._workers.ready(START_LIMIT)
        self._is_ready = True
        self._describe()

    async def _launches(self) -> list[WorkerLaunch]:
        """Return each enabled worker with its generation."""
        directory, settings = self._directory, self._settings
        durable = child_specs.is_durable(settings)
        launches = []
        for name, table in settings.workers.items():
            if table.enabled:
                run_dir = directory.run_dir
                generation = await asyncio.to_thread(
                    self._modules.generation, run_dir, name, settings.fabric
                )
                launches.append(
                    WorkerLaunch(name, table, generation, run_dir, directory.path, durable)
                )
        return launches

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
