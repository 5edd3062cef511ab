"""The message layer of an association in the requestor role (PS3.7): who gets what arrives.

Responses find their operation by message ID, whatever their order; several operations may be in
flight, up to the window that was negotiated (PS3.7 D.3.3.3).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

from gateway.alarm import Alarm
from gateway.dimse.assembler import (
    Assembler,
    DataFragment,
    MessageBegun,
    MessageEnded,
    MessageFailed,
)
from gateway.dimse.errors import abort
from gateway.dimse.message import CCancelRQ, DataSet, Request, Response
from gateway.dimse.operations import Invocations
from gateway.requestor.errors import Aborted, AssociationError, TimedOut
from gateway.requestor.incoming import Inbox
from gateway.requestor.operation import UNREAD, Answered, Operation
from gateway.ul.negotiation import agreed_async_ops

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.dimse.message import Message
    from gateway.requestor.incoming import Handler
    from gateway.requestor.proposal import Timeouts
    from gateway.requestor.sending import DataSource
    from gateway.transport import Transport
    from gateway.ul.negotiation import AcceptedContext
    from gateway.ul.pdu import AAssociateAC, AAssociateRQ
    from gateway.ul.primitives import PDataPart

DATA_SET_LIMIT = 64 * 1024 * 1024
"""Bytes of a response's data set; identifiers have some kilobytes."""


class Lower(Protocol):
    """The association below."""

    @property
    def accepted_contexts(self) -> Mapping[int, AcceptedContext]: ...

    @property
    def request(self) -> AAssociateRQ: ...

    @property
    def acceptance(self) -> AAssociateAC | None: ...

    @property
    def ended(self) -> AssociationError | None: ...

    async def send_message(
        self, context: AcceptedContext, message: Message, data_set: DataSource | None = None
    ) -> None: ...

    def give_up(self, error: AssociationError) -> None: ...


