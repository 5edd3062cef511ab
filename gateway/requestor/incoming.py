"""Requests of the peer on an association that this side asked for.

That is C-STORE as a sub-operation of C-GET (PS3.4 C.4.3), N-EVENT-REPORT, and whatever role
selection allows. A handler decides at the command set; the data set streams into a receiver of its
choice while it arrives; the response follows when the receiver has finished. Requests are performed
one after the other, so responses leave in the order of the requests.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from gateway.dimse import status as codes
from gateway.dimse.message import Request
from gateway.errors import DimseError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from gateway.association.inbox import Inbox
    from gateway.dimse.assembler import MessageBegun
    from gateway.ul.negotiation import AcceptedContext

log = logging.getLogger("gateway.requestor")

COLLECTED = 16 * 1024 * 1024
"""Bytes of a data set that `Collect` holds at most."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The response to a request."""

    status: int
    data_set: bytes | None = None
    """Encoded in the transfer syntax of the context."""
    elements: Mapping[str, Any] = field(default_factory=dict)
    """Further command elements by their keywords, such as ErrorComment."""


@dataclass(frozen=True, slots=True)
class IncomingRequest:
    """A request as its command set describes it."""

    context: AcceptedContext
    request: Request
    has_data_set: bool


class Receiver(Protocol):
    """Takes the data set of one request, piece by piece."""

    def write(self, data: memoryview) -> None:
        """Take a piece, whose view is valid until this returns; an OSError becomes status A700."""

    async def finish(self) -> int | Reply:
        """Return the status of the response to the complete request."""

    def discard(self) -> None:
        """Discard the data set: the rest will never come, or is not wanted."""


Handler = Callable[[IncomingRequest], Receiver | Reply | int]
"""Called at the command set: a receiver, or the answer if the data set is not wanted."""


def refuse(incoming: IncomingRequest) -> int:  # noqa: ARG001 - a handler's signature
    """Refuse any request: the handler of associations without one."""
    return codes.UNRECOGNIZED_OPERATION


class Collect:
    """A receiver that holds the data set of a small request, such as N-EVENT-REPORT, in memory."""

    def __init__(self, answer: Callable[[bytes], int | Reply | Awaitable[int | Reply]]) -> None:
        self._answer = answer
        self._data = bytearray()

    def write(self, data: memoryview) -> None:
        if len(self._data) + len(data) > COLLECTED:
            raise OSError(f"a data set of more than {COLLECTED} bytes")
        self._data += data

    async def finish(self) -> int | Reply:
        answer = self._answer(bytes(self._data))
        return await answer if inspect.isawaitable(answer) else answer

    def discard(self) -> None:
        self._data.clear()


class IncomingRequests:
    """Asks the handler of one association, and keeps track of busy receivers."""

    def __init__(self, handler: Handler, inbox: Inbox) -> None:
        self._handler = handler
        self._inbox = inbox
        self._finishing: set[asyncio.Task[None]] = set()

    def receive(self, context: AcceptedContext, begun: MessageBegun) -> HandledRequest:
        """Return the object that handles a request, by the decision of the handler."""
        request = begun.message
        assert isinstance(request, Request)
        decision: Receiver | Reply | int
        try:
            decision = self._handler(IncomingRequest(context, request, begun.has_data_set))
        except DimseError:
            raise
        except OSError as error:
            log.warning("data set of an incoming request not kept: %s", error)
            decision = codes.OUT_OF_RESOURCES
        except Exception:  # a caller's handler may raise anything
            log.exception("the handler of an incoming request failed")
            decision = codes.PROCESSING_FAILURE
        return HandledRequest(self, context, request, decision)

    def respond(self, handled: HandledRequest, reply: Reply | int) -> None:
        """Send the response to a request; once the association has ended, it is dropped."""
        reply = Reply(reply) if isinstance(reply, int) else reply
        response = handled.request.response(reply.status, reply.elements)
        self._inbox.respond(handled.context.id, response, reply.data_set)
        self._inbox.finished(handled, handled.request.command_field, reply.status)

    def start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    async def settle(self) -> None:
        """Wait until every receiver with a complete data set has finished."""
        while self._finishing:
            await asyncio.wait(self._finishing)


class HandledRequest:
    """A request without a response so far: it has a receiver, or a reply already."""

    arrived = 0.0

    def __init__(
        self,
        owner: IncomingRequests,
        context: AcceptedContext,
        request: Request,
        decision: Receiver | Reply | int,
    ) -> None:
        self.context = context
        self.request = request
        self.message_id: int | None = request.message_id
        self._owner = owner
        self._reply: Reply | int = codes.PROCESSING_FAILURE
        self._receiver: Receiver | None = None
        if isinstance(decision, Reply | int):
            self._reply = decision
        else:
            self._receiver = decision

    def fragment(self, data: memoryview) -> None:
        if self._receiver is None:
            return
        try:
            self._receiver.write(data)
        except OSError as error:
            log.warning("data set of an incoming request not kept: %s", error)
            self._give_up(codes.OUT_OF_RESOURCES)
        except Exception:  # a caller's receiver may raise anything
            log.exception("the receiver of an incoming request failed")
            self._give_up(codes.PROCESSING_FAILURE)

    def read_done(self) -> None:
        """Do nothing: a receiver keeps no views."""

    def perform(self) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is None:
            self._owner.respond(self, self._reply)
        else:
            self._owner.start(self._finish(receiver))

    async def _finish(self, receiver: Receiver) -> None:
        reply: Reply | int
        try:
            reply = await receiver.finish()
        except OSError as error:
            log.warning("data set of an incoming request not kept: %s", error)
            reply = codes.OUT_OF_RESOURCES
        except Exception:  # a caller's receiver may raise anything
            log.exception("the receiver of an incoming request failed")
            reply = codes.PROCESSING_FAILURE
        self._owner.respond(self, reply)

    def cancel(self) -> None:
        """Do nothing: a receiver is not told of a C-CANCEL."""

    def discard(self) -> None:
        self._give_up(codes.PROCESSING_FAILURE)

    def stop(self) -> None:
        """Keep what was received completely, although no response can be sent any more."""
        self.perform()

    def _give_up(self, status: int) -> None:
        receiver, self._receiver = self._receiver, None
        self._reply = status
        if receiver is None:
            return
        try:
            receiver.discard()
        except Exception:  # a caller's receiver may raise anything
            log.exception("the receiver of an incoming request failed")
