"""The life of an association that this side asks for, from the connection to its end.

Every wait has an end: connecting, the answers to A-ASSOCIATE-RQ and A-RELEASE-RQ, the next bytes of
a response, a peer that does not read, and the end of the connection.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from gateway.association.engine import AssociationEngine
from gateway.association.errors import Aborted, AssociationError, TimedOut
from gateway.requestor.connecting import open_connection
from gateway.requestor.incoming import IncomingRequests
from gateway.tls import end_of_shown
from gateway.ul.agreement import agreed_async_ops, misplaced_answers
from gateway.ul.fsm import Side, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gateway.association.port import PeerRequest
    from gateway.association.timers import Timeouts
    from gateway.dimse.assembler import MessageBegun
    from gateway.events import NotificationEvent
    from gateway.requestor.incoming import Handler
    from gateway.requestor.proposal import Address
    from gateway.ul.fsm import Transition
    from gateway.ul.negotiation import AcceptedContext
    from gateway.ul.pdu import AAssociateAC, AAssociateRQ
    from gateway.ul.primitives import PduTraced

    Tracer = Callable[[Sequence[Transition | PduTraced]], None]


log = logging.getLogger("gateway.requestor")


class RequestorConnection:
    """The port of an engine in the requestor role; a handler decides on requests of the peer.

    `RequestorAssociation` (`gateway.requestor.requestor_association`) is what users get.
    """

    def __init__(self, request: AAssociateRQ, timeouts: Timeouts, handler: Handler) -> None:
        self.engine = AssociationEngine(
            Side.REQUESTOR,
            self,
            timeouts,
            max_pdu=request.user_information.maximum_length,
            full_duplex=True,
        )
        self._request = request
        self._incoming = IncomingRequests(handler, self.engine.inbox)

    # what was agreed

    @property
    def accepted_contexts(self) -> Mapping[int, AcceptedContext]:
        """The accepted presentation contexts by their ID."""
        return self.engine.upper.accepted_contexts

    @property
    def request(self) -> AAssociateRQ:
        """The A-ASSOCIATE-RQ that was sent."""
        return self._request

    @property
    def acceptance(self) -> AAssociateAC | None:
        """The A-ASSOCIATE-AC of the peer."""
        return self.engine.upper.acceptance

    @property
    def peer_max_length(self) -> int:
        """The longest P-DATA-TF that the peer receives, in bytes; 0: any."""
        return self.engine.upper.peer_max_length

    @property
    def window(self) -> int:
        """Operations that may be in flight at once; 0: any number."""
        return self.engine.in_flight.window

    @property
    def refused(self) -> int:
        """The peer's requests that were refused at their command set, unseen by the handler."""
        return self.engine.inbox.refused

    @property
    def local(self) -> tuple[str, int]:
        """This side's address."""
        return self.engine.transport.local

    @property
    def remote(self) -> tuple[str, int]:
        """The peer's address."""
        return self.engine.transport.remote

    @property
    def certificate_end(self) -> float:
        """When the peer's certificate ends, in seconds since the epoch; 0.0: it has none."""
        return end_of_shown(self.engine.transport.peer_certificate)

    @property
    def ended(self) -> AssociationError | None:
        """The reason for the end of the association; None before."""
        return self.engine.ended

    @property
    def is_ended(self) -> bool:
        """Whether the association was released, aborted or lost."""
        return self.engine.ended is not None

    @property
    def timeouts(self) -> Timeouts:
        """The waits of this side in seconds; may be set at any time."""
        return self.engine.timeouts

    @timeouts.setter
    def timeouts(self, timeouts: Timeouts) -> None:
        self.engine.timeouts = timeouts

    # its life

    async def connect(self, address: Address, tracer: Tracer | None = None) -> None:
        """Connect and negotiate; raises Unreachable, Rejected, Aborted or TimedOut."""
        engine = self.engine
        if tracer is not None:
            engine.tracer, engine.upper.trace = tracer, Trace.TRANSITIONS | Trace.PDUS
        engine.propose(self._request)
        await open_connection(address, engine.transport, engine.timeouts.connect)
        try:
            await asyncio.shield(engine.established)
        except BaseException as error:
            if not isinstance(error, AssociationError):
                self.drop("this side gave up")
            await self._leave()
            raise

    async def release(self) -> None:
        """Release the association and close the connection; raise AssociationError."""
        if self.engine.ended is not None:
            raise self.engine.ended
        try:
            await self.engine.release()
        finally:
            await self._leave()

    async def abort(self) -> None:
        """Send an A-ABORT (PS3.8 9.3.8); nothing happens if the association has ended."""
        self.engine.abort(Aborted("this side aborted the association"))
        await self._leave()

    def drop(self, why: str) -> None:
        """Send an A-ABORT and close the connection at once; unsent data is lost."""
        self.engine.drop(why)

    async def close(self) -> None:
        """Release the association unless it has ended; never raises AssociationError."""
        try:
            await self.release()
        except AssociationError:
            await self._leave()

    async def wait_ended(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - of a thread
        """Return when the association has ended, or after `timeout` seconds."""
        await asyncio.wait((self.engine.over,), timeout=timeout)

    async def _leave(self) -> None:
        if isinstance(self.engine.ended, TimedOut):
            self.engine.transport.abort()  # the peer was waited for long enough
        try:
            async with asyncio.timeout(self.engine.timeouts.artim):
                await self.engine.connection_closed.wait()
        except TimeoutError:
            self.engine.transport.abort()
        await self._incoming.settle()

    # the engine's calls

    def connected(self) -> None:
        """Do nothing: the engine sends the A-ASSOCIATE-RQ."""

    def requesting(self, size: int) -> None:
        """Do nothing: a requestor is not asked for an association."""

    def requested(self, request: AAssociateRQ) -> None:  # noqa: ARG002 - a port's signature
        raise AssertionError("the peer of a requestor is an acceptor")

    def established(self) -> None:
        assert self.acceptance is not None
        invoked, _ = agreed_async_ops(self._request, self.acceptance)
        self.engine.in_flight.window = invoked
        for text in misplaced_answers(self._request, self.acceptance):
            log.warning("association=%s A-ASSOCIATE-AC: %s", self.engine.name, text)

    def receive(self, context: AcceptedContext, begun: MessageBegun) -> PeerRequest:
        return self._incoming.receive(context, begun)

    def association_ended(self, error: AssociationError) -> None:
        """Do nothing: the engine has ended all waits."""

    def closed(self) -> None:
        """Let `_leave` return, which waits for this."""

    def publish(self, event: NotificationEvent, body: dict[str, Any]) -> None:
        """Do nothing: only subclasses have watchers."""
