"""A peer that sends more than a turn's work waits; others, and other addresses, come between."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref
from contextlib import ExitStack
from typing import Any

import pytest

from gateway.association.turns import (
    LARGE_READS,
    LARGE_TOGETHER,
    NEW_A_TURN,
    READ_SIZE,
    SHORT_READS,
    SMALL_READ,
    STEPS,
    Turns,
    turns_of,
)
from gateway.ranked_selector import new_event_loop
from gateway.ul.fsm import Side
from tests.association.support import PROPOSAL, Alone, End, Held, acceptor, run, until
from tests.patience import PATIENCE
from tests.peers import wire

A_TURN = (STEPS + 1) * 4
"""Primitives of a turn at most."""
ECHOES = b"".join(wire.message(1, wire.echo_rq(number)) for number in range(1000))


def answered(alone: Alone) -> int:
    return alone.end.written.count(wire.us(0x8030))


def test_a_read_full_of_requests_is_answered_over_many_turns() -> None:
    async def work() -> None:
        alone = Alone(Side.ACCEPTOR)
        alone.end.feed(ECHOES)
        assert 0 < answered(alone) <= A_TURN
        assert alone.end.is_paused
        while alone.end.unread or alone.end.is_paused:
            before = answered(alone)
            await asyncio.sleep(0)
            assert before <= answered(alone) <= before + 4 * A_TURN
        assert answered(alone) == 1000
        numbers = [held.message_id for held in alone.role.performs]
        assert numbers == list(range(1000))

    run(work)


def test_empty_and_unusual_pdvs_are_bounded_as_well() -> None:
    async def work() -> None:
        alone = Alone(Side.ACCEPTOR, answer=lambda held: None)
        alone.end.feed(wire.p_data(wire.pdv(3, 3, wire.store_rq("1.2", 6))))
        alone.end.feed(wire.p_data(wire.pdv(3, 0, b"")) * 5000)
        assert alone.end.is_paused
        await until(lambda: not (alone.end.unread or alone.end.is_paused))
        assert alone.role.ends == []

    run(work)


def test_a_pause_holds_back_the_rest_of_the_read() -> None:
    async def work() -> None:
        alone = Alone(Side.ACCEPTOR)
        transport = alone.engine.transport

        def answer(held: Held) -> None:
            held.respond()
            if held.message_id == 5:
                transport.pause_reading("disk")

        alone.role.answer = answer
        alone.end.feed(ECHOES[: 20 * len(wire.message(1, wire.echo_rq(0)))])
        await alone.settle()
        assert len(alone.role.performs) <= 8
        transport.resume_reading("disk")
        transport.pause_reading("disk")
        transport.resume_reading("disk")
        await alone.settle()
        assert len(alone.role.performs) == 20
        assert not alone.end.is_paused

    run(work)


def test_what_was_kept_is_dropped_with_the_connection() -> None:
    async def work() -> None:
        alone = Alone(Side.ACCEPTOR)
        alone.end.feed(ECHOES)
        alone.end.close()
        done = len(alone.role.performs)
        await alone.settle()
        assert alone.role.told[-2:] == ["ended", "closed"]
        assert len(alone.role.performs) <= done + 4 * A_TURN < 1000

    run(work)


def test_reads_are_large_only_for_few_peers_that_fill_them() -> None:
    async def work() -> None:
        data = wire.message(3, wire.store_rq("1.2", 6), b"x" * (3 * READ_SIZE))
        peers = []
        for _ in range(LARGE_READS + 1):
            peers.append(Alone(Side.ACCEPTOR))
            await asyncio.sleep(0)
        rooms = [peer.engine.transport for peer in peers]
        assert {len(transport.room) for transport in rooms} == {SMALL_READ}
        peers[0].end.feed(data[: 2 * SMALL_READ])
        await peers[0].settle()
        assert len(rooms[0].room) == READ_SIZE
        for peer in peers[1:]:
            peer.end.feed(data[: 2 * SMALL_READ])
            await peer.settle()
        assert {len(transport.room) for transport in rooms} == {SMALL_READ}, "of all together"
        for transport in rooms[6:]:
            transport.connection_lost(None)
        assert [len(transport.room) for transport in rooms[:6]] == [
            SMALL_READ,  # there was one too many, and it had large reads first
            *[LARGE_TOGETHER // 5] * 5,
        ]
        peers[1].end.feed(data[2 * SMALL_READ :] + ECHOES)
        assert len(rooms[1].room) == SMALL_READ, "it sends many messages"
        assert len(rooms[2].room) == READ_SIZE

    run(work)


class Connected:
    """An established engine that reads from a socket, and the other end of it."""

    def __init__(self, stack: ExitStack) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * READ_SIZE)
            self._peer = stack.enter_context(socket.create_connection(listener.getsockname()))
            self._peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * READ_SIZE)
            ours = stack.enter_context(listener.accept()[0])
        self._peer.setblocking(False)
        self._ours = ours
        self.role = acceptor()
        self.transport = self.role.engine.transport

    async def open(self) -> Connected:
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: self.transport, self._ours)
        self.send(PROPOSAL.request().encode())
        await self.role.engine.established
        return self

    def send(self, data: bytes) -> None:
        assert self._peer.send(data) == len(data)

    async def send_to_the_end(self, data: bytes, most: int) -> None:
        """Send piece by piece, each when the one before is read."""
        for begin in range(0, len(data), most):
            piece = data[begin : begin + most]
            expected = self.transport.received + len(piece)
            self.send(piece)
            await until(lambda expected=expected: self.transport.received == expected)


def test_a_c_echo_waits_for_few_of_those_who_send_large_objects() -> None:
    async def work() -> None:
        data = wire.message(3, wire.store_rq("1.2", 6), b"x" * READ_SIZE)
        echo = wire.message(1, wire.echo_rq(1))
        with ExitStack() as stack:
            large = [await Connected(stack).open() for _ in range(8)]
            short = await Connected(stack).open()
            for one in large:
                await one.send_to_the_end(data[: 2 * SMALL_READ], 2 * SMALL_READ)
                assert one.transport.short_reads_left == SHORT_READS
            for one in large:
                one.send(data[2 * SMALL_READ : 3 * SMALL_READ])
            before = sum(one.transport.received for one in large)
            short.send(echo)
            await until(lambda: short.role.performs)
            assert sum(one.transport.received for one in large) - before <= 3 * SMALL_READ
            await until(
                lambda: sum(one.transport.received for one in large) == before + 8 * SMALL_READ
            )
            first = large[0]
            await first.send_to_the_end(data[3 * SMALL_READ :], 2 * SMALL_READ)
            for number in range(SHORT_READS):
                assert len(first.transport.room) == READ_SIZE, number
                await first.send_to_the_end(echo, len(echo))
            assert (first.transport.short_reads_left, len(first.transport.room)) == (0, SMALL_READ)
            for one in (*large, short):
                one.transport.abort()
            await until(lambda: short.role.told[-1] == "closed")

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(asyncio.wait_for(work(), 20 * PATIENCE))


def test_requests_for_associations_are_looked_at_a_few_a_turn() -> None:
    async def work() -> None:
        roles = [acceptor() for _ in range(5 * NEW_A_TURN)]
        ends = [End(role.engine.transport, lambda _: None) for role in roles]
        for end in ends:
            end.open()
            end.feed(PROPOSAL.request().encode())

        def established() -> int:
            return sum(role.engine.established.done() for role in roles)

        assert 1 <= established() <= NEW_A_TURN
        await until(lambda: established() == len(roles))
        assert not any(end.is_paused for end in ends)

    run(work)


class Asking:
    """A peer that always has more to do."""

    room = memoryview(b"")

    def __init__(self, address: str, turns: Turns, order: list[str]) -> None:
        self.remote = (address, 1)
        self._turns, self._order = turns, order

    def take_turn(self) -> None:
        self._order.append(self.remote[0])
        self._turns.add(self)


def test_addresses_take_turns() -> None:
    """Three connections of one address get together what one of another address gets."""

    async def work() -> None:
        order: list[str] = []
        waiting = Turns(asyncio.get_running_loop())
        peers: list[Any] = [Asking(name, waiting, order) for name in ("a", "a", "a", "b")]
        for peer in peers:
            waiting.add(peer)
        await until(lambda: len(order) >= 100)
        for peer in peers:
            waiting.remove(peer)
        assert order[:6] == ["a", "b", "a", "b", "a", "b"]
        length = len(order)
        await asyncio.sleep(0)
        assert len(order) == length

    run(work)


def test_every_turn_of_the_loop_leaves_time_for_others() -> None:
    async def work() -> None:
        order: list[str] = []
        waiting = Turns(asyncio.get_running_loop())
        peer: Any = Asking("a", waiting, order)
        waiting.add(peer)
        for _ in range(3):
            await asyncio.sleep(0)  # it comes back, although the peer never has enough
        waiting.remove(peer)
        assert order

    run(work)


def test_loops_that_run_at_the_same_time_read_into_buffers_of_their_own() -> None:
    """Else a read of one thread would replace what another one has not processed yet."""
    loops = [asyncio.new_event_loop() for _ in range(2)]
    try:
        one, other = (turns_of(loop) for loop in loops)
        assert one is turns_of(loops[0])
        one.buffer[:3] = b"one"
        other.buffer[:3] = other.small_buffer[:3] = b"two"
        assert bytes(one.small_buffer[:3]) == b"one"
    finally:
        for loop in loops:
            loop.close()


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, new_event_loop])
def test_the_turns_of_a_loop_go_with_it(factory: Any) -> None:
    """A program may run many loops, and the buffer of each has half a megabyte."""

    async def work() -> weakref.ref[Turns]:
        return weakref.ref(turns_of(asyncio.get_running_loop()))

    with asyncio.Runner(loop_factory=factory) as runner:
        found = runner.run(work())
    del runner
    gc.collect()
    assert found() is None
