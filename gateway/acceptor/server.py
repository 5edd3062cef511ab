"""The acceptor process: one listening descriptor, its connections, and the shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.acceptor.acceptor_association import AcceptorAssociation
from gateway.acceptor.association_commands import AssociationCommands
from gateway.acceptor.measuring import Measuring
from gateway.acceptor.shared import Shared
from gateway.acceptor.watermark import Watermark
from gateway.dimse.services import serve_like
from gateway.errors import GatewayError
from gateway.events import EVT_TLS_FAILED
from gateway.fabric.acceptor import Server
from gateway.listening.accepting import AcceptLoop
from gateway.listening.balancers import Balancers
from gateway.listening.waiting import WaitingConnections
from gateway.settings import to_map
from gateway.spool import Spool
from gateway.tls import load

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from gateway.association.engine import AssociationEngine
    from gateway.association.errors import AssociationError
    from gateway.association.transport import Transport
    from gateway.settings import AcceptorSettings

log = logging.getLogger("gateway.acceptor")

LOOK = 0.25
"""Seconds between two searches for idle associations."""
FLUSH = 1.0
"""Seconds that the last notifications have to leave."""


class Acceptor:
    """The acceptor of one process, and the associations it has.

    `report(known=..., left=...)` is called with what workers serve, for acceptors that start later.
    """

    def __init__(
        self,
        settings: AcceptorSettings,
        listener: socket.socket,
        *,
        tls: ssl.SSLContext | None = None,
        report: Callable[..., None] | None = None,
    ) -> None:
        for uid, like in settings.services.items():
            serve_like(uid, like)
        spool = Spool(
            Path(settings.spool_dir), settings.index, settings.spool, durable=settings.durable
        )
        watched = [path for path in (settings.spool_dir, settings.data_dir) if path]
        fabric = Server(
            settings.fabric,
            Path(settings.run_dir),
            settings.index,
            expect=settings.expect,
            remembered=settings.remembered,
        )
        if report is not None and not settings.contexts:
            fabric.on_worker_known = lambda worker: report(known=to_map(worker))
            fabric.on_worker_left = lambda name: report(left=name)
        fabric.on_wants_changed = self._watch
        self._associations: dict[str, AcceptorAssociation] = {}
        everything = self._associations.values()
        fabric.on_command = AssociationCommands(self._engine_of, everything, fabric).take
        self._shared = Shared(
            settings, fabric, spool, Watermark(watched, settings.spool.refuse_below)
        )
        self._accepting = AcceptLoop(
            listener,
            self._connection,
            origin=lambda address: self._shared.origins.of(address),
        )
        self._accepting.tls_failed = self._tls_failed
        self._own_tls = tls
        """The caller's own, where the settings have no certificate."""
        self._open_with(settings, self._tls_of(settings))
        self._measuring = Measuring(self._shared, self._associations.values)
        self._pending = WaitingConnections(_pending_of(settings), "silent connections")
        self._changed = asyncio.Event()
        self._opening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Bind the fabric; accept connections once the configured workers have registered.

        Their subscriptions are in effect by then, so they miss no notification. Connections wait in
        the backlog, for `lease_grace` if a worker does not come.
        """
        await self._shared.fabric.start()
        if self._shared.fabric.knows_workers:
            self._accepting.start()
        else:
            self._opening = asyncio.create_task(self._open(), name="open")

    async def _open(self) -> None:
        await self._shared.fabric.workers_known()
        if not self._shared.draining:
            self._accepting.start()

    def prepare(self, settings: AcceptorSettings) -> Callable[[], None]:
        """Return a function that puts other settings in force, for associations that begin later.

        Raises ConfigError if a certificate cannot be loaded.
        """
        tls = self._tls_of(settings)

        def apply() -> None:
            self._shared.adopt(settings)
            self._shared.fabric.configure(settings.expect)
            self._open_with(settings, tls)
            self._pending.limit = _pending_of(settings)

        return apply

    def _open_with(self, settings: AcceptorSettings, tls: ssl.SSLContext | None) -> None:
        # ARTIM limits the time for the whole A-ASSOCIATE-RQ, and also for what precedes it.
        timeout = settings.association.artim_timeout
        self._accepting.use(tls, timeout, Balancers(settings.balancers, timeout))

    def _tls_of(self, settings: AcceptorSettings) -> ssl.SSLContext | None:
        return load(settings.tls) if settings.tls.certificate else self._own_tls

    def drain(self, is_drained: bool) -> None:
        """Reject new associations from now on, or accept them again; open ones go on."""
        self._shared.drained = is_drained

    async def stop(self) -> None:
        """Reject new associations, finish open ones within the drain timeout, and stop."""
        shared = self._shared
        shared.draining = True
        await self._finish_open_ones(shared.settings.drain_timeout)
        self._accepting.close()
        for association in tuple(self._associations.values()):
            association.abort("this acceptor is shutting down")
        # Peers get a moment to read the last response and close.
        await self._until(lambda: len(self._pending) == len(self._associations), FLUSH)
        for association in tuple(self._associations.values()):
            association.engine.transport.abort()
        self._measuring.stop()
        await shared.fabric.stop(FLUSH)
        await shared.spool.close()
        shared.places.close()

    async def _finish_open_ones(self, seconds: float) -> None:
        """Let associations go on for a while; abort one when it is idle."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while self._shared.places and (now := loop.time()) < end:
            for association in tuple(self._associations.values()):
                if association.is_idle_since(now - self._shared.settings.drain_idle):
                    association.abort("this acceptor is shutting down")
            await self._until(lambda: not self._shared.places, min(LOOK, end - now))

    def _troubles(self) -> dict[str, str]:
        """Mend what was taken away under way; return what is wrong, in words."""
        troubles = {}
        try:
            if self._shared.spool.restore():
                log.error("directories of the spool were deleted: made again")
        except GatewayError as error:
            troubles["spool"] = str(error)
        if self._shared.fabric.trouble:
            troubles["run"] = self._shared.fabric.trouble
        return troubles

    def facts(self) -> dict[str, Any]:
        """Return what this acceptor tells of itself at each sign of life."""
        return {
            "troubles": self._troubles(),
            "spool_failures": self._shared.spool.failures,
            "associations": len(self._shared.places),
            "connections": len(self._associations),
            "certificate_end": self._shared.certificate_end,
            **self._shared.fabric.facts(),
        }

    async def _until(self, reached: Callable[[], bool], seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not reached():
                    self._changed.clear()
                    await self._changed.wait()

    # calls of associations

    def connected(self, association: AcceptorAssociation) -> None:
        """Count an open connection; if there are too many, an old one is closed."""
        self._associations[association.id] = association
        self._pending.add(association, association.holder.address, association.transport.abort)

    def requested(self, association: AcceptorAssociation) -> None:
        """Take note that the connection sent its A-ASSOCIATE-RQ."""
        self._pending.remove(association)

    def ended(self, association: AcceptorAssociation, error: AssociationError) -> None:
        """Take note that an association has ended."""
        self._measuring.ended(association, error)
        self._changed.set()

    def closed(self, association: AcceptorAssociation) -> None:
        """Take note that the connection is closed."""
        self._pending.remove(association)
        if self._associations.pop(association.id, None) is not None:
            self._measuring.closed(association)
        self._changed.set()
        self._accepting.connection_closed()

    def _tls_failed(self, host: str, why: str) -> None:
        self._shared.fabric.publish(EVT_TLS_FAILED.name, {"host": host, "why": why})

    def _connection(self, source: tuple[str, int] | None) -> Transport:
        transport = AcceptorAssociation(self._shared, self).transport
        if source is not None:  # a balancer named the peer
            transport.remote = source
        return transport

    def _engine_of(self, name: str) -> AssociationEngine | None:
        association = self._associations.get(name)
        if association is None:
            return None
        association.is_used = True
        return association.engine

    def _watch(self, topics: set[str]) -> None:
        self._shared.topics = topics
        self._measuring.watch(topics)
        for association in self._associations.values():
            association.watch()


def _pending_of(settings: AcceptorSettings) -> int:
    return max(1, settings.association.max_pending // settings.acceptors)
