"""Notification events of one association, built only while somebody watches them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway import events
from gateway.association.errors import Aborted, AssociationError, Rejected, Released
from gateway.ul.fsm import Trace, Transition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from gateway.ul.pdu import PDU
    from gateway.ul.primitives import PduTraced

_PDU_TOPICS = {
    name.name
    for name in (
        events.EVT_PDU_RECV,
        events.EVT_PDU_SENT,
        events.EVT_DATA_RECV,
        events.EVT_DATA_SENT,
    )
}
_MESSAGE_TOPICS = {events.EVT_DIMSE_RECV.name, events.EVT_DIMSE_SENT.name}


def trace_wanted(topics: Collection[str]) -> Trace:
    """Return what the protocol machines must record for the topics that are watched."""
    trace = Trace.NONE
    if events.EVT_FSM_TRANSITION.name in topics:
        trace |= Trace.TRANSITIONS
    if not _PDU_TOPICS.isdisjoint(topics):
        trace |= Trace.PDUS
    return trace


class Notifications:
    """The notifications about one association; `publish` takes those that somebody watches."""

    def __init__(
        self,
        publish: Callable[[events.NotificationEvent, dict[str, Any]], None],
        watched: Collection[str],
    ) -> None:
        self.watched = watched
        self._publish = publish
        self._data_set: bytearray | None = None
        """The start of the message that is being received, up to the excerpt; None: not watched."""
        self._length = 0

    @property
    def watched(self) -> Collection[str]:
        """The names of the events that somebody watches."""
        return self._watched

    @watched.setter
    def watched(self, watched: Collection[str]) -> None:
        self._watched = watched
        self.has_messages = not _MESSAGE_TOPICS.isdisjoint(watched)
        """Somebody watches messages; an attribute, because it is checked with each of them."""

    def tell(self, event: events.NotificationEvent, **body: Any) -> None:
        if event.name in self.watched:
            self._publish(event, body)

    def ended(self, error: AssociationError) -> None:
        """Publish that the association has ended."""
        if isinstance(error, Released):
            self.tell(events.EVT_RELEASED)
        elif isinstance(error, Rejected):
            result, source, reason = (
                error.rejection.result,
                error.rejection.source,
                error.rejection.reason,
            )
            self.tell(
                events.EVT_REJECTED, result=result, source=source, reason=reason, why=error.why
            )
        else:
            source, reason = (error.source, error.reason) if isinstance(error, Aborted) else (0, 0)
            self.tell(events.EVT_ABORTED, source=source, reason=reason)

    def traced(self, records: Sequence[Transition | PduTraced]) -> None:
        for record in records:
            if isinstance(record, Transition):
                self.tell(
                    events.EVT_FSM_TRANSITION,
                    current_state=record.current_state.name,
                    fsm_event=record.fsm_event.name,
                    action=record.action.value,
                    next_state=record.next_state.name,
                )
            else:
                self._pdu(record)

    def _pdu(self, record: PduTraced) -> None:
        sent = record.sent
        body = {"length": record.length, "truncated": len(record.data) < record.length}
        self.tell(events.EVT_DATA_SENT if sent else events.EVT_DATA_RECV, data=record.data, **body)
        self.tell(events.EVT_PDU_SENT if sent else events.EVT_PDU_RECV, pdu=record.data, **body)

    def acse(self, primitive: str, kind: str, pdu: PDU | None, *, sent: bool) -> None:
        """Publish an ACSE primitive and the PDU that carried it; None: none did."""
        event = events.EVT_ACSE_SENT if sent else events.EVT_ACSE_RECV
        if event.name in self.watched:
            self.tell(event, primitive=primitive, kind=kind, pdu=pdu.encode() if pdu else b"")

    # A message that comes in is told when it is complete: its data set is gathered up to the
    # excerpt, while somebody watches.

    def begun(self) -> bool:
        """Begin an arriving message; return whether `fragment` and `received` are wanted."""
        watched = events.EVT_DIMSE_RECV.name in self.watched
        self._data_set = bytearray() if watched else None
        self._length = 0
        return watched

    def fragment(self, data: memoryview) -> None:
        if self._data_set is None:
            return
        self._length += len(data)
        if room := events.EXCERPT - len(self._data_set):
            self._data_set += data[:room]

    def received(self, context_id: int, command_set: bytes) -> None:
        if self._data_set is None:
            return
        data_set, self._data_set = bytes(self._data_set), None
        self._message(events.EVT_DIMSE_RECV, context_id, command_set, (data_set, self._length))

    def sent(self, context_id: int, command_set: bytes, data_set: object) -> None:
        """Publish a message that was sent, without a data set that was streamed."""
        if events.EVT_DIMSE_SENT.name in self.watched:
            whole = bytes(data_set) if isinstance(data_set, bytes | bytearray | memoryview) else b""
            self._message(
                events.EVT_DIMSE_SENT,
                context_id,
                command_set,
                (whole[: events.EXCERPT], len(whole)),
            )

    def _message(
        self,
        event: events.NotificationEvent,
        context_id: int,
        command_set: bytes,
        data_set: tuple[bytes, int],
    ) -> None:
        excerpt, length = data_set
        self.tell(
            event,
            context_id=context_id,
            command_set=command_set,
            data_set=excerpt,
            length=length,
            truncated=len(excerpt) < length,
        )
