"""The requests of this side that have no final response yet (PS3.7 9, 10).

Responses find their operation by message ID, whatever their order; several operations may be in
flight, up to the window that was negotiated (PS3.7 D.3.3.3).

C-STOREs of short data sets, of which a retrieval has hundreds, take a short way (`plain_requests`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from gateway.association.operation import Operation, ReceivedResponse
from gateway.association.plain_requests import PlainRequests
from gateway.dimse.errors import abort
from gateway.dimse.message import CStoreRQ, CStoreRSP, DataSet, Response
from gateway.dimse.operations import Invocations

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.association.errors import AssociationError
    from gateway.association.operation import Answered
    from gateway.association.outbox import DataSource, Groups
    from gateway.association.plain_requests import RequestingEngine
    from gateway.dimse.assembler import MessageBegun
    from gateway.dimse.message import Request
    from gateway.ul.negotiation import AcceptedContext

UNREAD = 256
"""Responses that may wait to be taken; beyond that nothing is read from the peer."""

UNREAD_BYTES = 16 * 1024 * 1024
"""Bytes of their data sets, likewise."""

AT_ONCE = 1024 * 1024
"""Bytes of a data set at most that leaves in one go, if there is room; longer ones take turns."""

DATA_SET_LIMIT = 64 * 1024 * 1024
"""Bytes of a response's data set at most; identifiers have a few kilobytes."""


class ArrivingResponse:
    """A response of the peer that is still arriving."""

    message_id = None
    arrived = 0.0

    def __init__(
        self, owner: OperationsInFlight, operation: Operation, begun: MessageBegun
    ) -> None:
        assert isinstance(begun.message, Response)
        self._owner = owner
        self._operation = operation
        self._response = begun.message
        wanted = begun.has_data_set and begun.message.data_set is not DataSet.NEVER
        self._data_set = bytearray() if wanted else None

    def fragment(self, data: memoryview) -> None:
        if self._data_set is None:
            return
        if len(self._data_set) + len(data) > DATA_SET_LIMIT:
            raise abort(f"response with a data set of more than {DATA_SET_LIMIT} bytes")
        self._owner.heard(self._operation)
        self._data_set += data

    def read_done(self) -> None:
        """Do nothing: the bytes were copied on arrival."""

    def perform(self) -> None:
        data_set = None if self._data_set is None else bytes(self._data_set)
        self._owner.deliver(self._operation, ReceivedResponse(self._response, data_set))

    def cancel(self) -> None:
        """Do nothing: a response cannot be cancelled."""

    def discard(self) -> None:
        """Do nothing: no data is kept outside of this object."""

    def stop(self) -> None:
        """Do nothing: a complete response is handed over at once."""


