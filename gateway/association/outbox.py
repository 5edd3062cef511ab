"""Messages out, one after the other: fragments of two must not be mixed (PS3.8 annex E).

`send` puts a message out whole, in the caller's turn: responses, and whatever has its data set at
hand. `send_message` is for data sets that come in parts - from a file, a generator, another
association - and waits for a peer that reads slowly; what `send` is given meanwhile leaves right
behind it. Memory depends on the parts, never on the data set.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

from gateway.association.errors import AssociationError, Released, SourceFailed
from gateway.dimse.fragmenter import CHUNK, Fragmenter, fragment, pieces
from gateway.ul.fsm import State

if TYPE_CHECKING:
    from gateway.association.notify import Notifications
    from gateway.association.transport import Transport
    from gateway.dimse.message import Message
    from gateway.ul.upper_layer import UpperLayer

Bytes = bytes | bytearray | memoryview
Whole = bytes | bytearray
"""A data set that is at hand; it must not change any more."""
DataSource = Bytes | Iterable[Bytes] | AsyncIterable[Bytes]
Groups = Iterable[list[bytes]] | AsyncGenerator[list[bytes], None]
"""Groups of P-DATA-TF PDUs, each of about 1 MiB unless a part is longer."""


UNCOPIED = 32 * 1024
"""Bytes of a data set above which it is written from where it is, and not copied into PDUs."""
_DATA_TRANSFER = State.Sta6


class MessageSender(Protocol):
    """The part of the engine that the outbox uses."""

    upper: UpperLayer
    transport: Transport
    notifications: Notifications
    ended: AssociationError | None

    def abort(self, error: AssociationError) -> None: ...

    def drop(self, why: str) -> None: ...


class Outbox:
    """The sending side of one association."""

    def __init__(self, engine: MessageSender) -> None:
        self.turn = asyncio.Lock()
        """Held while a message is being sent."""
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._behind: deque[tuple[int, bytes, Whole | None]] | None = None
        """Messages that wait for the end of a streamed one; None: none is being sent."""
        self._half_sent = False
        """Whether a part of the message that is being sent has left."""

    def send(self, context_id: int, message: Message, data_set: bytes | None = None) -> None:
        """Send a message whole; once the association has ended, it is dropped."""
        self.send_command_set(context_id, message.encode(data_set is not None), data_set)

    def send_command_set(
        self, context_id: int, command_set: bytes, data_set: Whole | None = None
    ) -> None:
        """Send a message whose command set is encoded already, as `send` does."""
        if self._behind is not None:
            self._behind.append((context_id, command_set, data_set))
        elif self._put(context_id, command_set, data_set):
            self._engine.transport.flush()
            self._engine.notifications.sent(context_id, command_set, data_set)

    def send_soon(self, context_id: int, command_set: bytes, data_set: Whole | None = None) -> None:
        """Send a message as `send_command_set` does, at the end of this turn of the loop.

        Many short messages of a turn are one write to the socket then.
        """
        if self._behind is not None:
            self._behind.append((context_id, command_set, data_set))
        elif self._put(context_id, command_set, data_set):
            transport = self._engine.transport
            if self._engine.upper.is_traced:
                transport.flush()
            else:
                transport.flush_soon()
            self._engine.notifications.sent(context_id, command_set, data_set)

    @property
    def is_streaming(self) -> bool:
        """Whether a message that comes in parts is being sent, and others leave behind it."""
        return self._behind is not None

    @property
    def is_free(self) -> bool:
        """Whether a message can leave at once, and is not dropped."""
        engine = self._engine
        return (
            not self.turn.locked()
            and engine.upper.state is _DATA_TRANSFER
            and engine.transport.is_writable
        )

    def _put(self, context_id: int, command_set: bytes, data_set: Whole | None) -> bool:
        """Hand a message to the upper layer; return False if the association has ended."""
        engine = self._engine
        upper = engine.upper
        if upper.state is not _DATA_TRANSFER and upper.state is not State.Sta8:
            return False
        limit = upper.peer_max_length
        if data_set is not None and len(data_set) > UNCOPIED and not upper.is_traced:
            upper.send_pieces(pieces(context_id, command_set, data_set, limit))
        else:
            pdus = list(fragment(context_id, command_set, data_set, limit))
            upper.send_pdata(pdus, self._loop.time())
        return True

    async def send_message(
        self, context_id: int, message: Message, data_set: DataSource | None = None
    ) -> None:
        """Send a message after those that are being sent already; raise AssociationError.

        A data set whose source fails half way, or whose sending is cancelled, ends the association:
        half a message cannot be taken back. OSError of the source, if nothing was sent yet.
        """
        command_set = message.encode(data_set is not None)
        limit = self._engine.upper.peer_max_length
        await self.send_encoded(encode(context_id, command_set, data_set, limit))
        self._engine.notifications.sent(context_id, command_set, data_set)

    async def send_encoded(self, groups: Groups) -> None:
        """Send the P-DATA-TF PDUs of one message, encoded for this peer's maximum length."""
        async with self.turn:
            if self._engine.ended is None and self._engine.upper.state is not State.Sta6:
                raise Released("the association is being released")
            self._half_sent, self._behind = False, deque()
            try:
                await self._send_all(groups)
            except AssociationError:
                raise
            except OSError as error:
                if not self._half_sent:
                    raise
                failure = SourceFailed(f"the data set could not be read to its end: {error}")
                self._engine.abort(failure)
                raise failure from error
            except BaseException:
                if self._half_sent:
                    self._engine.drop("the sending of a message was cancelled half way")
                raise
            finally:
                behind, self._behind = self._behind, None
                for waiting in behind:
                    self.send_command_set(*waiting)

    async def _send_all(self, groups: Groups) -> None:
        if not isinstance(groups, AsyncGenerator):
            for pdus in groups:
                await self._write(pdus)
            return
        async with aclosing(groups):
            async for pdus in groups:
                await self._write(pdus)

    async def _write(self, pdus: list[bytes]) -> None:
        engine = self._engine
        if engine.ended is not None:
            raise engine.ended
        if engine.upper.state not in (State.Sta6, State.Sta8):
            raise Released("the association is being released")
        engine.upper.send_pdata(pdus, self._loop.time())
        self._half_sent = True
        engine.transport.flush()
        if not engine.transport.is_writable:
            await engine.transport.drain()
            if engine.ended is not None:
                raise engine.ended


