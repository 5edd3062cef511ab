"""What an acceptor sends on an association: responses, and requests of its own.

Fragments of two messages must not be interleaved on an association (PS3.8 E.2). A message whose
data set is at hand goes out at once; while one whose data set is read from disk is on its way, the
others wait behind it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from gateway.dimse.fragmenter import Fragmenter, fragment
from gateway.dimse.message import CCancelRQ, CFindRQ, CGetRQ, CMoveRQ
from gateway.dimse.operations import Invocations
from gateway.dimse.status import is_pending
from gateway.errors import GatewayError
from gateway.ul.fsm import State

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable

    from gateway.acceptor.actor import AssociationActor
    from gateway.dimse.message import Message, Request, Response

MAX_RESPONSE = 1024 * 1024
"""Bytes of the data set of a response to a request of ours; the rest is thrown away."""


class AssociationEnded(GatewayError):  # noqa: N818 - a state, not only an error
    """The association is over, or about to be: nothing more can be asked of the peer."""


class Answered(NamedTuple):
    """A final response of the peer."""

    response: Response
    data_set: bytes


class Awaited(NamedTuple):
    """Who waits for the responses to a request."""

    future: asyncio.Future[Answered]
    """The final one."""
    on_pending: Callable[[Answered], None] | None
    """Called with each of the others."""


def _heard(exchange: asyncio.Task[Answered]) -> None:
    """Take notice of how it ended: nobody else does."""
    if not exchange.cancelled():
        exchange.exception()


class Reply:
    """A response of the peer while it arrives."""

    message_id = None

    def __init__(self, response: Response, awaited: Awaited | None) -> None:
        self.is_complete = False
        self._response = response
        self._awaited = awaited
        self._data_set = bytearray()

    def fragment(self, data: memoryview) -> None:
        self._data_set += data[: MAX_RESPONSE - len(self._data_set)]

    def flush(self) -> None:
        """The bytes were copied as they came."""

    def start(self) -> None:
        self.is_complete = True
        if self._awaited is None or self._awaited.future.done():
            return
        answered = Answered(self._response, bytes(self._data_set))
        if not is_pending(self._response.status):
            self._awaited.future.set_result(answered)
        elif self._awaited.on_pending is not None:
            self._awaited.on_pending(answered)

    def cancel(self) -> None:
        """Nobody cancels a response."""

    def discard(self) -> None:
        self.is_complete = True


class Outgoing:
    """The sending side of one association."""

    def __init__(self, actor: AssociationActor) -> None:
        self._actor = actor
        self._invocations = Invocations()
        self._awaited: dict[int, Awaited] = {}
        self._behind: deque[tuple[int, bytes, bytes | None]] | None = None
        """Messages that wait for the end of a stream; None: no stream is on its way."""
        self._turn = asyncio.Lock()
        self._reply: Reply | None = None

    def send(self, context_id: int, message: Message, data_set: bytes | None = None) -> None:
        """Send a message whole; one that comes after the association's end is dropped."""
        command_set = message.encode(has_data_set=data_set is not None)
        if self._behind is not None:
            self._behind.append((context_id, command_set, data_set))
        else:
            self._put(context_id, command_set, data_set)

    async def request(
        self,
        context_id: int,
        request: Request,
        data_set: AsyncIterable[bytes] | bytes | None = None,
        *,
        on_pending: Callable[[Answered], None] | None = None,
    ) -> Answered:
        """Send a request and wait for its final response, in turn with other requests.

        Raises AssociationEnded, and TimeoutError if the peer says nothing within the DIMSE
        timeout: the association is aborted. Who is cancelled waits no longer, but what was begun
        is finished: the peer is asked to stop (C-CANCEL), and its final response is awaited.
        """
        exchange = asyncio.get_running_loop().create_task(
            self._exchange(context_id, request, data_set, on_pending)
        )
        try:
            return await asyncio.shield(exchange)
        except asyncio.CancelledError:
            if request.message_id not in self._awaited:
                exchange.cancel()  # its turn has not come
            elif isinstance(request, CFindRQ | CGetRQ | CMoveRQ):
                self.send(context_id, CCancelRQ(request.message_id))
            exchange.add_done_callback(_heard)
            raise

    async def _exchange(
        self,
        context_id: int,
        request: Request,
        data_set: AsyncIterable[bytes] | bytes | None,
        on_pending: Callable[[Answered], None] | None,
    ) -> Answered:
        async with self._turn:
            future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
            self._must_be_open()
            self._invocations.begin(request)
            self._awaited[request.message_id] = Awaited(future, on_pending)
            try:
                if data_set is None or isinstance(data_set, bytes):
                    self.send(context_id, request, data_set)
                else:
                    await self._stream(context_id, request, data_set)
                return await self._wait(future)
            finally:
                self._awaited.pop(request.message_id, None)
                self._invocations.end(request.message_id)
                self._actor.settle()

    @property
    def is_idle(self) -> bool:
        """No request of ours waits for its response."""
        return not self._awaited

    def next_message_id(self) -> int:
        """One that no request of ours has in flight."""
        return self._invocations.next_message_id()

    def receive(self, response: Response) -> Reply:
        """A response begins; raises RemoteProtocolError for one that nobody waits for."""
        self._invocations.receive(response)
        awaited = self._awaited.get(response.message_id_being_responded_to)
        self._reply = Reply(response, awaited)
        return self._reply

    def stop(self) -> None:
        """The association is over."""
        self._behind = None
        for future, _ in self._awaited.values():
            if not future.done():
                future.set_exception(AssociationEnded("the association ended"))
                future.exception()  # its waiter may have been cancelled

    # the wire

    def _must_be_open(self) -> None:
        if self._actor.association.state is not State.Sta6:
            raise AssociationEnded("the association ended")

    def _put(self, context_id: int, command_set: bytes, data_set: bytes | None) -> None:
        association = self._actor.association
        if association.state not in (State.Sta6, State.Sta8):
            return
        pdus = list(fragment(context_id, command_set, data_set, association.peer_max_length))
        self._write(pdus)
        self._actor.notifier.sent(context_id, command_set, data_set)

    def _write(self, pdus: list[bytes]) -> None:
        self._actor.association.send_pdata(pdus, asyncio.get_running_loop().time())
        self._actor.transport.flush()

    async def _stream(
        self, context_id: int, request: Request, data_set: AsyncIterable[bytes]
    ) -> None:
        command_set = request.encode(has_data_set=True)
        fragmenter = Fragmenter(context_id, command_set, self._actor.association.peer_max_length)
        self._must_be_open()
        self._behind = deque()
        try:
            async for data in data_set:
                self._must_be_open()
                self._write(list(fragmenter.feed(data)))
                await self._actor.transport.drain()
            self._must_be_open()
            self._write(list(fragmenter.finish()))
        except OSError:
            # Half a message is on the wire: it can neither be finished nor taken back.
            self._actor.abort()
            raise AssociationEnded("a file could not be read to its end") from None
        finally:
            behind, self._behind = self._behind or (), None
            for message in behind:
                self._put(*message)
        self._actor.notifier.sent(context_id, command_set, None)

    async def _wait(self, future: asyncio.Future[Answered]) -> Answered:
        """The response; while bytes of it arrive, the timeout begins anew."""
        actor = self._actor
        limit = actor.house.settings.association.dimse_timeout
        while True:
            heard = actor.transport.last_received
            try:
                async with asyncio.timeout(limit):
                    return await asyncio.shield(future)
            except TimeoutError:
                receiving = self._reply is not None and not self._reply.is_complete
                if not (receiving and actor.transport.last_received > heard):
                    actor.abort()
                    raise
