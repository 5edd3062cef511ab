"""The requestor's association, and what is told of it while it lives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from gateway.dimse.assembler import (
    Assembler,
    DataFragment,
    MessageBegun,
    MessageEnded,
    MessageFailed,
)
from gateway.errors import RemoteProtocolError
from gateway.events import (
    EVT_ABORTED,
    EVT_ACCEPTED,
    EVT_ACSE_RECV,
    EVT_ACSE_SENT,
    EVT_CONN_CLOSE,
    EVT_CONN_OPEN,
    EVT_DATA_RECV,
    EVT_DATA_SENT,
    EVT_DIMSE_RECV,
    EVT_DIMSE_SENT,
    EVT_ESTABLISHED,
    EVT_FSM_TRANSITION,
    EVT_PDU_RECV,
    EVT_PDU_SENT,
    EVT_REJECTED,
    EVT_RELEASED,
    EVT_REQUESTED,
    EXCERPT,
)
from gateway.requestor import Aborted, Rejected, Released
from gateway.requestor import Association as Requested
from gateway.ul.fsm import Transition
from gateway.ul.pdu import AAssociateRJ
from gateway.ul.primitives import (
    AAssociateConfirmation,
    APAbortIndication,
    Origin,
    PDataPart,
)
from gateway.ul.upper_layer import Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.dimse.message import Message
    from gateway.facade.handler_thread import HandlerThread
    from gateway.requestor import Address, AssociationError, Handler, Timeouts
    from gateway.requestor.association import Tracer
    from gateway.requestor.sending import DataSource
    from gateway.ul.negotiation import AcceptedContext
    from gateway.ul.pdu import AAssociateAC, AAssociateRQ
    from gateway.ul.primitives import PduTraced, Primitive

_ACSE = {
    1: ("A-ASSOCIATE", "request", "indication"),
    2: ("A-ASSOCIATE", "response", "confirmation"),
    3: ("A-ASSOCIATE", "response", "confirmation"),
    5: ("A-RELEASE", "request", "indication"),
    6: ("A-RELEASE", "response", "confirmation"),
    7: ("A-ABORT", "request", "indication"),
}
"""PDU type -> the primitive that it carries, and its kind at the sender and at the receiver."""
_PROVIDER = 2
"""The source of an A-ABORT that the service provider sends (PS3.8 9.3.8)."""
_OF_PDUS = (EVT_DATA_RECV, EVT_DATA_SENT, EVT_PDU_RECV, EVT_PDU_SENT, EVT_ACSE_RECV, EVT_ACSE_SENT)


class Wire(Requested):
    """An association that tells its story to a `HandlerThread`."""

    def __init__(
        self, request: AAssociateRQ, timeouts: Timeouts, handler: Handler, events: HandlerThread
    ) -> None:
        super().__init__(request, timeouts, handler)
        self._events = events
        self.on_established: Callable[[], None] | None = None
        """Called before anybody is told."""
        self._observer: Observer | None = None

    @property
    def max_length(self) -> int:
        return self._machine.peer_max_length

    async def connect(self, address: Address, tracer: Tracer | None = None) -> None:
        self._events.notify(EVT_REQUESTED)
        self._tracer = tracer or self._tell_traced
        self.rebound()
        await super().connect(address)

    def rebound(self) -> None:
        """Other events are watched from now on."""
        wants, trace = self._events.wants, Trace.NONE
        if wants(EVT_FSM_TRANSITION):
            trace |= Trace.TRANSITIONS
        if any(wants(event) for event in _OF_PDUS):
            trace |= Trace.PDUS
        self._machine.trace = trace
        if not wants(EVT_DIMSE_RECV):
            self._observer = None
        elif self._observer is None and not self._exchange.is_open:
            self._observer = Observer(self._events)

    async def wait_ended(self, timeout: float | None) -> None:  # noqa: ASYNC109 - a thread's
        """Return when it is over, or after so many seconds."""
        await asyncio.wait((self._over,), timeout=timeout)

    # the transport's calls

    def connected(self) -> None:
        self._events.notify(EVT_CONN_OPEN, address=list(self.remote))
        super().connected()

    def closed(self) -> None:
        super().closed()
        self._events.notify(EVT_CONN_CLOSE, address=list(self.remote))

    def primitive(self, primitive: Primitive) -> None:
        if self._observer is not None and isinstance(primitive, PDataPart):
            self._observer.receive(primitive)
        if isinstance(primitive, APAbortIndication) and primitive.origin is not Origin.PEER:
            self._events.notify(EVT_ACSE_RECV, primitive="A-P-ABORT", kind="indication", pdu=b"")
        super().primitive(primitive)
        if isinstance(primitive, AAssociateConfirmation):
            self._concluded(primitive.answer)

    def _concluded(self, answer: AAssociateAC | AAssociateRJ) -> None:
        if isinstance(answer, AAssociateRJ):
            return
        if self.on_established is not None:
            self.on_established()
        self._events.notify(EVT_ACCEPTED)
        if self.accepted_contexts:
            self._events.notify(EVT_ESTABLISHED)
        else:
            self._abort(Aborted("no presentation context was accepted"), source=_PROVIDER)

    def _end(self, error: AssociationError) -> None:
        is_news = not self.is_ended
        super()._end(error)
        if not is_news:
            return
        match error:
            case Rejected(rejection=rejection):
                result, source, reason = rejection.result, rejection.source, rejection.reason
                self._events.notify(EVT_REJECTED, result=result, source=source, reason=reason)
            case Released():
                self._events.notify(EVT_RELEASED)
            case _:
                abort = error.abort if isinstance(error, Aborted) else None
                source, reason = (abort.source, abort.reason) if abort else (0, 0)
                self._events.notify(EVT_ABORTED, source=source, reason=reason)

    # what is seen

    def _tell_traced(self, records: Sequence[Transition | PduTraced]) -> None:
        for record in records:
            if isinstance(record, Transition):
                self._events.notify(
                    EVT_FSM_TRANSITION,
                    current_state=record.current_state.name,
                    fsm_event=record.fsm_event.name,
                    action=record.action.value,
                    next_state=record.next_state.name,
                )
            else:
                self._tell_pdu(record)

    def _tell_pdu(self, record: PduTraced) -> None:
        sent, tell = record.sent, self._events.notify
        cut = {"length": record.length, "truncated": len(record.data) < record.length}
        tell(EVT_DATA_SENT if sent else EVT_DATA_RECV, data=record.data, **cut)
        tell(EVT_PDU_SENT if sent else EVT_PDU_RECV, pdu=record.data, **cut)
        if record.pdu_type in _ACSE:
            name, *kinds = _ACSE[record.pdu_type]
            event = EVT_ACSE_SENT if sent else EVT_ACSE_RECV
            tell(event, primitive=name, kind=kinds[0 if sent else 1], pdu=record.data)

    async def send_message(
        self, context: AcceptedContext, message: Message, data_set: DataSource | None = None
    ) -> None:
        await super().send_message(context, message, data_set)
        if self._events.wants(EVT_DIMSE_SENT):
            whole = data_set if isinstance(data_set, bytes) else b""
            command_set = message.encode(has_data_set=data_set is not None)
            body = _message(context.id, command_set, whole[:EXCERPT], len(whole))
            self._events.notify(EVT_DIMSE_SENT, **body)


class Observer:
    """Puts together the messages that come in, beside the exchange, while somebody watches."""

    def __init__(self, events: HandlerThread) -> None:
        self._events = events
        self._assembler = Assembler()
        self._begun: MessageBegun | MessageFailed | None = None
        self._data_set = bytearray()
        self._length = 0

    def receive(self, part: PDataPart) -> None:
        try:
            for event in self._assembler.receive(part):
                self._take(event)
        except RemoteProtocolError:
            """The exchange ends the association for it."""

    def _take(self, event: Any) -> None:
        match event:
            case MessageBegun() | MessageFailed():
                self._begun, self._data_set, self._length = event, bytearray(), 0
            case DataFragment(data=data):
                self._length += len(data)
                self._data_set += data[: EXCERPT - len(self._data_set)]
            case MessageEnded() if self._begun is not None:
                begun, data_set = self._begun, bytes(self._data_set)
                body = _message(begun.context_id, begun.command_set, data_set, self._length)
                self._events.notify(EVT_DIMSE_RECV, **body)


def _message(context_id: int, command_set: bytes, data_set: bytes, length: int) -> dict[str, Any]:
    return {
        "context_id": context_id,
        "command_set": bytes(command_set),
        "data_set": data_set,
        "length": length,
        "truncated": len(data_set) < length,
    }
