"""The acceptor process: one listening descriptor, its connections, and how it leaves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.acceptor.accepting import AcceptLoop
from gateway.acceptor.actor import AssociationActor
from gateway.acceptor.calls import Calls
from gateway.acceptor.notify import trace_wanted
from gateway.acceptor.policy import policy_of
from gateway.acceptor.watermark import Watermark
from gateway.dimse.services import serve_like
from gateway.fabric.acceptor import Server
from gateway.spool import Spool
from gateway.tls import load
from gateway.ul.upper_layer import Trace

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from gateway.settings import AcceptorSettings
    from gateway.transport import Transport

log = logging.getLogger("gateway.acceptor")

FLUSH = 1.0
"""Seconds that the last notifications have to leave."""


class Acceptor:
    """What the associations of one process share, and the count of them."""

    def __init__(
        self,
        settings: AcceptorSettings,
        listener: socket.socket,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.settings = settings
        self.policy = policy_of(settings)
        for uid, like in settings.services.items():
            serve_like(uid, like)
        self.spool = Spool.open(
            Path(settings.spool_dir), settings.index, settings.spool, durable=settings.durable
        )
        watched = [path for path in (settings.spool_dir, settings.data_dir) if path]
        self.watermark = Watermark(watched, settings.spool.refuse_below)
        self.fabric = Server(
            settings.fabric, Path(settings.run_dir), settings.index, expect=settings.expect
        )
        self.fabric.on_wants_changed = self._retrace
        self.fabric.on_command = Calls(lambda name: self._actors.get(name)).take
        self.trace = Trace.NONE
        """What new associations record of themselves."""
        self.draining = False
        self.established = 0
        """Associations that are open."""
        self._accepting = AcceptLoop(
            listener,
            self._connection,
            tls=load(settings.tls) if settings.tls.certificate else tls,
            # ARTIM is a wall over the whole A-ASSOCIATE-RQ, and the handshake precedes it.
            handshake_timeout=settings.association.artim_timeout,
            max_handshakes=settings.association.max_pending,
        )
        self._actors: dict[str, AssociationActor] = {}
        self._pending: dict[AssociationActor, None] = {}
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Bind the fabric, then accept connections."""
        await self.fabric.start()
        self._accepting.start()

    async def stop(self) -> None:
        """Reject what asks, finish what is in hand within the drain timeout, and leave."""
        self.draining = True
        for actor in tuple(self._actors.values()):
            actor.settle()
        await self._until(lambda: not self.established, self.settings.drain_timeout)
        self._accepting.close()
        for actor in tuple(self._actors.values()):
            actor.abort()
        # Peers that were answered have a moment to read it and close.
        await self._until(lambda: len(self._pending) == len(self._actors), FLUSH)
        for actor in tuple(self._actors.values()):
            actor.transport.abort()
        await self.fabric.stop(FLUSH)
        await self.spool.close()

    async def _until(self, reached: Callable[[], bool], seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not reached():
                    self._changed.clear()
                    await self._changed.wait()

    @property
    def is_full(self) -> bool:
        return self.established >= self.settings.association.max_associations

    # what actors tell

    def connected(self, actor: AssociationActor) -> None:
        """A connection is up; one too many makes the longest silent one leave."""
        self._actors[actor.id] = actor
        self._pending[actor] = None
        if len(self._pending) > self.settings.association.max_pending:
            oldest = next(iter(self._pending))
            del self._pending[oldest]  # it is closed a moment later: the next one is another's turn
            log.warning(
                "association=%s too many silent connections: the oldest is closed", oldest.id
            )
            oldest.transport.abort()

    def asked(self, actor: AssociationActor) -> None:
        """The connection sent its A-ASSOCIATE-RQ."""
        self._pending.pop(actor, None)

    def ended(self) -> None:
        """An association that was established is over."""
        self.established -= 1
        self._changed.set()

    def gone(self, actor: AssociationActor) -> None:
        """The connection is closed."""
        self._pending.pop(actor, None)
        self._actors.pop(actor.id, None)
        self._changed.set()
        self._accepting.connection_closed()

    def _connection(self) -> Transport:
        return AssociationActor(self).transport

    def _retrace(self, topics: set[str]) -> None:
        self.trace = trace_wanted(topics)
        for actor in self._actors.values():
            actor.association.trace = self.trace
