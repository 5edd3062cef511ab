"""Engines whose transports are joined in memory, and a role that records what it is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from gateway.association.engine import AssociationEngine
from gateway.association.timers import Timeouts
from gateway.requestor import Proposal
from gateway.ul.fsm import Side
from gateway.ul.negotiation import Answers, Policy, negotiate
from tests.peers import wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.association.errors import AssociationError
    from gateway.association.transport import Transport

FIND = "1.2.840.10008.5.1.4.1.2.1.1"
GET = "1.2.840.10008.5.1.4.1.2.1.3"
CLASSES = (wire.VERIFICATION, wire.CT, FIND, GET)
POLICY = Policy("YOU", dict.fromkeys(CLASSES, (wire.IMPLICIT, wire.EXPLICIT)), max_pdu=16384)
PROPOSAL = Proposal(
    tuple((uid, (wire.IMPLICIT,)) for uid in CLASSES),
    "ME",
    "YOU",
    max_pdu=16384,
    roles=dict.fromkeys(CLASSES, (True, True)),
)


class End:
    """An asyncio transport in memory; `carry` takes what is written."""

    def __init__(self, protocol: Transport, carry: Callable[[bytes], None]) -> None:
        self.protocol = protocol
        self.written = bytearray()
        self.unread = bytearray()
        """What the peer wrote, while reading is paused."""
        self.is_closed = self.is_paused = False
        self.peer: End | None = None
        self._carry = carry
        self._chunk = 0

    def open(self) -> None:
        self.protocol.connection_made(self)  # type: ignore[arg-type]

    def write(self, data: bytes) -> None:
        self.written += data
        self._carry(bytes(data))

    def feed(self, data: bytes, chunk: int = 1 << 20) -> None:
        """Deliver what the peer wrote, in reads of this many bytes, unless reading is paused."""
        self.unread += data
        self._chunk = chunk
        self._read()

    def _read(self) -> None:
        while self.unread and not (self.is_closed or self.is_paused):
            room = self.protocol.get_buffer(-1)
            piece = bytes(self.unread[: min(self._chunk, len(room))])
            del self.unread[: len(piece)]
            room[: len(piece)] = piece
            self.protocol.buffer_updated(len(piece))

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            loop = asyncio.get_running_loop()
            loop.call_soon(self.protocol.connection_lost, None)
            if self.peer is not None:
                loop.call_soon(self.peer.reached_eof)

    abort = close

    def reached_eof(self) -> None:
        if not self.is_closed and not self.protocol.eof_received():
            self.close()

    def is_closing(self) -> bool:
        return self.is_closed

    def get_extra_info(self, name: str) -> Any:
        return {"peername": ("peer", 1), "sockname": ("here", 2)}.get(name)

    def can_write_eof(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int) -> None: ...

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False
        asyncio.get_running_loop().call_soon(self._read)


class Held:
    """A request of the peer whose data set is gathered; the test answers it, or nobody does."""

    def __init__(self, role: Role, context: Any, begun: Any) -> None:
        self.role, self.context, self.request = role, context, begun.message
        self.message_id = begun.message.message_id
        self.data = bytearray()
        self.calls: list[str] = []

    def fragment(self, data: memoryview) -> None:
        self.data += data

    def read_done(self) -> None: ...

    def perform(self) -> None:
        self.calls.append("perform")
        self.role.performs.append(self)
        self.role.answer(self)

    def respond(self, status: int = 0, data_set: bytes | None = None) -> None:
        response = self.request.response(status)
        self.role.engine.outbox.send(self.context.id, response, data_set)
        if status & 0xFF00 != 0xFF00:
            self.role.engine.inbox.finished(self, self.request.command_field, status)

    def cancel(self) -> None:
        self.calls.append("cancel")

    def discard(self) -> None:
        self.calls.append("discard")

    def stop(self) -> None:
        self.calls.append("stop")


class Role:
    """A port that accepts every association and records what it is told."""

    def __init__(
        self,
        side: Side,
        *,
        timeouts: Timeouts | None = None,
        answer: Callable[[Held], None] = Held.respond,
    ) -> None:
        self.told: list[str] = []
        self.ends: list[AssociationError] = []
        self.requests: list[Held] = []
        self.performs: list[Held] = []
        self.published: list[tuple[str, dict[str, Any]]] = []
        self.answer = answer
        self.engine = AssociationEngine(
            side, self, timeouts or Timeouts.all(30.0), max_pdu=16384, full_duplex=True
        )

    def connected(self) -> None:
        self.told.append("connected")

    def requesting(self, size: int) -> None: ...

    def requested(self, request: Any) -> None:
        outcome = negotiate(request, POLICY, Answers())
        assert not hasattr(outcome, "result")
        self.engine.accept(outcome)  # type: ignore[arg-type]

    def established(self) -> None:
        self.told.append("established")
        self.engine.inbox.window = 4

    def receive(self, context: Any, begun: Any) -> Held:
        held = Held(self, context, begun)
        self.requests.append(held)
        return held

    def association_ended(self, error: AssociationError) -> None:
        self.told.append("ended")
        self.ends.append(error)

    def closed(self) -> None:
        self.told.append("closed")

    def publish(self, event: Any, body: dict[str, Any]) -> None:
        self.published.append((event.name, body))


def requestor(**how: Any) -> Role:
    role = Role(Side.REQUESTOR, **how)
    role.engine.propose(PROPOSAL.request())
    return role


def acceptor(**how: Any) -> Role:
    return Role(Side.ACCEPTOR, **how)


class Pair:
    """Two joined engines; what one writes, the other reads in a later turn, `chunk` at a time."""

    def __init__(self, chunk: int = 1 << 20, **how: Any) -> None:
        self.asking, self.serving = requestor(**how), acceptor(**how)
        self._left = End(self.asking.engine.transport, self._to_right)
        self._right = End(self.serving.engine.transport, self._to_left)
        self._left.peer, self._right.peer = self._right, self._left
        self.chunk = chunk
        self._loop = asyncio.get_running_loop()

    async def open(self) -> Pair:
        self._right.open()
        self._left.open()
        await self.asking.engine.established
        return self

    def lose(self) -> None:
        """The connection breaks."""
        self._left.close()

    def _to_right(self, data: bytes) -> None:
        self._loop.call_soon(self._right.feed, data, self.chunk)

    def _to_left(self, data: bytes) -> None:
        self._loop.call_soon(self._left.feed, data, self.chunk)


class Alone:
    """An established engine, and a peer that is bytes: fed in, and recorded."""

    def __init__(self, side: Side, **how: Any) -> None:
        self.establish(requestor(**how) if side is Side.REQUESTOR else acceptor(**how))

    @classmethod
    def of(cls, role: Role) -> Alone:
        """Return the established engine of a role."""
        alone = cls.__new__(cls)
        alone.establish(role)
        return alone

    def establish(self, role: Role) -> None:
        """Let the peer and the role agree on an association."""
        self.role, side = role, role.engine.side
        self.engine = role.engine
        self.end = End(self.engine.transport, lambda _: None)
        self.end.open()
        if side is Side.REQUESTOR:
            answers = [(2 * n + 1, 0, wire.IMPLICIT) for n in range(len(CLASSES))]
            items = [wire.role(uid, 1, 1) for uid in CLASSES]
            user = wire.user_information(wire.maximum_length(16384), wire.implementation(), *items)
            self.end.feed(wire.associate_ac(*answers, user=user))
        else:
            self.engine.transport.is_new = False  # a later turn would do for several newcomers
            self.end.feed(PROPOSAL.request().encode())
        assert self.engine.established.done()
        self.end.written.clear()

    async def settle(self) -> None:
        """Let everything happen that is due."""
        for _ in range(10):
            await asyncio.sleep(0)


async def until(reached: Callable[[], object]) -> None:
    """Let the loop turn until something has happened."""
    while not reached():  # noqa: ASYNC110 - there is no event for it, and the turns are all there is
        await asyncio.sleep(0)


def run(work: Callable[[], Awaitable[Any]], limit: float = 20) -> Any:
    """Run a coroutine function; what it leaves behind fails the test."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        failures: list[Any] = []
        loop.set_exception_handler(lambda _, context: failures.append(context))
        result = await asyncio.wait_for(work(), limit)
        assert not failures, failures
        return result

    return asyncio.run(main())
