"""Requests that the peer makes on an association of ours.

That is C-STORE as a sub-operation of C-GET (PS3.4 C.4.3), N-EVENT-REPORT, and whatever role
selection allows. A handler decides at the command set; the data set streams into a receiver of its
choice while it arrives; the response follows when the receiver is through with it. Responses leave
in the order of the requests.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from gateway.dimse import status as codes
from gateway.dimse.message import Request, error_response
from gateway.dimse.services import check_request
from gateway.errors import DimseError
from gateway.requestor.errors import AssociationError

if TYPE_CHECKING:
    from gateway.dimse.errors import MessageError
    from gateway.dimse.message import Response
    from gateway.ul.negotiation import AcceptedContext

log = logging.getLogger("gateway.requestor")

WAITING = 16
"""Requests that are complete and not yet answered; with more, nothing is read from the peer."""

COLLECTED = 16 * 1024 * 1024
"""Bytes of a data set that `Collect` holds at the most."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request is answered with."""

    status: int
    data_set: bytes | None = None
    """Encoded in the transfer syntax of the context."""
    elements: Mapping[str, Any] = field(default_factory=dict)
    """Further command elements by their keywords, such as ErrorComment."""


@dataclass(frozen=True, slots=True)
class IncomingRequest:
    """A request as its command set tells it."""

    context: AcceptedContext
    request: Request
    has_data_set: bool


class Receiver(Protocol):
    """Takes the data set of one request, piece by piece."""

    def write(self, data: memoryview) -> None:
        """The view dies when this returns; an OSError becomes the status A700."""

    async def finish(self) -> int | Reply:
        """All of it came: the status to answer with."""

    def discard(self) -> None:
        """The rest will never come, or is not wanted."""


Handler = Callable[[IncomingRequest], Receiver | Reply | int]
"""Called at the command set: a receiver, or the answer if the data set is not wanted."""


def refuse(incoming: IncomingRequest) -> int:  # noqa: ARG001 - a handler's signature
    """The handler of associations that have none."""
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


@dataclass(slots=True)
class _Pending:
    """One request on its way to its answer: it has a receiver, or a response already."""

    context: AcceptedContext
    request: Request | None = None
    receiver: Receiver | None = None
    response: Response | None = None
    data_set: bytes | None = None
    """Of the response."""

    def reply(self, reply: Reply | int) -> None:
        assert self.request is not None
        reply = Reply(reply) if isinstance(reply, int) else reply
        self.response = self.request.response(reply.status, reply.elements)
        self.data_set, self.receiver = reply.data_set, None


class Inbox:
    """The requests of one association's peer, and the task that answers them.

    `send` sends a response; `pause` is told whether reading is to stop.
    """

    def __init__(
        self,
        handler: Handler,
        send: Callable[[AcceptedContext, Response, bytes | None], Awaitable[None]],
        pause: Callable[[bool], None],
    ) -> None:
        self._handler = handler
        self._send = send
        self._pause = pause
        self._arriving: _Pending | None = None
        self._complete: deque[_Pending] = deque()
        self._task: asyncio.Task[None] | None = None

    def begun(self, context: AcceptedContext, request: Request, has_data_set: bool) -> None:
        """The command set of a request came."""
        self._arriving = pending = _Pending(context, request)
        decision = self._decide(IncomingRequest(context, request, has_data_set))
        if isinstance(decision, Reply | int):
            pending.reply(decision)
        else:
            pending.receiver = decision

    def failed(self, context: AcceptedContext, error: MessageError) -> None:
        """A request came that can only be refused."""
        self._arriving = _Pending(context, response=error_response(error))

    def data(self, data: memoryview) -> None:
        """A piece of its data set."""
        pending = self._arriving
        if pending is None or pending.receiver is None:
            return
        try:
            pending.receiver.write(data)
        except OSError as error:
            log.warning("data set of an incoming request not kept: %s", error)
            self._discard(pending, codes.OUT_OF_RESOURCES)
        except Exception:
            log.exception("the receiver of an incoming request failed")
            self._discard(pending, codes.PROCESSING_FAILURE)

    def ended(self) -> None:
        """The request is complete; its answer follows."""
        if self._arriving is None:
            return
        self._complete.append(self._arriving)
        self._arriving = None
        if len(self._complete) > WAITING:
            self._pause(True)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._answer_all())

    @property
    def is_arriving(self) -> bool:
        """A request has begun and has not ended."""
        return self._arriving is not None

    def stop(self) -> None:
        """The association is over: what is incomplete stays so."""
        pending, self._arriving = self._arriving, None
        if pending is not None:
            self._discard(pending, codes.PROCESSING_FAILURE)

    def _discard(self, pending: _Pending, status: int) -> None:
        if pending.receiver is None:
            return
        try:
            pending.receiver.discard()
        except Exception:
            log.exception("the receiver of an incoming request failed")
        pending.reply(status)

    async def settle(self) -> None:
        """Wait until every complete request had its answer, or was given up."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def _decide(self, incoming: IncomingRequest) -> Receiver | Reply | int:
        context = incoming.context
        try:
            check_request(
                incoming.request,
                context.abstract_syntax,
                has_data_set=incoming.has_data_set,
                as_scu=context.as_scu,
                as_scp=context.as_scp,
            )
            return self._handler(incoming)
        except DimseError as error:
            return Reply(error.status, elements={"ErrorComment": str(error)[:64]})
        except Exception:
            log.exception("the handler of an incoming request failed")
            return codes.PROCESSING_FAILURE

    async def _answer_all(self) -> None:
        heard = True
        try:
            while self._complete:
                pending = self._complete.popleft()
                if pending.receiver is not None:
                    pending.reply(await _finish(pending.receiver))
                self._pause(len(self._complete) > WAITING)
                if heard and pending.response is not None:
                    heard = await self._respond(pending, pending.response)
        finally:
            self._task = None

    async def _respond(self, pending: _Pending, response: Response) -> bool:
        """Send it; False: nobody hears it, yet what came whole is worth keeping all the same."""
        try:
            await self._send(pending.context, response, pending.data_set)
        except AssociationError:
            return False
        return True


async def _finish(receiver: Receiver) -> Reply | int:
    try:
        return await receiver.finish()
    except OSError as error:
        log.warning("data set of an incoming request not kept: %s", error)
        return codes.OUT_OF_RESOURCES
    except Exception:
        log.exception("the receiver of an incoming request failed")
        return codes.PROCESSING_FAILURE
