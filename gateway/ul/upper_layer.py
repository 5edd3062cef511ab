"""The upper layer protocol machine of one association (PS3.8), without I/O.

The owner of the transport connection passes in what it reads (`receive_data`, or a few primitives
at a time by `receive_some`; `receive_eof`), calls `handle_deadline` at the `deadline`, writes the
`bytes_to_send`, and obeys `closing`. Each input is an event of Table 9-10. The action in its cell
returns effects, and `_perform` is the only place where effects happen.

Indications and confirmations go to `deliver`, one at a time, before the next byte is processed. So
the user can respond in that call (by `send` and `send_pdata`), and the outcome does not depend on
which PDUs arrive in one read: if the user aborts because of a message, an A-RELEASE-RQ after it
finds the machine in Sta13, whether it is in the same segment or comes a second later. A user that
does not set `deliver` takes them from a queue by `next_primitive`.

Nothing that a peer sends raises an exception here: it becomes an A-P-ABORT indication, and an
A-ABORT to send.
"""

from __future__ import annotations

from collections import deque
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, assert_never

from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.ul import primitives as p
from gateway.ul.actions import ACTIONS, Artim, Issue, Send
from gateway.ul.agreement import accepted_contexts
from gateway.ul.encoding import UNEXPECTED_PDU
from gateway.ul.event_tables import PDU_EVENTS, REQUEST_EVENTS
from gateway.ul.framing import EXCERPT, Framer, Mark
from gateway.ul.fsm import TABLE, Action, Closing, FsmEvent, Side, State, Trace, Transition
from gateway.ul.negotiation import AcceptedContext
from gateway.ul.pdu import (
    PDU,
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    PDataTF,
    decode_pdu,
    pdu_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["AcceptedContext", "Closing", "Side", "Trace", "UpperLayer"]

_FEW = range(4)
"""Pieces of PDVs that `receive_some` processes at most."""
_PIECE = 2048
"""Bytes that it processes at most if they are anything else."""

_DATA_EVENT = TABLE[FsmEvent.Evt10]
_RECEIVES_DATA = (Action.DT_2, Action.AR_6)
_ABORTS = (Action.AA_1, Action.AA_7, Action.AA_8)
_LEARNS = (Action.AE_3, Action.AE_4, Action.AE_6)
_DATA_STATES = (State.Sta6, State.Sta7)
_DATA_TRANSFER = State.Sta6
"""The member itself: to look one up in its enumeration takes as long as a call."""


class UpperLayer:
    """The protocol machine of one association, of either side.

    An ACCEPTOR is created for an incoming transport connection, and starts in Sta2 with ARTIM
    running. A REQUESTOR starts in Sta1: `send` an AAssociateRequest, connect, then `send`
    TransportConnected (or call `receive_eof` if the connection failed).

    Arguments:
        now: The time in seconds, of the clock that all calls use.
        max_pdu: The largest P-DATA-TF PDU to receive in bytes; 0: no limit.
        artim_timeout: Seconds until ARTIM expires.
    """

    def __init__(
        self,
        side: Side,
        *,
        now: float,
        max_pdu: int,
        artim_timeout: float,
        trace: Trace = Trace.NONE,
    ) -> None:
        self.side = side
        self.state = State.Sta1
        self.deadline: float | None = None
        """The time at which ARTIM expires; None while it is stopped."""
        self.closing = Closing.NO
        self.has_news = False
        """Output, `deadline` or `closing` may have changed since the last `bytes_to_send`."""
        self.request: AAssociateRQ | None = None
        """As sent or received."""
        self.acceptance: AAssociateAC | None = None
        """As sent or received."""
        self.rejection: AAssociateRJ | None = None
        """As sent or received; AE-6 sends one without an indication."""
        self.error: RemoteProtocolError | None = None
        """The first protocol error of the peer; in Sta2 there is no indication for it."""
        self.peer_max_length = 0
        """The largest P-DATA-TF PDU that the peer receives; 0: no limit."""
        self.accepted_contexts: Mapping[int, AcceptedContext] = MappingProxyType({})
        self._artim_timeout = artim_timeout
        self._framer = Framer(max_pdu)
        self.take_whole: Callable[[memoryview, int], int] | None = None
        """Takes a whole message at a position of a read in Sta6, while nothing is traced, and
        returns the position behind it; or leaves all as it is, and returns the same position."""
        self._primitives: deque[p.Primitive] = deque()
        self.deliver: Callable[[p.Primitive], None] = self._primitives.append
        """Takes each indication or confirmation as it arises; by default a queue does."""
        self._output: list[bytes | memoryview] = []
        self.trace = trace
        self._records: list[Transition | p.PduTraced] = []
        if side is Side.ACCEPTOR:
            self._process(FsmEvent.Evt5, None, now)

    # For the owner of the transport connection

    def receive_data(self, data: bytes | bytearray | memoryview, now: float) -> None:
        """Process bytes from the peer; the views in earlier primitives become invalid."""
        view, position = memoryview(data), 0
        while position < len(view):
            position = self.receive_some(view, position, now)

    def receive_some(self, view: memoryview, position: int, now: float) -> int:
        """Process the next few primitives; return the position after them.

        The first loop is for what nearly every read of an established association brings: pieces
        of PDVs. All else goes through the framer's units.
        """
        take_whole, framer = self.take_whole, self._framer
        if take_whole is not None and self.state is _DATA_TRANSFER and not self.is_traced:
            after = position if framer.is_open else take_whole(view, position)
            if after > position:
                return after
        deliver, take_part, begin, end = self.deliver, framer.take_part, position, len(view)
        for _ in _FEW:
            if position == end or self.state is not _DATA_TRANSFER or self.is_traced:
                break
            position, part = take_part(view, position)
            if part is None:
                break
            deliver(part)
        if position > begin:
            return position
        position = min(begin + _PIECE, end)
        self._receive_units(view[begin:position], now)
        return position

    def _receive_units(self, view: memoryview, now: float) -> None:
        held: list[p.PDataPart] = []  # a traced PDU is recorded before its parts are delivered
        for unit in self._framer.receive(view):
            if isinstance(unit, p.PDataPart):
                if self.is_traced:
                    held.append(unit)
                else:
                    self.deliver(unit)
                continue
            if unit is Mark.DATA_ENDS or isinstance(unit, RemoteProtocolError):
                self._record_data()
            self._deliver_held(held)
            if isinstance(unit, bytes):
                self._pdu_received(unit, now)
            elif isinstance(unit, RemoteProtocolError):
                self._bad_pdu(unit, now)
            elif unit is Mark.DATA_BEGINS and (self.state is not State.Sta6 or self.is_traced):
                self._data_begins(now)
        self._deliver_held(held)

    def _deliver_held(self, parts: list[p.PDataPart]) -> None:
        for part in parts:
            self.deliver(part)
        parts.clear()

    @property
    def max_pdu(self) -> int:
        """The largest P-DATA-TF PDU that this side receives; 0: no limit."""
        return self._framer.max_pdu

    @property
    def unfinished(self) -> int:
        """The bytes that are stored of a PDU whose rest has not come."""
        return self._framer.stored

    @property
    def is_receiving(self) -> bool:
        """Whether a PDU has begun and has not ended."""
        return self._framer.is_open

    def receive_eof(self, now: float) -> None:
        """Process the end of the transport connection: closed, reset, or not established."""
        if self.state is not State.Sta1:
            self._process(FsmEvent.Evt17, None, now)

    def handle_deadline(self, now: float) -> None:
        """Let ARTIM expire if `deadline` has passed."""
        if self.deadline is not None and now >= self.deadline:
            self._process(FsmEvent.Evt18, None, now)

    def bytes_to_send(self) -> list[bytes | memoryview]:
        """Return the bytes to write, in order, and forget them."""
        self.has_news = False
        output, self._output = self._output, []
        return output

    # For the user of the service

    def next_primitive(self) -> p.Primitive | None:
        """Return the oldest queued indication or confirmation; None if there is none."""
        return self._primitives.popleft() if self._primitives else None

    def send(self, primitive: p.Request, now: float) -> None:
        """Perform a request or response.

        Raises:
            LocalProtocolError: the state does not allow it (a blank cell of Table 9-10).
        """
        cause: p.Request | AAssociateRQ | None = primitive
        event = REQUEST_EVENTS[type(primitive)]
        self._action(event)
        match primitive:
            case p.AAssociateRequest(request):
                self.request = request
            case p.TransportConnected():
                cause = self.request
        self._process(event, cause, now)

    def send_pdata(self, pdu: bytes | list[bytes], now: float) -> None:  # noqa: ARG002 - as send
        """Send P-DATA-TF PDUs, encoded by the caller.

        Raises:
            LocalProtocolError: the state is neither Sta6 nor Sta8.
        """
        if self.state is not _DATA_TRANSFER or self.is_traced:
            action = self._action(FsmEvent.Evt9)
        pdus = [pdu] if isinstance(pdu, bytes) else pdu
        self._output += pdus
        self.has_news = True
        if self.is_traced:
            for data in pdus:
                self._record_transition(FsmEvent.Evt9, action, self.state)
                self._record_pdu(data, sent=True)

    def send_pieces(self, pieces: list[bytes | memoryview]) -> None:
        """Send P-DATA-TF PDUs of which headers and data are pieces; only while nothing is traced.

        Raises:
            LocalProtocolError: the state is neither Sta6 nor Sta8.
        """
        if self.state is not _DATA_TRANSFER:
            self._action(FsmEvent.Evt9)
        self._output += pieces
        self.has_news = True

    # Traces

    @property
    def trace(self) -> Trace:
        """The records to make."""
        return self._trace

    @trace.setter
    def trace(self, trace: Trace) -> None:
        self._trace = trace
        self.is_traced = trace is not Trace.NONE
        """Whether anything is recorded; an attribute, because it is checked with every read."""
        self._framer.tracing = Trace.PDUS in trace

    def take_trace(self) -> list[Transition | p.PduTraced]:
        """Return what was recorded since the last call."""
        records, self._records = self._records, []
        return records

    # The machine

    def _action(self, event: FsmEvent) -> Action:
        action = TABLE[event].get(self.state)
        if action is None:
            raise LocalProtocolError(f"{event} has no action in {self.state}")
        return action

    def _process(self, event: FsmEvent, cause: Any, now: float) -> None:
        self.has_news = True
        action = self._action(event)
        next_state, effects = ACTIONS[action](cause, self.side)
        self._record_transition(event, action, next_state)
        if action in _LEARNS:
            self._learn(cause, sent=False)
        issued: list[p.Primitive] = []
        for effect in effects:
            if isinstance(effect, Issue):
                issued.append(effect.primitive)
            else:
                self._perform(effect, now)
        self.state = next_state
        if next_state is State.Sta1:
            self._framer.stop()
        elif next_state not in _DATA_STATES:
            self._framer.skip()
        # Last, because the user may answer from within.
        for primitive in issued:
            self.deliver(primitive)

    def _perform(self, effect: Send | Artim | Closing, now: float) -> None:
        match effect:
            case Send(pdu):
                self._send(pdu)
            case Artim.START:
                self.deadline = now + self._artim_timeout
            case Artim.STOP:
                self.deadline = None
            case Closing():
                self.closing = effect
            case _:
                assert_never(effect)

    def _send(self, pdu: PDU) -> None:
        data = pdu.encode()
        self._learn(pdu, sent=True)
        self._output.append(data)
        self._record_pdu(data, sent=True)

    def _data_begins(self, now: float) -> None:
        action = _DATA_EVENT.get(self.state)
        if action not in _RECEIVES_DATA:
            self._record_data()
            self._remote_event(FsmEvent.Evt10, None, PDataTF.kind, now)
        elif self.is_traced:
            self._record_transition(FsmEvent.Evt10, action, self.state)

    def _pdu_received(self, data: bytes, now: float) -> None:
        self._record_pdu(data, sent=False)
        try:
            pdu = decode_pdu(data)
        except RemoteProtocolError as error:
            self._bad_pdu(error, now)
            return
        self._remote_event(PDU_EVENTS[type(pdu)], pdu, pdu.kind, now)

    def _remote_event(self, event: FsmEvent, pdu: PDU | None, kind: int, now: float) -> None:
        """Process a valid PDU; if Table 9-10 asks for an A-ABORT, it is in the wrong state."""
        cause: PDU | RemoteProtocolError | None = pdu
        if self._action(event) in _ABORTS:
            text = f"{pdu_name(kind)} in {self.state}"
            cause = RemoteProtocolError(text, source=2, reason=UNEXPECTED_PDU)
            self.error = self.error or cause
        self._process(event, cause, now)

    def _bad_pdu(self, error: RemoteProtocolError, now: float) -> None:
        already_closing = self.state is State.Sta13
        # Without its traceback, whose frames refer to the bytes that were read.
        self.error = self.error or error.with_traceback(None)
        self._process(FsmEvent.Evt19, error, now)
        if already_closing:
            # After two invalid PDUs the stream is assumed not to consist of PDUs.
            self._framer.stop()

    def _learn(self, pdu: PDU, *, sent: bool) -> None:
        """Store what later PDUs depend on."""
        match pdu:
            case AAssociateRQ():
                self.request = pdu
                self._learn_maximum_length(pdu.user_information.maximum_length, sent=sent)
            case AAssociateAC():
                self.acceptance = pdu
                self._learn_maximum_length(pdu.user_information.maximum_length, sent=sent)
                if self.request is not None:
                    contexts = accepted_contexts(self.request, pdu, self.side)
                    self.accepted_contexts = self._framer.contexts = MappingProxyType(contexts)
            case AAssociateRJ():
                self.rejection = pdu

    def _learn_maximum_length(self, length: int, *, sent: bool) -> None:
        if sent:
            self._framer.max_pdu = length
        else:
            self.peer_max_length = length

    def _record_transition(self, event: FsmEvent, action: Action, next_state: State) -> None:
        if Trace.TRANSITIONS in self._trace:
            self._records.append(Transition(self.state, event, action, next_state))

    def _record_pdu(self, data: bytes, *, sent: bool, length: int | None = None) -> None:
        if Trace.PDUS in self._trace:
            length = len(data) if length is None else length
            self._records.append(p.PduTraced(sent, data[0], data[:EXCERPT], length))

    def _record_data(self) -> None:
        """Record the P-DATA-TF that the framer has read, or the beginning of an invalid one."""
        if excerpt := bytes(self._framer.excerpt):
            self._record_pdu(excerpt, sent=False, length=self._framer.length)
