"""One association that this side asked for, over asyncio.

Responses find their request by message ID, so several operations may be in flight where the peer
accepted a window for them. Every wait has an end: connecting, the answer to A-ASSOCIATE-RQ and
A-RELEASE-RQ (the ACSE timeout), and the next bytes of a response (the DIMSE timeout).
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from gateway.dimse.assembler import (
    Assembler,
    DataFragment,
    MessageBegun,
    MessageEnded,
    MessageFailed,
)
from gateway.dimse.fragmenter import fragment
from gateway.dimse.message import Response
from gateway.dimse.operations import Invocations
from gateway.dimse.status import is_pending
from gateway.errors import RemoteProtocolError
from gateway.requestor.errors import Aborted, AssociationError, Rejected, TimedOut, Unreachable
from gateway.transport import Transport
from gateway.ul.association import Association as UpperLayer
from gateway.ul.association import Side
from gateway.ul.fsm import State
from gateway.ul.pdu import AAbort, AAssociateRJ
from gateway.ul.primitives import (
    AAbortIndication,
    AAbortRequest,
    AAssociateConfirmation,
    AAssociateRequest,
    APAbortIndication,
    AReleaseConfirmation,
    AReleaseIndication,
    AReleaseRequest,
    AReleaseResponse,
    Origin,
    PDataPart,
    TransportConnected,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from gateway.dimse.message import Request
    from gateway.ul.fsm import Transition
    from gateway.ul.negotiation import AcceptedContext
    from gateway.ul.pdu import AAssociateRQ
    from gateway.ul.primitives import PduTraced, Primitive


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for the peer, in seconds."""

    connect: float = 30.0
    acse: float = 30.0
    dimse: float = 30.0
    artim: float = 30.0

    @classmethod
    def all(cls, seconds: float) -> Timeouts:
        return cls(seconds, seconds, seconds, seconds)


@dataclass(frozen=True, slots=True)
class Answered:
    """A response and its data set, if it has one."""

    response: Response
    data_set: bytes | None


