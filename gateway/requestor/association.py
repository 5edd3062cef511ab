"""One association that this side asked for, over asyncio.

Theory of operation: the transport hands over what arrives; `Responses` finds the operation of each
response by its message ID, `Inbox` takes the requests that the peer makes. Messages leave one
after the other (PS3.8 annex E forbids to mix their fragments), each by the task that wants to send
it. However the association ends - a release, an abort, a lost connection, silence - `_end` is the
one place that tells everybody, once, with one sentence.

Every wait has an end: connecting, the answers to A-ASSOCIATE-RQ and A-RELEASE-RQ, the next bytes of
a response, a peer that does not read, and the end of the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, assert_never

from gateway.errors import RemoteProtocolError
from gateway.requestor.connecting import open_connection
from gateway.requestor.errors import (
    Aborted,
    AssociationError,
    Rejected,
    Released,
    SourceFailed,
    TimedOut,
)
from gateway.requestor.exchange import Exchange
from gateway.requestor.sending import encode
from gateway.transport import Transport
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
from gateway.ul.upper_layer import Side, Trace, UpperLayer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gateway.dimse.message import Message
    from gateway.requestor.incoming import Handler
    from gateway.requestor.proposal import Address, Timeouts
    from gateway.requestor.sending import DataSource, Groups
    from gateway.ul.fsm import Transition
    from gateway.ul.negotiation import AcceptedContext
    from gateway.ul.pdu import AAssociateAC, AAssociateRQ
    from gateway.ul.primitives import PduTraced, Primitive

    Tracer = Callable[[Sequence[Transition | PduTraced]], None]

_SENDING = (State.Sta6, State.Sta8)
_OVER = (State.Sta1, State.Sta13)


class Connection:
    """The life of an association, from the connection to its end; messages go out through it.

    `Association` in `gateway.requestor.services` is what users get.
    """

    def __init__(self, request: AAssociateRQ, timeouts: Timeouts, handler: Handler) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeouts = timeouts
        self._request = request
        self._machine = UpperLayer(
            Side.REQUESTOR,
            now=self._loop.time(),
            max_pdu=request.user_information.maximum_length,
            artim_timeout=timeouts.artim,
        )
        # Our own wait in `_drain` is the one that speaks; the transport's is a backstop.
        self._transport = Transport(
            self._machine, self, send_timeout=timeouts.send + 5, full_duplex=True
        )
        self._exchange = Exchange(self, self._transport, timeouts, handler)
        self._sending = asyncio.Lock()
        self._half_sent = False
        """A part of the message that is being sent has left."""
        self._established: asyncio.Future[None] = self._loop.create_future()
        self._released: asyncio.Future[None] = self._loop.create_future()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._closed = asyncio.Event()
        self._ended: AssociationError | None = None
        self._tracer: Tracer | None = None

    # what was agreed

    @property
    def accepted_contexts(self) -> Mapping[int, AcceptedContext]:
        """The accepted presentation contexts by their ID."""
        return self._machine.accepted_contexts

    @property
    def request(self) -> AAssociateRQ:
        """What was proposed."""
        return self._request

    @property
    def acceptance(self) -> AAssociateAC | None:
        """What the peer answered."""
        return self._machine.acceptance

    @property
    def local(self) -> tuple[str, int]:
        """This side's address."""
        return self._transport.local

    @property
    def remote(self) -> tuple[str, int]:
        """The peer's address."""
        return self._transport.remote

    @property
    def ended(self) -> AssociationError | None:
        """Why the association is over; None while it lives."""
        return self._ended

    @property
    def is_ended(self) -> bool:
        """Released, aborted, or lost."""
        return self._ended is not None

    @property
    def timeouts(self) -> Timeouts:
        """How long this side waits; may be set at any time."""
        return self._timeouts

    @timeouts.setter
    def timeouts(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._exchange.set_timeouts(timeouts)

    # its life

    async def connect(self, address: Address, tracer: Tracer | None = None) -> None:
        """Connect and negotiate; raises Unreachable, Rejected, Aborted or TimedOut."""
        if tracer is not None:
            self._tracer, self._machine.trace = tracer, Trace.TRANSITIONS | Trace.PDUS
        self._machine.send(AAssociateRequest(self._request), self._loop.time())
        await open_connection(address, self._transport, self._timeouts.connect)
        try:
            await self._answer_to(self._established, "A-ASSOCIATE-RQ")
        except BaseException as error:
            if not isinstance(error, AssociationError):
                self.drop("this side gave up")
            await self._leave()
            raise
        self._exchange.established()

    async def release(self) -> None:
        """A-RELEASE, then the end of the connection; raises AssociationError."""
        if self._ended is not None:
            raise self._ended
        async with self._sending:
            if self._ended is not None:
                raise self._ended
            self._machine.send(AReleaseRequest(), self._loop.time())
            self._transport.flush()
        try:
            await self._answer_to(self._released, "A-RELEASE-RQ")
        finally:
            await self._leave()

    async def abort(self) -> None:
        """A-ABORT (PS3.8 9.3.8); nothing happens on an association that has ended."""
        self._abort(Aborted("this side aborted the association"))
        await self._leave()

    def drop(self, why: str) -> None:
        """A-ABORT, and the connection is gone at once, with what still was to be sent."""
        if not self._closed.is_set():
            self._abort(Aborted(why))
            self._transport.abort()

    async def close(self) -> None:
        """Release what lives; never raises AssociationError."""
        try:
            await self.release()
        except AssociationError:
            await self._leave()

    # messages out

    async def send_message(
        self, context: AcceptedContext, message: Message, data_set: DataSource | None = None
    ) -> None:
        """Send a message, after those that others are sending; raises AssociationError.

        A data set whose source fails half way, or whose sending is cancelled, ends the association:
        half a message cannot be taken back. OSError of the source, if nothing was sent yet.
        """
        command_set = message.encode(has_data_set=data_set is not None)
        limit = self._machine.peer_max_length
        await self.send_encoded(encode(context.id, command_set, data_set, limit))

    async def send_encoded(self, groups: Groups) -> None:
        """Send the P-DATA-TF PDUs of one message, encoded for this peer's maximum length."""
        async with self._sending:
            self._half_sent = False
            try:
                await self._send_all(groups)
            except AssociationError:
                raise
            except OSError as error:
                if not self._half_sent:
                    raise
                failure = SourceFailed(f"the data set could not be read to its end: {error}")
                self._abort(failure)
                raise failure from error
            except BaseException:
                if self._half_sent:
                    self.drop("the sending of a message was given up half way")
                raise

    async def _send_all(self, groups: Groups) -> None:
        if not isinstance(groups, AsyncGenerator):
            for pdus in groups:
                await self._write(pdus)
            return
        async with aclosing(groups):
            async for pdus in groups:
                await self._write(pdus)

    async def _write(self, pdus: list[bytes]) -> None:
        if self._ended is not None:
            raise self._ended
        if self._machine.state not in _SENDING:
            raise Released("the association is being released")
        self._machine.send_pdata(pdus, self._loop.time())
        self._half_sent = True
        self._transport.flush()
        if not self._transport.is_writable:
            await self._drain()

    async def _drain(self) -> None:
        drained = self._loop.create_task(self._transport.drain())
        try:
            await asyncio.wait(
                (drained, self._over),
                timeout=self._timeouts.send,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            drained.cancel()
        if self._ended is not None:
            raise self._ended
        if not self._transport.is_writable:
            error = TimedOut(
                f"the peer did not read what it was sent for {self._timeouts.send:g} s; aborted"
            )
            self._abort(error)
            self._transport.abort()
            raise error

    # the end

    async def _answer_to(self, future: asyncio.Future[None], what: str) -> None:
        try:
            async with asyncio.timeout(self._timeouts.acse):
                await asyncio.shield(future)
        except TimeoutError:
            error = TimedOut(f"no answer to the {what} in {self._timeouts.acse:g} s; aborted")
            self._abort(error)
            raise error from None

    def _abort(self, error: AssociationError, source: int = 0, reason: int = 0) -> None:
        if self._machine.state not in _OVER:
            self._machine.send(AAbortRequest(source, reason), self._loop.time())
            self._transport.flush()
        self._end(error)

    def give_up(self, error: AssociationError) -> None:
        """Abort, because of what the error says."""
        self._abort(error)

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(self._timeouts.artim):
                await self._closed.wait()
        except TimeoutError:
            self._transport.abort()
        await self._exchange.settle()

    def _end(self, error: AssociationError) -> None:
        if self._ended is not None:
            return
        self._ended = error
        for future in (self._established, self._released):
            if not future.done():
                future.set_exception(error)
                future.exception()  # it may be that nobody waits for this one
        self._over.set_result(None)
        self._exchange.stop(error)

    # the transport's calls

    def connected(self) -> None:
        """The transport is up."""
        self._machine.send(TransportConnected(), self._loop.time())

    def primitive(self, primitive: Primitive) -> None:
        """One indication or confirmation, or a piece of data."""
        match primitive:
            case PDataPart():
                self._part(primitive)
            case AAssociateConfirmation(answer=answer):
                self._answered(answer)
            case AReleaseConfirmation():
                self._released.set_result(None)
                self._end(Released("the association was released"))
            case AReleaseIndication():
                self._release_asked()
            case AAbortIndication(source=source, reason=reason):
                self._end(Aborted.by_peer(AAbort(source, reason)))
            case APAbortIndication():
                self._end(self._lost(primitive))

    def _answered(self, answer: AAssociateAC | AAssociateRJ) -> None:
        if isinstance(answer, AAssociateRJ):
            self._end(Rejected(answer))
        else:
            self._established.set_result(None)

    def _part(self, part: PDataPart) -> None:
        try:
            self._exchange.receive(part)
        except RemoteProtocolError as error:
            failure = Aborted(f"the peer's answer made no sense: {error}; aborted")
            self._abort(failure, error.source, error.reason)

    def _release_asked(self) -> None:
        """Also in a release collision: Sta9 answers at once, Sta12 after the peer's answer."""
        if self._machine.state in (State.Sta8, State.Sta9, State.Sta12):
            self._machine.send(AReleaseResponse(), self._loop.time())
        if self._machine.state is not State.Sta11:
            self._end(Released("the peer released the association"))

    def _lost(self, abort: APAbortIndication) -> Aborted:
        match abort.origin:
            case Origin.PEER:
                return Aborted.by_peer(AAbort(2, abort.reason))
            case Origin.LOCAL:
                return Aborted(f"the peer broke the protocol: {abort.text}; aborted")
            case Origin.TRANSPORT:
                where = "in the middle of a message" if self._exchange.is_open else ""
                return Aborted(f"the peer closed the connection {where or 'without a release'}")
            case _:
                assert_never(abort.origin)

    def read_done(self) -> None:
        """What came was copied or written as it came."""

    def traced(self, records: Sequence[Transition | PduTraced]) -> None:
        """State transitions and PDUs, if somebody asked for them."""
        if self._tracer is not None:
            self._tracer(records)

    def closed(self) -> None:
        """The connection is gone."""
        self._end(Aborted("the connection was lost"))
        self._closed.set()
