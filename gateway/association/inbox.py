"""The requests of the peer: received one after the other, performed within the window.

What becomes of a request is decided at its command set (`Port.receive`); its data set goes there
while it arrives. What must be refused is still received, in bounded memory, and the response
follows its last fragment: a peer that writes before it reads would otherwise wait for this side
while this side waits for it.

Reading goes on while requests are performed, so that an A-ABORT, a C-CANCEL or a reset is seen. It
pauses only when a further data set finds the queue full.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Protocol

from gateway.association.message_counts import UNKNOWN
from gateway.dimse.assembler import Assembler, DataFragment, MessageEnded, MessageFailed
from gateway.dimse.command_elements import RESPONSE
from gateway.dimse.message import CCancelRQ, Request, Response, UnrecognizedRSP, error_response
from gateway.dimse.operations import Operations
from gateway.dimse.services import check_request
from gateway.errors import DimseError
from gateway.ul.fsm import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.association.message_counts import MessageCounts
    from gateway.association.notify import Notifications
    from gateway.association.operations_in_flight import OperationsInFlight
    from gateway.association.outbox import Outbox
    from gateway.association.port import PeerRequest, Port
    from gateway.association.transport import Transport
    from gateway.dimse.assembler import MessageBegun
    from gateway.log import AssociationName
    from gateway.ul.primitives import PDataPart
    from gateway.ul.upper_layer import UpperLayer

log = logging.getLogger("gateway.association")

_DATA_TRANSFER = State.Sta6

QUEUE = 8
"""Requests that wait for room in the window, until reading pauses at a further data set."""
COMMANDS = 256
"""Requests that wait, until reading pauses at any further request."""


class Receiving(Protocol):
    """The part of the engine that the inbox uses."""

    counts: MessageCounts
    port: Port
    upper: UpperLayer
    transport: Transport
    notifications: Notifications
    in_flight: OperationsInFlight
    outbox: Outbox

    @property
    def name(self) -> AssociationName: ...

    def settle(self) -> None: ...

    def fail(self) -> None: ...


class Prepared:
    """A request whose response follows from its command set; a data set is discarded."""

    arrived = 0.0

    def __init__(
        self, inbox: Inbox, message_id: int | None, context_id: int, response: Response
    ) -> None:
        self.message_id = message_id
        self._inbox = inbox
        self._context_id = context_id
        self._response = response

    def fragment(self, data: memoryview) -> None:
        """Discard it."""

    def read_done(self) -> None:
        """Nothing was kept."""

    def perform(self) -> None:
        self._inbox.respond(self._context_id, self._response)
        response = self._response
        is_known = not isinstance(response, UnrecognizedRSP)
        command = response.command_field & ~RESPONSE if is_known else UNKNOWN
        self._inbox.finished(self, command, response.status)

    def cancel(self) -> None:
        """Do nothing: it is answered at once anyway."""

    def discard(self) -> None:
        """Nothing was kept."""

    def stop(self) -> None:
        """Nothing was kept."""


class Inbox:
    """The requests of the peer of one association."""

    def __init__(self, engine: Receiving) -> None:
        self.window = 1
        """Operations performed at the same time (PS3.7 D.3.3.3)."""
        self.takes_reports = False
        """Take N-EVENT-REPORTs in either role, as an AE does whose contexts name no role."""
        self.begun = 0
        """The number of messages that have begun so far."""
        self.refused = 0
        """Requests that were refused at their command set, without asking the port."""
        self.progress = 0.0
        """The loop's time at which the last piece of a request arrived."""
        self._engine = engine
        self._operations = Operations()
        self._assembler = Assembler()
        self._arriving: PeerRequest | None = None
        self._header: tuple[int, bytes] | None = None
        """Context and command set of the arriving message, while somebody watches."""
        self._waiting: deque[PeerRequest] = deque()
        self._running: dict[PeerRequest, None] = {}
        self._is_starting = False

    @property
    def is_receiving(self) -> bool:
        """Whether a message has begun and has not ended."""
        return self._assembler.is_open

    @property
    def is_idle(self) -> bool:
        """Whether nothing is arriving, waiting or being performed."""
        return not (self._running or self._waiting or self._assembler.is_open)

    @property
    def running(self) -> Iterable[PeerRequest]:
        """The requests that are being performed."""
        return self._running

    # what arrives

    def receive(self, part: PDataPart) -> None:
        """Take a piece of a PDV; raise RemoteProtocolError for an error that requires an abort."""
        if self._assembler.takes_data(part):
            if part.data:
                self._fragment(part.data)
            if part.last:
                self._ended()
            return
        for event in self._assembler.receive(part):
            kind = type(event)
            if kind is DataFragment:
                self._fragment(event.data)  # type: ignore[union-attr]
            elif kind is MessageEnded:
                self._ended()
            else:
                self._begun(event)  # type: ignore[arg-type]

    def has_room_for(self, message_id: int) -> bool:
        """Return whether a request with this message ID can be performed at once."""
        return (
            len(self._running) < self.window
            and not self._waiting
            and not self._assembler.is_open
            and message_id not in self._operations
        )

    def begin_whole(self, request: PeerRequest, message_id: int) -> None:
        """Take a request that is complete and performed already; only while `has_room_for` it."""
        self.begun += 1
        self.progress = self._engine.transport.last_received
        self._operations.add(message_id)
        self._running[request] = None

    def begin_parts(self, request: PeerRequest, message_id: int, context_id: int) -> None:
        """Take a request whose data set is to come; only while `has_room_for` it."""
        self.begun += 1
        self._operations.add(message_id)
        self._assembler.begin_data_set(context_id)
        self._arriving, self._header = request, None

    def read_done(self) -> None:
        """Take note that the views of what was read are about to become invalid."""
        if self._arriving is not None:
            self._arriving.read_done()
            if self._arriving.message_id is not None:
                self.progress = self._engine.transport.last_received

    def _fragment(self, data: memoryview) -> None:
        if self._header is not None:
            self._engine.notifications.fragment(data)
        if self._arriving is not None:
            self._arriving.fragment(data)

    def _begun(self, begun: MessageBegun | MessageFailed) -> None:
        self.begun += 1
        watched = self._engine.notifications.begun()
        self._header = (begun.context_id, begun.command_set) if watched else None
        if isinstance(begun, MessageFailed):
            self._arriving = self._refuse_undecodable(begun)
        elif isinstance(begun.message, Request):
            self._arriving = self._decide(begun, begun.message)
        elif isinstance(begun.message, Response):
            context = self._engine.upper.accepted_contexts[begun.context_id]
            self._arriving = self._engine.in_flight.receive(context, begun)
        elif isinstance(begun.message, CCancelRQ):
            self._cancel(begun.message.message_id_being_responded_to)
        if len(self._waiting) >= (QUEUE if begun.has_data_set else COMMANDS):
            self._engine.transport.pause_reading("queue")

    def _decide(self, begun: MessageBegun, request: Request) -> PeerRequest:
        """Decide on a message; every outcome ends in one final response."""
        context = self._engine.upper.accepted_contexts[begun.context_id]
        message_id = None
        try:
            check_request(
                request,
                context.abstract_syntax,
                has_data_set=begun.has_data_set,
                as_scu=context.as_scu or self.takes_reports,
                as_scp=context.as_scp,
            )
            self._operations.begin(request)
            message_id = request.message_id
            return self._engine.port.receive(context, begun)
        except DimseError as error:
            name = request.command_field.name.replace("_", "-")
            log.warning(
                "association=%s %s refused status=0x%04X: %s",
                *(self._engine.name, name, error.status, error),
            )
            self.refused += 1
            response = request.response(error.status, error_comment=str(error))
            return Prepared(self, message_id, context.id, response)

    def _refuse_undecodable(self, failed: MessageFailed) -> Prepared:
        """Refuse a request whose command set is wrong, but can be answered."""
        error = failed.error
        self.refused += 1
        log.warning(
            "association=%s request refused status=0x%04X: %s",
            *(self._engine.name, error.status, error),
        )
        return Prepared(self, None, failed.context_id, error_response(error))

    def _cancel(self, message_id: int) -> None:
        """Handle a C-CANCEL-RQ, which has no response and may come too late (PS3.7 9.3.2.3)."""
        for request in (*self._waiting, *self._running):
            if request.message_id == message_id:
                request.cancel()

    def _ended(self) -> None:
        if self._header is not None:
            self._engine.notifications.received(*self._header)
        request, self._arriving = self._arriving, None
        if request is None:
            return
        if request.message_id is None:  # it takes no part in the window
            request.perform()
            return
        self.progress = request.arrived = self._engine.transport.last_received
        self._waiting.append(request)
        self._start()

    # what is performed

    def _start(self) -> None:
        """Perform waiting requests, as far as the window has room."""
        if self._is_starting:
            return
        self._is_starting = True
        waiting, running = self._waiting, self._running
        try:
            while waiting and len(running) < self.window:
                request = waiting.popleft()
                running[request] = None
                request.perform()
        except Exception:
            # Nobody knows whether a response was sent: only an abort is correct.
            log.exception("association=%s an operation failed", self._engine.name)
            self._engine.fail()
        finally:
            self._is_starting = False

    def finished(self, request: PeerRequest, command: int, status: int) -> None:
        """Take note that the final response to a request was sent, with its command field."""
        engine = self._engine
        engine.counts.performed[command, status] += 1
        if request not in self._running:
            return
        del self._running[request]
        if request.message_id is not None:
            self._operations.end(request.message_id)
        if self._waiting:
            self._start()
        if engine.transport.is_paused and len(self._waiting) < QUEUE:
            engine.transport.resume_reading("queue")
        if engine.upper.state is not _DATA_TRANSFER:  # otherwise no release waits for it
            engine.settle()

    def respond(self, context_id: int, response: Response, data_set: bytes | None = None) -> None:
        """Send a response; once the association has ended, it is dropped."""
        self._engine.outbox.send(context_id, response, data_set)

    # the end

    def drop_unfinished(self) -> None:
        """Discard the message that the peer began and will not complete."""
        self._assembler = Assembler()
        request, self._arriving = self._arriving, None
        if request is not None:
            request.discard()

    def release(self) -> None:
        """Handle a request for release: cancel queries and retrievals, finish all others."""
        self.drop_unfinished()
        for request in (*self._waiting, *self._running):
            request.cancel()

    def stop(self) -> None:
        """Stop all requests: the association has ended, and nothing can be answered any more."""
        self.drop_unfinished()
        left = (*self._waiting, *self._running)
        self._waiting.clear()
        self._running.clear()
        for request in left:
            request.stop()