class Association:
    """An association in the requestor role; made by `associate`."""

    def __init__(self, timeouts: Timeouts, max_pdu: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeouts = timeouts
        self._machine = UpperLayer(
            Side.REQUESTOR,
            now=self._loop.time(),
            max_pdu=max_pdu,
            artim_timeout=timeouts.artim,
        )
        self._transport = Transport(self._machine, self, send_timeout=timeouts.dimse)
        self._assembler = Assembler()
        self._response: Response | None = None
        self._data_set: bytearray | None = None
        self._invocations = Invocations()
        self._answers: dict[int, asyncio.Queue[Answered | AssociationError]] = {}
        self._established: asyncio.Future[None] = self._loop.create_future()
        self._released: asyncio.Future[None] = self._loop.create_future()
        self._closed = asyncio.Event()
        self._ended: AssociationError | None = None

    @property
    def accepted_contexts(self) -> dict[int, AcceptedContext]:
        return dict(self._machine.accepted_contexts)

    @property
    def is_ended(self) -> bool:
        """Released, aborted, or lost."""
        return self._ended is not None

    def context_for(self, abstract_syntax: str) -> AcceptedContext | None:
        """An accepted context of that abstract syntax, if there is one."""
        for context in self._machine.accepted_contexts.values():
            if context.abstract_syntax == abstract_syntax:
                return context
        return None

    async def _associate(self, host: str, port: int, request: AAssociateRQ) -> None:
        self._machine.send(AAssociateRequest(request), self._loop.time())
        try:
            async with asyncio.timeout(self._timeouts.connect):
                await self._loop.create_connection(lambda: self._transport, host, port)
        except TimeoutError:
            raise Unreachable(
                f"{host}:{port} did not take a connection in {self._timeouts.connect:g} s"
            ) from None
        except OSError as error:
            raise Unreachable(f"no connection to {host}:{port}: {_reason(error)}") from None
        await self._wait(self._established, "A-ASSOCIATE-RQ")

    async def release(self) -> None:
        """A-RELEASE, then the end of the connection; raises AssociationError."""
        if self._ended is not None:
            raise self._ended
        self._machine.send(AReleaseRequest(), self._loop.time())
        self._transport.flush()
        await self._wait(self._released, "A-RELEASE-RQ")
        await self._leave()

    async def abort(self) -> None:
        """A-ABORT (PS3.8 9.3.8); nothing happens on an association that has ended."""
        self._abort()
        await self._leave()

    async def request(
        self, context: AcceptedContext, request: Request, data_set: bytes | None = None
    ) -> AsyncIterator[Answered]:
        """Send a request and yield its responses up to the final one.

        Raises TimedOut when the next response does not come within the DIMSE timeout (the
        association is aborted then), and Aborted when the association ends.
        """
        if self._ended is not None:
            raise self._ended
        answers: asyncio.Queue[Answered | AssociationError] = asyncio.Queue()
        self._invocations.begin(request)
        self._answers[request.message_id] = answers
        try:
            await self._send(context, request, data_set)
            while True:
                answered = await self._next(answers, type(request).__name__)
                yield answered
                if not is_pending(answered.response.status):
                    return
        finally:
            del self._answers[request.message_id]
            self._invocations.end(request.message_id)

    def next_message_id(self) -> int:
        """One that is not in flight (PS3.7 9.3.1.1: unique within the association)."""
        return self._invocations.next_message_id()

    async def _send(
        self, context: AcceptedContext, request: Request, data_set: bytes | None
    ) -> None:
        command_set = request.encode(has_data_set=data_set is not None)
        for pdu in fragment(context.id, command_set, data_set, self._machine.peer_max_length):
            self._machine.send_pdata(pdu, self._loop.time())
            self._transport.flush()
            await self._transport.drain()
            if self._ended is not None:
                raise self._ended

    async def _next(
        self, answers: asyncio.Queue[Answered | AssociationError], what: str
    ) -> Answered:
        while True:
            heard = self._transport.last_received
            try:
                async with asyncio.timeout(self._timeouts.dimse):
                    answer = await answers.get()
            except TimeoutError:
                if self._transport.last_received > heard:
                    continue  # a long response is on its way
                self._abort()
                raise TimedOut(
                    f"no response to the {what} in {self._timeouts.dimse:g} s; aborted"
                ) from None
            if isinstance(answer, AssociationError):
                raise answer
            return answer

    async def _wait(self, future: asyncio.Future[None], what: str) -> None:
        try:
            async with asyncio.timeout(self._timeouts.acse):
                await asyncio.shield(future)
        except TimeoutError:
            self._abort()
            raise TimedOut(
                f"no answer to the {what} in {self._timeouts.acse:g} s; aborted"
            ) from None

    def _abort(self) -> None:
        if self._machine.state not in (State.Sta1, State.Sta13):
            self._machine.send(AAbortRequest(), self._loop.time())
            self._transport.flush()
        self._end(Aborted("this side aborted the association"))

    async def _leave(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeouts.artim):
                await self._closed.wait()

    def _end(self, error: AssociationError) -> None:
        if self._ended is not None:
            return
        self._ended = error
        for future in (self._established, self._released):
            if not future.done():
                future.set_exception(error)
                future.exception()  # it may be that nobody waits for this one
        for answers in self._answers.values():
            answers.put_nowait(error)

    # the transport's calls

    def connected(self) -> None:
        self._machine.send(TransportConnected(), self._loop.time())

    def primitive(self, primitive: Primitive) -> None:
        match primitive:
            case PDataPart():
                self._part(primitive)
            case AAssociateConfirmation(answer=AAssociateRJ() as rejection):
                self._end(Rejected(rejection))
            case AAssociateConfirmation():
                self._established.set_result(None)
            case AReleaseConfirmation():
                self._released.set_result(None)
                self._end(Aborted("the association was released"))
            case AReleaseIndication():
                self._release_asked()
            case AAbortIndication(source=source, reason=reason):
                self._end(Aborted.by_peer(AAbort(source, reason)))
            case APAbortIndication():
                self._end(_lost(primitive))

    def _release_asked(self) -> None:
        """Also in a release collision: Sta9 answers at once, Sta12 after the peer's answer."""
        if self._machine.state in (State.Sta8, State.Sta9, State.Sta12):
            self._machine.send(AReleaseResponse(), self._loop.time())
        if self._machine.state is not State.Sta11:
            self._end(Aborted("the peer released the association"))

    def read_done(self) -> None:
        """Data sets of responses were copied as they came."""

    def traced(self, records: Sequence[Transition | PduTraced]) -> None:
        """Nobody traces here."""

    def closed(self) -> None:
        self._end(Aborted("the peer closed the connection"))
        self._closed.set()

    # responses

    def _part(self, part: PDataPart) -> None:
        try:
            for event in self._assembler.receive(part):
                self._event(event)
        except RemoteProtocolError as error:
            if self._machine.state not in (State.Sta1, State.Sta13):
                self._machine.send(AAbortRequest(error.source, error.reason), self._loop.time())
            self._end(Aborted(f"the peer's answer made no sense: {error}; aborted"))

    def _event(self, event: DataFragment | MessageBegun | MessageEnded | MessageFailed) -> None:
        match event:
            case DataFragment(data=data):
                if self._data_set is not None:
                    self._data_set += data
            case MessageBegun(message=Response() as message, has_data_set=has_data_set):
                self._response = message
                self._data_set = bytearray() if has_data_set else None
            case MessageEnded():
                self._complete()
            case _:
                raise RemoteProtocolError("a request where a response was due", source=0)

    def _complete(self) -> None:
        response, data_set = self._response, self._data_set
        self._response = self._data_set = None
        if response is None:
            return
        request = self._invocations.receive(response)
        answered = Answered(response, bytes(data_set) if data_set is not None else None)
        self._answers[request.message_id].put_nowait(answered)


async def associate(
    host: str,
    port: int,
    request: AAssociateRQ,
    *,
    timeouts: Timeouts | None = None,
) -> Association:
    """Connect and negotiate; raises Unreachable, Rejected, Aborted or TimedOut."""
    association = Association(timeouts or Timeouts(), request.user_information.maximum_length)
    await association._associate(host, port, request)
    return association


def _lost(abort: APAbortIndication) -> Aborted:
    match abort.origin:
        case Origin.PEER:
            return Aborted.by_peer(AAbort(2, abort.reason))
        case Origin.LOCAL:
            return Aborted(f"the peer broke the protocol: {abort.text}; aborted")
        case Origin.TRANSPORT:
            return Aborted("the peer closed the connection without a release")
        case _:
            assert_never(abort.origin)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