class OperationsInFlight:
    """The operations of one association, and those that wait for room in its window."""

    def __init__(self, engine: RequestingEngine) -> None:
        self._engine = engine
        self._transport = engine.transport
        self._outbox = engine.outbox
        self._counts = engine.counts
        self._loop = asyncio.get_running_loop()
        self._invocations = Invocations()
        self._operations: dict[int, Operation] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._plain = PlainRequests(engine, self)
        self._ended: AssociationError | None = None

    @property
    def window(self) -> int:
        """Operations that may be in flight at once; 0: any number."""
        return self._invocations.window

    @window.setter
    def window(self, window: int) -> None:
        self._invocations.window = window

    def next_message_id(self) -> int:
        """Return an ID that is not in flight (PS3.7 9.3.1.1: unique within the association)."""
        return self._invocations.next_message_id()

    def __len__(self) -> int:
        return len(self._operations)

    def longest_silent(self) -> Operation | None:
        """Return the operation of which the peer was heard least recently.

        None if it is not the peer's turn: requests are still leaving, or responses were not taken.
        """
        awaited = (o for o in self._operations.values() if o.since is not None and not o.unread)
        return min(awaited, key=lambda operation: operation.since or 0.0, default=None)

    # requests

    async def invoke(
        self, context: AcceptedContext, request: Request, data_set: DataSource | None = None
    ) -> Operation:
        """Send a request once the window has room; return the operation, which has its responses.

        Raises AssociationError, or OSError if the data set cannot be read at all.
        """
        if isinstance(data_set, bytes | bytearray) and len(data_set) <= AT_ONCE and self._has_room:
            return self._invoke_at_once(context, request, data_set)
        return await self._invoke(
            context, request, partial(self._outbox.send_message, context.id, request, data_set)
        )

    def invoke_now(
        self,
        context: AcceptedContext,
        request: CStoreRQ,
        data_set: bytes | bytearray,
        answered: Answered,
    ) -> bool:
        """Send a C-STORE-RQ in this turn of the loop, if there is room for it.

        Returns whether it was sent. `answered` is then called with the status in the turn in which
        the response arrives, or with the error if the association ends: no task waits. Raises
        LocalProtocolError for a request that cannot be encoded.
        """
        if len(data_set) > AT_ONCE or not self._has_room:
            return False
        plain = self._plain.send(context, request, data_set)
        operation = plain or self._invoke_at_once(context, request, data_set)
        operation.answered = answered
        self._plain.expect(operation, request)
        return True

    @property
    def _has_room(self) -> bool:
        """Whether a request can leave in this turn of the loop."""
        is_first = self._ended is None and not self._waiting and not self._invocations.full
        return is_first and self._outbox.is_free

    def _invoke_at_once(
        self, context: AcceptedContext, request: Request, data_set: bytes | bytearray
    ) -> Operation:
        """Send a request whole, without a wait for anything."""
        command_set = request.encode(has_data_set=True)
        operation = self.put_in_flight(context, request)
        self._outbox.send_command_set(context.id, command_set, data_set)
        operation.since = self._loop.time()
        return operation

    async def invoke_encoded(
        self, context: AcceptedContext, request: Request, groups: Groups
    ) -> Operation:
        """Send a request whose P-DATA-TF PDUs are encoded already, for this peer's limit.

        They come in groups, each of which is one write.
        """
        return await self._invoke(context, request, partial(self._outbox.send_encoded, groups))

    async def _invoke(
        self, context: AcceptedContext, request: Request, send: Callable[[], Awaitable[None]]
    ) -> Operation:
        operation = await self._begin(context, request)
        try:
            await send()
        except BaseException:
            self.forget(operation)
            raise
        operation.since = self._loop.time()  # from now on the peer owes an answer
        return operation

    async def _begin(self, context: AcceptedContext, request: Request) -> Operation:
        """Wait for room in the window, then put the operation in flight.

        Raises AssociationError once the association has ended.
        """
        while self._ended is None and self._invocations.full:
            await self._room()
        if self._ended is not None:
            raise self._ended
        return self.put_in_flight(context, request)

    def put_in_flight(self, context: AcceptedContext, request: Request) -> Operation:
        operation = Operation(self, context, request)
        self._invocations.begin(request)
        self._operations[request.message_id] = operation
        return operation

    def forget(self, operation: Operation) -> None:
        """Remove an operation that has ended, or whose request was never sent."""
        message_id = operation.request.message_id
        if self._operations.get(message_id) is operation:
            del self._operations[message_id]
            self._invocations.end(message_id)
            if operation.expected:
                self._plain.forget(operation)
            self._let_in()
            self._engine.settle()

    async def _room(self) -> None:
        waiter = self._loop.create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._let_in()
            raise

    def _let_in(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    # an operation's calls

    def responses_taken(self, operation: Operation) -> None:
        """Take note that a response was taken: resume reading if it had paused for that."""
        if operation.since is not None:
            operation.since = max(operation.since, self._transport.last_received)
        few = operation.unread <= UNREAD // 2 and operation.unread_bytes <= UNREAD_BYTES // 2
        if few and self._transport.is_paused:
            self._transport.resume_reading(f"unread {operation.request.message_id}")

    def send_cancel(self, operation: Operation) -> None:
        """Send the C-CANCEL-RQ of an operation that is in flight."""
        request = self._invocations.cancel(operation.request.message_id)
        if request is not None:
            self._outbox.send(operation.context.id, request)

    # responses

    def receive(self, context: AcceptedContext, begun: MessageBegun) -> ArrivingResponse:
        """Begin a response; raise RemoteProtocolError if no operation in flight expects it."""
        assert isinstance(begun.message, Response)
        request = self._invocations.receive(begun.message)
        operation = self._operations[request.message_id]
        if operation.context.id != context.id:
            raise abort("response on another context than its request")
        if operation.answered is not None and isinstance(begun.message, CStoreRSP):
            assert isinstance(request, CStoreRQ)
            self._plain.learn(request, begun.message, begun.command_set)
        return ArrivingResponse(self, operation, begun)

    def succeeded(self, operation: Operation) -> None:
        """Take the only response of an operation, of success; in Sta6."""
        operation.is_over = True
        self._move_up(operation)
        message_id = operation.request.message_id
        del self._operations[message_id]
        self._invocations.end(message_id)
        if self._waiting:
            self._let_in()

    def heard(self, operation: Operation) -> None:
        operation.since = self._loop.time()

    def deliver(self, operation: Operation, received: ReceivedResponse) -> None:
        """Hand a complete response to its operation."""
        operation.deliver(received)
        if operation.is_over:
            self._counts.invoked[operation.request.command_field, received.status] += 1
            self._move_up(operation)
            self.forget(operation)
            if operation.answered is not None:
                operation.answered(received.status)
        elif operation.since is not None:
            operation.since = self._loop.time()
        if operation.unread > UNREAD or operation.unread_bytes > UNREAD_BYTES:
            self._transport.pause_reading(f"unread {operation.request.message_id}")

    def _move_up(self, answered: Operation) -> None:
        """Restart the wait of later operations: a peer may perform one after the other."""
        if len(self._operations) > 1:
            now, is_behind = self._loop.time(), False
            for operation in self._operations.values():
                if is_behind and operation.since is not None:
                    operation.since = now
                is_behind = is_behind or operation is answered

    def stop(self, error: AssociationError) -> None:
        """End all operations: the association has ended."""
        self._ended = error
        self._plain.stop()
        operations, self._operations = list(self._operations.values()), {}
        for operation in operations:
            operation.fail(error)
        waiting, self._waiting = self._waiting, deque()
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
