"""A whole gateway: acceptors on one port, the configured workers, and their orderly end."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import spool
from gateway.process import EXIT_FAILED
from gateway.supervisor import parts as roles
from gateway.supervisor.crew import START_LIMIT, STOP_MARGIN, Crew, StartFailed
from gateway.supervisor.listen import listen, raise_descriptor_limit, spoken
from gateway.supervisor.parts import Launch, Parts
from gateway.supervisor.signals import Signals, first_of
from gateway.supervisor.site import Running, Site

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from gateway.settings import Settings

_log = logging.getLogger("gateway.supervisor")


async def serve(
    settings: Settings, announce: Callable[[str], None], parts: Parts = roles.PARTS
) -> int:
    """Run a gateway until it is told to leave; the exit status.

    `announce` is called with one line as soon as associations are accepted and every worker is
    bound. Raises ConfigError, in one line, if it cannot start as it is set.
    """
    data = Path(settings.gateway.data)
    with Signals() as signals, Site.open(data) as site:
        spool.check_data_dir(site.data)
        site.wait_for_predecessor()
        with listen(settings.gateway.host, settings.gateway.port) as listener:
            raise_descriptor_limit()
            gateway = _Gateway(settings, site, listener, parts)
            return await gateway.run(signals, announce)


class _Gateway:
    def __init__(
        self, settings: Settings, site: Site, listener: socket.socket, parts: Parts
    ) -> None:
        self._settings = settings
        self._site = site
        self._parts = parts
        self._is_ready = False
        self._address: tuple[str, int] = listener.getsockname()[:2]
        posts = roles.acceptors(settings, parts, site.data, listener.fileno())
        self._acceptors = Crew(posts, self._note)
        self._workers = Crew((), self._note)

    async def run(self, signals: Signals, announce: Callable[[str], None]) -> int:
        """0 once told to leave; 1 if what it is made of cannot be kept alive."""
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
            _log.critical("%s; the gateway leaves", ending)
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
        posts = [
            post
            for launch in await self._launches()
            for post in roles.members(launch, self._settings, self._parts)
        ]
        self._workers = Crew(posts, self._note)
        self._workers.start()
        await self._workers.ready(START_LIMIT)
        self._is_ready = True
        self._note()

    async def _launches(self) -> list[Launch]:
        """Each enabled worker with the generation that its members keep."""
        site, settings = self._site, self._settings
        durable = roles.is_durable(settings)
        launches = []
        for name, table in settings.workers.items():
            if table.enabled:
                generation = await asyncio.to_thread(
                    self._parts.generation, site.run_dir, name, settings.fabric
                )
                launches.append(Launch(name, table, generation, site.run_dir, site.data, durable))
        return launches

    def _note(self) -> None:
        self._site.note(
            Running(
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
        if roles.is_durable(self._settings):
            means = "success means durable (synced to disk)"
        else:
            means = "success means written (not synced: lost with the power)"
            _log.warning("durability=written: instances answered with success may be lost")
        return (
            f"dicom-gateway ready: {spoken(self._address)} AE {gateway.ae_title}, {tls}"
            f"data {gateway.data}, {means}"
        )
