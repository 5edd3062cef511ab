"""One actor owns one association, from the connection to its end.

The receive path is synchronous: a fragment goes to its place before the next one is looked at. The
operations are coroutines: requests wait in a bounded queue for the negotiated window, and reading
pauses only when a further data set finds that queue full. So an A-ABORT, a C-CANCEL or a reset
is seen while answers are pending.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from gateway.acceptor import admission
from gateway.acceptor.describe import Identity, describe
from gateway.acceptor.messages import Messages
from gateway.acceptor.notify import Notifier
from gateway.acceptor.outgoing import AssociationEnded, Outgoing
from gateway.alarm import Alarm
from gateway.errors import RemoteProtocolError
from gateway.events import (
    EVT_ABORTED,
    EVT_ACCEPTED,
    EVT_CONN_CLOSE,
    EVT_CONN_OPEN,
    EVT_ESTABLISHED,
    EVT_REJECTED,
    EVT_RELEASED,
    EVT_REQUESTED,
)
from gateway.fabric.wire.frames import pack
from gateway.transport import Transport
from gateway.ul.fsm import State
from gateway.ul.negotiation import Answers, negotiate
from gateway.ul.pdu import AAbort, AAssociateAC, AAssociateRJ, AReleaseRP, AReleaseRQ
from gateway.ul.primitives import (
    AAbortIndication,
    AAbortRequest,
    AAssociateAccept,
    AAssociateIndication,
    AAssociateReject,
    APAbortIndication,
    AReleaseConfirmation,
    AReleaseIndication,
    AReleaseRequest,
    AReleaseResponse,
    Origin,
    PDataPart,
    Primitive,
)
from gateway.ul.upper_layer import Side, UpperLayer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.acceptor.server import Acceptor
    from gateway.dimse.message import Request
    from gateway.events import InterventionEvent, NotificationEvent
    from gateway.ul.fsm import Transition
    from gateway.ul.negotiation import AcceptedContext
    from gateway.ul.pdu import PDU, AAssociateRQ
    from gateway.ul.primitives import PduTraced

log = logging.getLogger("gateway.acceptor")


_STATES = {EVT_ABORTED: "aborted", EVT_REJECTED: "rejected", EVT_RELEASED: "released"}


class Phase(Enum):
    """Where an association is in its life, as its actor sees it."""

    PENDING = auto()
    """Connected; has not asked yet."""
    NEGOTIATING = auto()
    """It has asked; workers are asked about it."""
    ESTABLISHED = auto()
    RELEASING = auto()
    """The peer asked for release; operations in hand are finished first."""
    ENDED = auto()


class AssociationActor:
    """The owner of a `Transport` in the acceptor role."""

    def __init__(self, house: Acceptor) -> None:
        loop = asyncio.get_running_loop()
        limits = house.settings.association
        self.house = house
        self.id = secrets.token_hex(6)
        """Names the association in log lines and events."""
        self.state = "connected"
        """The association's state as workers are told it."""
        self.phase = Phase.PENDING
        self.association = UpperLayer(
            Side.ACCEPTOR,
            now=loop.time(),
            max_pdu=limits.max_pdu,
            artim_timeout=limits.artim_timeout,
            trace=house.trace,
        )
        self.transport = Transport(self.association, self, send_timeout=limits.send_timeout)
        self.notifier = Notifier(house.fabric, self.blob)
        self.messages = Messages(self)
        self.outgoing = Outgoing(self)
        self._loop = loop
        self._idle = Alarm(loop, self._idled)
        self._blob: bytes | None = None
        self._over = asyncio.Event()
        self._negotiating: asyncio.Task[None] | None = None

    # what operations need

    @property
    def calling_ae_title(self) -> str:
        request = self.association.request
        return request.calling_ae_title if request is not None else ""

    def blob(self) -> bytes:
        """The association's description for workers, encoded once for each of its phases."""
        if self._blob is None:
            settings = self.house.settings
            identity = Identity(self.id, settings.name, settings.ae_title, self.state)
            self._blob = pack(describe(identity, self.association, self.transport))
        return self._blob

    def describe_request(self, context: AcceptedContext, request: Request) -> dict[str, Any]:
        """What every DIMSE intervention carries."""
        return {
            "request": request.parameters(),
            "context": [context.id, context.abstract_syntax, context.transfer_syntax],
            "message_id": request.message_id,
        }

    # the transport's calls

    def connected(self) -> None:
        self.notifier.tell(EVT_CONN_OPEN, address=list(self.transport.remote))
        self.house.connected(self)

    def primitive(self, primitive: Primitive) -> None:
        try:
            if type(primitive) is not PDataPart:
                self._primitive(primitive)
            elif self.phase is not Phase.ENDED:  # one read may bring more after what ended it
                self.messages.data(primitive)
        except RemoteProtocolError as error:
            log.warning("association=%s aborting: %s", self.id, error)
            self.abort()
        except Exception:
            log.exception("association=%s the association's actor failed", self.id)
            self._end(EVT_ABORTED, source=0, reason=0)
            self.transport.abort()

    def read_done(self) -> None:
        self.messages.read_done()
        if self.phase is Phase.PENDING and self.association.state is State.Sta13:
            self._turned_away()
        self._rearm()

    def traced(self, records: Sequence[Transition | PduTraced]) -> None:
        self.notifier.traced(records)

    def closed(self) -> None:
        if self.phase is Phase.PENDING:
            self.phase = Phase.ENDED  # it never asked for anything
        elif self.phase is not Phase.ENDED:
            self._end(EVT_ABORTED, source=2, reason=0)
        self._idle.stop()
        self.notifier.tell(EVT_CONN_CLOSE, address=list(self.transport.remote))
        self.house.gone(self)

    # primitives

    def _primitive(self, primitive: Primitive) -> None:
        match primitive:
            case AAssociateIndication():
                self._asked(primitive)
            case AReleaseIndication():
                self._release_asked()
            case AReleaseConfirmation():
                self._release_confirmed()
            case AAbortIndication(source=source, reason=reason):
                self._aborted("A-ABORT", AAbort(source, reason))
            case APAbortIndication(reason=reason, origin=origin, text=text):
                carried = origin is Origin.PEER
                self._aborted("A-P-ABORT", AAbort(2, reason), text, carried=carried)

    def _asked(self, indication: AAssociateIndication) -> None:
        self.house.asked(self)
        self._now("requested")
        self.notifier.acse(
            sent=False,
            primitive="A-ASSOCIATE",
            kind="indication",
            pdu=indication.request,
        )
        self.notifier.tell(EVT_REQUESTED)
        if self.association.state is not State.Sta3:
            return  # the peer has left meanwhile
        request = indication.request
        if (rejection := admission.turn_away(self.house, request)) is not None:
            self._reject(rejection)
        elif asked := admission.questions(self.house, request):
            self.phase = Phase.NEGOTIATING
            self._negotiating = self._loop.create_task(self._ask(request, asked), name=self.id)
        else:
            self._conclude(negotiate(request, self.house.policy, Answers()))

    async def _ask(
        self, request: AAssociateRQ, asked: dict[InterventionEvent, dict[str, Any]]
    ) -> None:
        try:
            answers = await admission.ask(self, asked)
            # Much may have changed while workers thought about it.
            refusal = admission.turn_away(self.house, request)
            if isinstance(answers, AAssociateRJ):
                self._conclude(answers)
            else:
                self._conclude(refusal or negotiate(request, self.house.policy, answers))
        except Exception:
            log.exception("association=%s the negotiation failed", self.id)
            self.abort()

    def _conclude(self, outcome: AAssociateAC | AAssociateRJ) -> None:
        if isinstance(outcome, AAssociateRJ):
            self._reject(outcome)
        else:
            self._accept(outcome)

    def _reject(self, rejection: AAssociateRJ) -> None:
        self.association.send(AAssociateReject(rejection), self._loop.time())
        self._sent("A-ASSOCIATE", "response", rejection)
        self._rejected(rejection)

    def _rejected(self, rejection: AAssociateRJ) -> None:
        result, source, reason = rejection.result, rejection.source, rejection.reason
        log.warning(
            "association=%s A-ASSOCIATE-RJ (%d,%d,%d): %s",
            *(self.id, result, source, reason, rejection.describe()),
        )
        self._end(EVT_REJECTED, result=result, source=source, reason=reason)

    def _accept(self, acceptance: AAssociateAC) -> None:
        self.association.send(AAssociateAccept(acceptance), self._loop.time())
        self.phase = Phase.ESTABLISHED
        self._now("established")
        self.house.established += 1
        if (window := acceptance.user_information.async_ops) is not None:
            limit = self.house.settings.association.max_operations_performed
            self.messages.window = min(window.invoked or limit, limit)
        self._sent("A-ASSOCIATE", "response", acceptance)
        self.notifier.tell(EVT_ACCEPTED)
        self.notifier.tell(EVT_ESTABLISHED)

    def _turned_away(self) -> None:
        """The protocol machine itself rejected or aborted (AE-6, AA-1): there is no indication."""
        association = self.association
        if association.error is not None:
            log.warning("association=%s A-ABORT: %s", self.id, association.error)
            self._end(EVT_ABORTED, source=0, reason=0)
        elif (rejection := association.rejection) is not None:
            self._rejected(rejection)

    def _sent(self, primitive: str, kind: str, pdu: PDU) -> None:
        self.transport.flush()
        self.notifier.acse(sent=True, primitive=primitive, kind=kind, pdu=pdu)

    def _release_asked(self) -> None:
        self.notifier.acse(sent=False, primitive="A-RELEASE", kind="indication", pdu=AReleaseRQ())
        self.phase = Phase.RELEASING
        self._idle.set(None)
        self.messages.release()
        self.settle()

    def _aborted(
        self, primitive: str, abort: AAbort, why: str = "peer", *, carried: bool = True
    ) -> None:
        """`carried`: by a PDU of the peer, not by a lost connection or an objection of ours."""
        pdu = abort if carried else None
        self.notifier.acse(sent=False, primitive=primitive, kind="indication", pdu=pdu)
        if self.phase is not Phase.ENDED:
            source, reason = abort.source, abort.reason
            log.warning(
                "association=%s %s, source %d, reason %d: %s",
                *(self.id, primitive, source, reason, why),
            )
            self._end(EVT_ABORTED, source=source, reason=reason)

    def abort(self) -> None:
        """A-ABORT from this side, as the service user (PS3.8 9.3.8)."""
        if self.phase is Phase.ENDED or self.association.state in (
            State.Sta1,
            State.Sta2,
            State.Sta13,
        ):
            return
        self.association.send(AAbortRequest(), self._loop.time())
        self._sent("A-ABORT", "request", AAbort(0, 0))
        self._end(EVT_ABORTED, source=0, reason=0)

    async def release(self) -> None:
        """A-RELEASE from this side (PS3.8 7.2); raises AssociationEnded, or TimeoutError."""
        if self.association.state is not State.Sta6:
            raise AssociationEnded("the association ended")
        self.phase = Phase.RELEASING
        # A worker that dies takes its wait with it: the association must not wait on for ever.
        limit = self.house.settings.association.acse_timeout
        self._idle.set(self._loop.time() + limit + 1.0)
        self.association.send(AReleaseRequest(), self._loop.time())
        self._sent("A-RELEASE", "request", AReleaseRQ())
        try:
            async with asyncio.timeout(limit):
                await self._over.wait()
        except TimeoutError:
            self.abort()
            raise
        if self.state != "released":
            raise AssociationEnded("the association ended before it was released")

    def _release_confirmed(self) -> None:
        pdu = AReleaseRP()
        self.notifier.acse(sent=False, primitive="A-RELEASE", kind="confirmation", pdu=pdu)
        if self.association.state is State.Sta12:
            self.settle()  # a release collision: the peer waits for our answer
        else:
            self._end(EVT_RELEASED)

    # the end

    @property
    def is_established(self) -> bool:
        return self.phase is Phase.ESTABLISHED

    def settle(self) -> None:
        """Nothing may be in hand any more: release or leave if that was waited for."""
        if not self.messages.is_idle:
            return
        if self.association.state in (State.Sta8, State.Sta12):
            self.association.send(AReleaseResponse(), self._loop.time())
            self._sent("A-RELEASE", "response", AReleaseRP())
            self._end(EVT_RELEASED)
        elif self.phase is Phase.ESTABLISHED and self.house.draining:
            self.abort()
        else:
            self._rearm()

    def _end(self, event: NotificationEvent, **body: Any) -> None:
        if self.phase in (Phase.ESTABLISHED, Phase.RELEASING):
            self.house.ended()
        self.phase = Phase.ENDED
        self._now(_STATES[event])
        self._idle.set(None)
        if self._negotiating is not None and self._negotiating is not asyncio.current_task():
            self._negotiating.cancel()
        self.messages.stop()
        self.outgoing.stop()
        self.notifier.tell(event, **body)
        self._over.set()

    def _now(self, state: str) -> None:
        """What workers are told of the association changes."""
        self.state = state
        self._blob = None

    def _rearm(self) -> None:
        """The idle timeout does not run while an operation is open."""
        limits = self.house.settings.association
        if self.phase is Phase.RELEASING:
            return
        if self.phase is not Phase.ESTABLISHED:
            self._idle.set(None)
        elif self.messages.is_receiving:
            self._idle.set(self.transport.last_received + limits.dimse_timeout)
        elif self.messages.is_idle and self.outgoing.is_idle:
            self._idle.set(self.transport.last_received + limits.network_timeout)
        else:
            self._idle.set(None)

    def _idled(self) -> None:
        if self.transport.is_paused:  # it is we who do not listen
            self._idle.set(self._loop.time() + self.house.settings.association.dimse_timeout)
            return
        what = "a message in its middle" if self.messages.is_receiving else "nothing to do"
        log.warning("association=%s aborting: silent for too long, with %s", self.id, what)
        self.abort()
