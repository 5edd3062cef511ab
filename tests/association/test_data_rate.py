"""The least data rate: it counts within a message or PDU, while this side reads."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.association.timers import Timeouts
from gateway.ul.fsm import Side
from tests.association.support import Alone, run
from tests.peers import wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

TIMEOUTS = replace(Timeouts.all(1000.0), data_rate=1024, rate_period=20.0)
HALF = wire.message(3, wire.store_rq("1.2", 7), b"x" * 16000)[:-15000]


class Slow:
    """An association whose clock the test moves on, second by second."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.alone = Alone(Side.ACCEPTOR, timeouts=TIMEOUTS)
        self._passed, real = 0.0, loop.time
        loop.time = lambda: real() + self._passed  # type: ignore[method-assign]

    @property
    def end(self) -> str:
        return str(self.alone.role.ends[0]) if self.alone.role.ends else ""

    async def send(self, pieces: Iterator[bytes]) -> None:
        """Send one piece each second, until the association ends."""
        for piece in pieces:
            if self.end:
                return
            self._passed += 1.0
            self.alone.end.feed(piece)
            await self.alone.settle()


def slow(work: Callable[[Slow], Awaitable[None]]) -> None:
    async def begun() -> None:
        await work(Slow())

    run(begun, limit=10_000)


TOO_SLOW = "less than 1024 bytes/s of a message came in 20 s; aborted"


def test_a_message_that_trickles_ends_the_association() -> None:
    async def work(slow: Slow) -> None:
        slow.alone.end.feed(HALF)
        await slow.send(b"x" for _ in range(41))
        assert slow.end == TOO_SLOW

    slow(work)


def test_a_pdu_that_trickles_ends_the_association() -> None:
    async def work(slow: Slow) -> None:
        slow.alone.end.feed(wire.associate_rq()[:100])
        await slow.send(b"x" for _ in range(41))
        assert slow.end == TOO_SLOW

    slow(work)


def test_a_message_that_comes_fast_enough_may_take_long() -> None:
    async def work(slow: Slow) -> None:
        slow.alone.end.feed(wire.p_data(wire.pdv(3, 3, wire.store_rq("1.2", 6))))
        await slow.send(wire.p_data(wire.pdv(3, 0, b"x" * 1100)) for _ in range(100))
        assert slow.end == ""

    slow(work)


def test_small_messages_may_come_as_seldom_as_they_like() -> None:
    async def work(slow: Slow) -> None:
        echo = wire.message(1, wire.echo_rq(5))
        cuts = (echo[20:] + echo[:20] for _ in range(100))
        slow.alone.end.feed(echo[:20])
        await slow.send(cuts)
        assert slow.end == ""

    slow(work)


def test_it_does_not_run_while_this_side_does_not_read() -> None:
    async def work(slow: Slow) -> None:
        transport = slow.alone.engine.transport
        slow.alone.end.feed(wire.p_data(wire.pdv(3, 3, wire.store_rq("1.2", 6))))
        piece = wire.p_data(wire.pdv(3, 0, b"x" * 1500))
        for _ in range(20):
            await slow.send(iter([piece] * 2))
            transport.pause_reading("disk")
            await slow.send(iter([b""] * 17))
            transport.resume_reading("disk")
        assert slow.end == ""

    slow(work)
