"""The life of one association, in either role: the owner of its UpperLayer and transport.

The port
    What differs between the roles is behind `Port` (module `port`), whose calls all come on the
    loop. `requested` asks the acceptor's role for `accept` or `reject`; `receive` decides, at its
    command set, what becomes of a request of the peer, and returns a `PeerRequest` that takes the
    data set, is told when to `perform`, and ends with `inbox.finished`. `connected`, `established`,
    `association_ended` and `closed` tell what happened; `publish` takes the notifications that
    somebody watches. Requests of this side are sent by `in_flight.invoke`.
    Nothing here knows of workers, handlers, sockets or processes: two engines whose transports are
    joined in memory make an association.

The rule
    Once an A-ABORT (in either direction), an A-RELEASE-RP, an A-ASSOCIATE-RJ or a breach of the
    protocol has ended an association, the layers above the state machine get nothing more of it,
    and it ends once. `primitive` is the only way in, and looks at the phase first; `end` is the
    only way out, and passes once. The machine itself goes on by Table 9-10 until the connection is
    closed. An A-RELEASE-RQ ends nothing: what is in hand is finished, and the A-RELEASE-RP ends it.
    The UpperLayer delivers each primitive before it looks at the next byte, so that all of this is
    the same however the peer's PDUs are spread over segments.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING

from gateway.association.description import log_end, tell_end
from gateway.association.errors import Aborted, AssociationError, Rejected, Released, TimedOut
from gateway.association.inbox import Inbox
from gateway.association.message_counts import MessageCounts
from gateway.association.notify import Notifications, trace_wanted
from gateway.association.operations_in_flight import OperationsInFlight
from gateway.association.outbox import Outbox
from gateway.association.phase import Phase
from gateway.association.timers import SilenceTimer
from gateway.association.transport import Transport
from gateway.errors import RemoteProtocolError
from gateway.events import (
    EVT_ACCEPTED,
    EVT_CONN_CLOSE,
    EVT_CONN_OPEN,
    EVT_ESTABLISHED,
    EVT_REQUESTED,
)
from gateway.log import AssociationName
from gateway.ul.fsm import Side, State
from gateway.ul.pdu import AAbort, AAssociateAC, AAssociateRJ, AReleaseRP, AReleaseRQ
from gateway.ul.primitives import (
    AAbortIndication,
    AAbortRequest,
    AAssociateAccept,
    AAssociateConfirmation,
    AAssociateIndication,
    AAssociateReject,
    AAssociateRequest,
    APAbortIndication,
    AReleaseConfirmation,
    AReleaseIndication,
    AReleaseRequest,
    AReleaseResponse,
    Origin,
    PDataPart,
    TransportConnected,
)
from gateway.ul.upper_layer import UpperLayer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from gateway.association.port import Port
    from gateway.association.timers import Timeouts
    from gateway.ul.fsm import Transition
    from gateway.ul.pdu import PDU, AAssociateRQ
    from gateway.ul.primitives import PduTraced, Primitive

log = logging.getLogger("gateway.association")

_STATES = {Released: "released", Rejected: "rejected"}

_NO_ABORT = (State.Sta1, State.Sta2, State.Sta13)
"""States in which an A-ABORT is not possible or has no meaning (Table 9-10, Evt15)."""


_PENDING, _ENDED = Phase.PENDING, Phase.ENDED
_RELEASE_AWAITED = (State.Sta8, State.Sta9, State.Sta12)
"""Read for every part or message: a lookup in the enumeration takes as long as a call."""


class AssociationEngine:
    """One association.

    `max_pdu` is the longest P-DATA-TF that is received, 0 for any. `full_duplex` goes on reading
    while the peer does not read; for roles that answer a bounded number of requests.
    """

    def __init__(
        self,
        side: Side,
        port: Port,
        timeouts: Timeouts,
        *,
        max_pdu: int,
        full_duplex: bool = False,
        topics: Collection[str] = (),
    ) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self.side = side
        self.id = secrets.token_hex(6)
        """Names the association in log lines and events."""
        self.port = port
        self.phase = Phase.PENDING
        self.state = "connected"
        """For workers: connected, requested, established, rejected, released or aborted."""
        self.ended: AssociationError | None = None
        """Why the association is over; None before."""
        self.upper = UpperLayer(
            side,
            now=loop.time(),
            max_pdu=max_pdu,
            artim_timeout=timeouts.artim,
            trace=trace_wanted(topics),
        )
        self.upper.deliver = self.primitive
        self.transport = Transport(
            self.upper, self, send_timeout=timeouts.send, full_duplex=full_duplex
        )
        self.transport.is_new = side is Side.ACCEPTOR
        self.notifications = Notifications(port.publish, topics)
        self.tracer: Callable[[Sequence[Transition | PduTraced]], None] = self.notifications.traced
        """Takes transitions and PDUs, while `upper.trace` asks for them."""
        self.counts = MessageCounts()
        self.outbox = Outbox(self)
        self.in_flight = OperationsInFlight(self)
        self.inbox = Inbox(self)
        self.established: asyncio.Future[None] = loop.create_future()
        self.over: asyncio.Future[None] = loop.create_future()
        """Done when the association has ended."""
        self.connection_closed = asyncio.Event()
        self.established_at: float | None = None
        self._timeouts = timeouts
        self._timer = SilenceTimer(self)

    @property
    def timeouts(self) -> Timeouts:
        """The waits of this side in seconds; may be set at any time."""
        return self._timeouts

    @timeouts.setter
    def timeouts(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self.transport.send_timeout = timeouts.send
        if self._timer.is_running:
            self._timer.start()

    @property
    def name(self) -> AssociationName:
        """The association and its peer, for log lines."""
        host, port = self.transport.remote
        request = self.upper.request
        titles = (request.calling_ae_title, request.called_ae_title) if request else ("", "")
        return AssociationName(self.id, f"{host}:{port}", *titles)

    def watch(self, topics: Collection[str]) -> None:
        """Set the names of the events that somebody watches from now on."""
        self.notifications.watched = topics
        self.upper.trace = trace_wanted(topics)

    # the transport's calls

    def connected(self) -> None:
        self.notifications.tell(EVT_CONN_OPEN, address=list(self.transport.remote))
        self.port.connected()
        if self.side is Side.REQUESTOR:
            self.upper.send(TransportConnected(), self._loop.time())
            self._timer.asked()
            assert self.upper.request is not None
            self._sent("A-ASSOCIATE", "request", self.upper.request)

    def read_done(self) -> None:
        self.inbox.read_done()
        if self.phase is _PENDING:
            if self.upper.state is State.Sta13:
                self._ended_by_machine()
            elif self.side is Side.ACCEPTOR:
                self.port.requesting(self.upper.unfinished)

    def traced(self, records: Sequence[Transition | PduTraced]) -> None:
        self.tracer(records)

    def not_read(self) -> None:
        text = f"the peer did not read what was sent to it for {self._timeouts.send:g} s; aborted"
        self.abort(TimedOut(text))
        self.transport.abort()

    def closed(self) -> None:
        if self.phase is Phase.PENDING and self.side is Side.ACCEPTOR:
            self.phase = Phase.ENDED  # no A-ASSOCIATE-RQ came: there is nothing to tell
        self.end(Aborted("the connection was lost", source=2))
        self._timer.stop()
        self.notifications.tell(EVT_CONN_CLOSE, address=list(self.transport.remote))
        self.connection_closed.set()
        self.port.closed()

    def dissolve(self) -> None:
        """Take the engine apart after the last call, if nobody will use it any more.

        Otherwise the garbage collector stops everything for a while to free thousands of them.
        """
        self.transport.dissolve()
        del self.upper.deliver, self.notifications, self.tracer, self.inbox, self.outbox
        del self.in_flight, self._timer, self.port

    # primitives

    def primitive(self, primitive: Primitive) -> None:
        """Take an indication or confirmation of the UpperLayer: the only entry point."""
        if self.phase is _ENDED:
            return
        try:
            if self.upper.is_traced:
                self.transport.trace()
            if type(primitive) is PDataPart:
                self.inbox.receive(primitive)
            else:
                self._primitive(primitive)
        except RemoteProtocolError as error:
            text = f"the peer's message made no sense: {error}; aborted"
            self.abort(Aborted(text), error.source, error.reason)
        except Exception:  # a bug: it ends this association, not the process
            log.exception("association=%s failed", self.name)
            self.fail()

    def _primitive(self, primitive: Primitive) -> None:
        match primitive:
            case AAssociateIndication(request=request):
                self._requested(request)
            case AAssociateConfirmation(answer=answer):
                self._answered(answer)
            case AReleaseIndication():
                self._release_requested()
            case AReleaseConfirmation():
                self._release_confirmed()
            case AAbortIndication(source=source, reason=reason):
                abort = AAbort(source, reason)
                self._received("A-ABORT", "indication", abort)
                self.end(Aborted.by_peer(abort))
            case APAbortIndication():
                self._provider_aborted(primitive)

    def _requested(self, request: AAssociateRQ) -> None:
        self.phase, self.state = Phase.NEGOTIATING, "requested"
        self._received("A-ASSOCIATE", "indication", request)
        self.notifications.tell(EVT_REQUESTED)
        self.port.requested(request)

    def _answered(self, answer: AAssociateAC | AAssociateRJ) -> None:
        self._received("A-ASSOCIATE", "confirmation", answer)
        if isinstance(answer, AAssociateRJ):
            self.end(Rejected(answer))
        else:
            self._establish()

    def _release_requested(self) -> None:
        self._received("A-RELEASE", "indication", AReleaseRQ())
        self.phase = Phase.RELEASING
        self.inbox.release()
        self.settle()

    def _release_confirmed(self) -> None:
        self._received("A-RELEASE", "confirmation", AReleaseRP())
        if self.upper.state is State.Sta12:
            self.settle()  # a release collision: the peer waits for an answer
        else:
            self.end(Released("the association was released"))

    def _provider_aborted(self, indication: APAbortIndication) -> None:
        abort = AAbort(2, indication.reason) if indication.origin is Origin.PEER else None
        self._received("A-P-ABORT", "indication", abort)
        self.end(Aborted.by_provider(indication, in_message=self.inbox.is_receiving))

    # negotiation

    def propose(self, request: AAssociateRQ) -> None:
        """Send an A-ASSOCIATE-RQ as soon as the transport connection is open."""
        self.upper.send(AAssociateRequest(request), self._loop.time())

    def accept(self, acceptance: AAssociateAC) -> None:
        """Answer an A-ASSOCIATE-RQ with an A-ASSOCIATE-AC."""
        self.upper.send(AAssociateAccept(acceptance), self._loop.time())
        # A watcher of the response may end the association: for that it has to be established.
        self.phase, self.state = Phase.ESTABLISHED, "established"
        self._sent("A-ASSOCIATE", "response", acceptance)
        self._establish()

    def reject(self, rejection: AAssociateRJ, why: str = "") -> None:
        """Answer an A-ASSOCIATE-RQ with an A-ASSOCIATE-RJ; `why` is for this side's operator."""
        self.upper.send(AAssociateReject(rejection), self._loop.time())
        self._sent("A-ASSOCIATE", "response", rejection)
        self.end(Rejected(rejection, why))

    def _establish(self) -> None:
        self.phase, self.state = Phase.ESTABLISHED, "established"
        self._timer.start()
        self.transport.is_new = False
        self.inbox.progress = self.established_at = self._loop.time()
        self.established.set_result(None)
        self.port.established()
        self.notifications.tell(EVT_ACCEPTED)
        if self.side is Side.ACCEPTOR or self.upper.accepted_contexts:
            self.notifications.tell(EVT_ESTABLISHED)

    def _ended_by_machine(self) -> None:
        """Handle a rejection or abort by the machine itself (AE-6, AA-1), without indication."""
        if self.upper.error is not None:
            self.end(Aborted(str(self.upper.error)))
        elif self.upper.rejection is not None:
            self.end(Rejected(self.upper.rejection))

    # the end

    async def release(self) -> None:
        """Release the association (PS3.8 7.2); raise AssociationError if it ends in another way."""
        async with self.outbox.turn:
            if self.ended is not None:
                raise self.ended
            if self.upper.state is not State.Sta6:
                raise Released("the association is being released")
            self.phase = Phase.RELEASING
            self._timer.asked()
            self.upper.send(AReleaseRequest(), self._loop.time())
            self._sent("A-RELEASE", "request", AReleaseRQ())
        await asyncio.shield(self.over)
        if not isinstance(self.ended, Released):
            assert self.ended is not None
            raise self.ended

    def settle(self) -> None:
        """If nothing is in hand any more, release the association if a release waits for that."""
        if self.phase is _ENDED or not self.inbox.is_idle:
            return
        if self.upper.state in _RELEASE_AWAITED:
            is_collision = self.upper.state is State.Sta9
            self.upper.send(AReleaseResponse(), self._loop.time())
            self._sent("A-RELEASE", "response", AReleaseRP())
            if not is_collision:  # otherwise the peer's answer is still to come
                self.end(Released("the peer released the association"))

    def abort(self, error: AssociationError, source: int = 0, reason: int = 0) -> None:
        """Send an A-ABORT (PS3.8 9.3.8), and end the association for the reason given."""
        if self.phase is Phase.ENDED:
            return
        if self.upper.state not in _NO_ABORT:
            self.upper.send(AAbortRequest(source, reason), self._loop.time())
            self._sent("A-ABORT", "request", AAbort(source, reason))
        self.end(error)

    def drop(self, why: str) -> None:
        """Abort, and close the connection at once; unsent data is lost."""
        if not self.connection_closed.is_set():
            self.abort(Aborted(why))
            self.transport.abort()

    def fail(self) -> None:
        """Abort after an error on this side, after which nothing that is sent could be trusted."""
        self.end(Aborted("this side failed"))
        self.transport.abort()

    def end(self, error: AssociationError) -> None:
        """End the association: the only exit, which has an effect once."""
        if self.phase is Phase.ENDED:
            return
        self.phase, self.ended = Phase.ENDED, error
        # An A-ABORT leaves now and nothing after it, as if nothing else were in this read.
        self.transport.flush()
        self.state = _STATES.get(type(error), "aborted")
        self._timer.stop()
        if not self.established.done():
            self.established.set_exception(error)
            self.established.exception()  # mark it as retrieved: perhaps nothing waits for it
        self.over.set_result(None)
        self.transport.stop_waiting()
        self.inbox.stop()
        self.in_flight.stop(error)
        self.notifications.ended(error)
        tell_end(self, self._loop.time())
        self.port.association_ended(error)
        if self.established_at is not None:
            log_end(self, self._loop.time() - self.established_at)

    # notifications

    def _sent(self, primitive: str, kind: str, pdu: PDU) -> None:
        self.transport.flush()
        self.notifications.acse(primitive, kind, pdu, sent=True)

    def _received(self, primitive: str, kind: str, pdu: PDU | None) -> None:
        self.notifications.acse(primitive, kind, pdu, sent=False)