class Exchange:
    """Operations in flight, and requests of the peer."""

    def __init__(
        self, lower: Lower, transport: Transport, timeouts: Timeouts, handler: Handler
    ) -> None:
        self._lower = lower
        self._transport = transport
        self._timeouts = timeouts
        self._loop = asyncio.get_running_loop()
        self._assembler = Assembler()
        self._invocations = Invocations()
        self._operations: dict[int, Operation] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._inbox = Inbox(handler, lower.send_message, self._pause_requests)
        self._alarm = Alarm(self._loop, self._rang)
        self._progress = 0.0
        """When the peer was last heard of something that concerns every operation."""
        self._operation: Operation | None = None
        self._response: Response | None = None
        self._data_set: bytearray | None = None

    def established(self) -> None:
        """The association stands: take its window, watch its silence."""
        acceptance = self._lower.acceptance
        assert acceptance is not None
        self._invocations.window = agreed_async_ops(self._lower.request, acceptance)[0]
        self._progress = self._loop.time()
        self._arm()

    def set_timeouts(self, timeouts: Timeouts) -> None:
        """From now on wait for so long."""
        self._timeouts = timeouts
        if self._lower.acceptance is not None and self._lower.ended is None:
            self._alarm.set(self._due())

    @property
    def window(self) -> int:
        """Operations that may be in flight at once; 0: any number."""
        return self._invocations.window

    def next_message_id(self) -> int:
        """One that is not in flight (PS3.7 9.3.1.1: unique within the association)."""
        return self._invocations.next_message_id()

    @property
    def is_open(self) -> bool:
        """A message has begun to arrive and has not ended."""
        return self._assembler.is_open

    # requests of this side

    async def begin(self, context: AcceptedContext, request: Request) -> Operation:
        """Wait for room in the window, then put the operation in flight."""
        await self._room()
        operation = Operation(self, context, request)
        self._invocations.begin(request)
        self._operations[request.message_id] = operation
        return operation

    def sent(self, operation: Operation) -> None:
        """Its request has left: from now on the peer owes an answer."""
        operation.since = self._loop.time()
        self._arm()

    def forget(self, operation: Operation) -> None:
        """Nothing of it is in flight any more, or its request never left."""
        message_id = operation.request.message_id
        if self._operations.get(message_id) is operation:
            del self._operations[message_id]
            self._invocations.end(message_id)
            self._let_in()
            self._arm()

    async def _room(self) -> None:
        while self._lower.ended is None and self._invocations.full:
            waiter = self._loop.create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._let_in()
                raise
        if self._lower.ended is not None:
            raise self._lower.ended

    def _let_in(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    # an operation's calls

    def make_future(self) -> asyncio.Future[None]:
        """Of this association's loop."""
        return self._loop.create_future()

    def responses_taken(self, operation: Operation) -> None:
        """Somebody took a response: read on, if reading had stopped for it."""
        if operation.since is not None:
            operation.since = max(operation.since, self._transport.last_received)
        if operation.unread <= UNREAD // 2:
            self._transport.resume_reading(f"unread {operation.request.message_id}")

    def cancel_of(self, operation: Operation) -> CCancelRQ | None:
        """The C-CANCEL-RQ of an operation in flight."""
        return self._invocations.cancel(operation.request.message_id)

    async def send_cancel(self, context: AcceptedContext, request: CCancelRQ) -> None:
        """C-CANCEL goes the way of every message."""
        await self._lower.send_message(context, request)

    # what arrives

    def receive(self, part: PDataPart) -> None:
        """A piece of a PDV; raises RemoteProtocolError for what makes no sense."""
        for event in self._assembler.receive(part):
            match event:
                case DataFragment(data=data):
                    self._data(data)
                case MessageBegun():
                    self._begun(event)
                case MessageFailed(context_id=context_id, error=error):
                    self._inbox.failed(self._lower.accepted_contexts[context_id], error)
                case MessageEnded():
                    self._message_ended()

    def _begun(self, event: MessageBegun) -> None:
        context = self._lower.accepted_contexts[event.context_id]
        match event.message:
            case Response() as response:
                request = self._invocations.receive(response)
                self._operation = operation = self._operations[request.message_id]
                if operation.context.id != context.id:
                    raise abort("response on another context than its request")
                self._response = response
                wanted = event.has_data_set and response.data_set is not DataSet.NEVER
                self._data_set = bytearray() if wanted else None
            case Request() as request:
                self._inbox.begun(context, request, event.has_data_set)
            case _:
                pass  # a C-CANCEL-RQ: nothing is performed here that could be cancelled

    def _data(self, data: memoryview) -> None:
        if self._inbox.is_arriving:
            self._progress = self._loop.time()
            self._inbox.data(data)
        elif self._data_set is not None and self._operation is not None:
            if len(self._data_set) + len(data) > DATA_SET_LIMIT:
                raise abort(f"response with a data set of more than {DATA_SET_LIMIT} bytes")
            self._operation.since = self._loop.time()
            self._data_set += data

    def _message_ended(self) -> None:
        if self._inbox.is_arriving:
            self._progress = self._loop.time()
            self._inbox.ended()
            return
        operation, response, data_set = self._operation, self._response, self._data_set
        self._operation = self._response = self._data_set = None
        if operation is None or response is None:
            return
        operation.deliver(Answered(response, None if data_set is None else bytes(data_set)))
        if operation.is_over:
            self._move_up(operation)
            self.forget(operation)
        elif operation.since is not None:
            operation.since = self._loop.time()
        if operation.unread > UNREAD:
            self._transport.pause_reading(f"unread {operation.request.message_id}")

    def _move_up(self, answered: Operation) -> None:
        """A peer may perform one after the other: what came after this one waits from now on."""
        if len(self._operations) > 1:
            now, is_behind = self._loop.time(), False
            for operation in self._operations.values():
                if is_behind and operation.since is not None:
                    operation.since = now
                is_behind = is_behind or operation is answered

    def _pause_requests(self, pause: bool) -> None:
        if pause:
            self._transport.pause_reading("requests")
        else:
            self._transport.resume_reading("requests")

    # silence

    def _arm(self) -> None:
        due = self._due()
        if due is not None and (self._alarm.deadline is None or due < self._alarm.deadline):
            self._alarm.set(due)

    def _due(self) -> float | None:
        """When the peer's silence becomes too long; None: it is not the peer's turn."""
        if not self._operations:
            idle = self._timeouts.network
            return None if idle is None else max(self._heard(), self._progress) + idle
        awaited = [
            operation.since
            for operation in self._operations.values()
            if operation.since is not None and not operation.unread
        ]
        return max(min(awaited), self._progress) + self._timeouts.dimse if awaited else None

    def _heard(self) -> float:
        return self._transport.last_received

    def _rang(self) -> None:
        if self._lower.ended is not None:
            return
        due, now = self._due(), self._loop.time()
        if due is None:
            self._alarm.set(now + self._timeouts.dimse)
        elif due > now:
            self._alarm.set(due)
        elif self._operations:
            silent = min(
                (one for one in self._operations.values() if one.since is not None),
                key=lambda one: one.since or 0.0,
            )
            name = silent.request.command_field.name.replace("_", "-")
            wait = self._timeouts.dimse
            self._lower.give_up(TimedOut(f"no response to the {name} in {wait:g} s; aborted"))
        else:
            text = f"nothing happened on the association for {self._timeouts.network:g} s; aborted"
            self._lower.give_up(Aborted(text))

    # the end

    def stop(self, error: AssociationError) -> None:
        """The association is over."""
        self._alarm.stop()
        self._inbox.stop()
        operations, self._operations = list(self._operations.values()), {}
        for operation in operations:
            operation.fail(error)
        waiting, self._waiting = self._waiting, deque()
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def settle(self) -> None:
        """Wait for the answers to what came whole."""
        await self._inbox.settle()