def encode(
    context_id: int, command_set: bytes, data_set: DataSource | None, max_length: int
) -> Groups:
    """Return an iterator over the PDUs of a message, encoded one by one."""
    if data_set is None or isinstance(data_set, bytes | bytearray | memoryview):
        return grouped(fragment(context_id, command_set, data_set, max_length))
    fragmenter = Fragmenter(context_id, command_set, max_length)
    if isinstance(data_set, AsyncIterable):
        return _encode_async(fragmenter, data_set)
    return _encode(fragmenter, data_set)


def _encode(fragmenter: Fragmenter, parts: Iterable[Bytes]) -> Iterator[list[bytes]]:
    for part in parts:
        yield from grouped(fragmenter.feed(part))
    yield list(fragmenter.finish())


async def _encode_async(
    fragmenter: Fragmenter, parts: AsyncIterable[Bytes]
) -> AsyncGenerator[list[bytes], None]:
    iterator = aiter(parts)
    try:
        async for part in iterator:
            for group in grouped(fragmenter.feed(part)):
                yield group
        yield list(fragmenter.finish())
    finally:
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()  # close a file now, not when it is garbage-collected


def grouped(pdus: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield PDUs in groups: one write to the socket is cheaper than many."""
    group: list[bytes] = []
    size = 0
    for pdu in pdus:
        group.append(pdu)
        size += len(pdu)
        if size >= CHUNK:
            yield group
            group, size = [], 0
    if group:
        yield group
