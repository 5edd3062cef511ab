"""What is behind is reported a few at a time and in turn, all else whenever it is ready."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import ExitStack
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector, DefaultSelector
from typing import TYPE_CHECKING

import pytest

from gateway.ranked_selector import FRONT_TO_BEHIND, RankedSelector, new_event_loop

if TYPE_CHECKING:
    from collections.abc import Iterator

BOTH = EVENT_READ | EVENT_WRITE


class Sockets:
    """A selector, and connected sockets that it watches for reading, each with its number."""

    def __init__(self, selector: BaseSelector, stack: ExitStack) -> None:
        self.selector = selector
        self._stack = stack
        self.ends: list[socket.socket] = []
        self.peers: list[socket.socket] = []

    def add(self, count: int) -> None:
        """Add sockets on which something can be read, and goes on to be."""
        for _ in range(count):
            end, peer = (self._stack.enter_context(one) for one in socket.socketpair())
            self.selector.register(end, EVENT_READ, len(self.ends))
            peer.send(b"x")
            self.ends.append(end)
            self.peers.append(peer)

    def reported(self) -> list[int]:
        return [key.data for key, _ in self.selector.select(0)]


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    with ExitStack() as stack, RankedSelector() as selector:
        yield Sockets(selector, stack)


def behind(sockets: Sockets, *numbers: int) -> RankedSelector:
    selector = sockets.selector
    assert isinstance(selector, RankedSelector)
    for number in numbers:
        selector.put_behind(sockets.ends[number].fileno())
    return selector


def test_one_that_is_behind_is_reported_at_a_time_and_each_has_its_turn(sockets: Sockets) -> None:
    sockets.add(6)
    assert sorted(sockets.reported()) == [0, 1, 2, 3, 4, 5]
    behind(sockets, 1, 2, 3, 4, 5)
    turns = [sockets.reported() for _ in range(10)]
    assert {(len(turn), turn[0]) for turn in turns} == {(2, 0)}, "and all others before it"
    assert sorted(turn[1] for turn in turns[:5]) == [1, 2, 3, 4, 5]
    assert sorted(turn[1] for turn in turns[5:]) == [1, 2, 3, 4, 5]


def test_more_that_are_behind_are_reported_with_more_that_are_in_front(sockets: Sockets) -> None:
    sockets.add(3 * FRONT_TO_BEHIND + 10)
    behind(sockets, *range(10))
    assert sum(number < 10 for number in sockets.reported()) == 1 + 3


def test_the_rank_stays_while_nothing_is_watched(sockets: Sockets) -> None:
    sockets.add(3)
    selector = behind(sockets, 0, 1, 2)
    for number in (0, 1):  # reading pauses, and goes on
        selector.unregister(sockets.ends[number])
    assert sockets.reported() == sockets.reported() == [2]
    for number in (0, 1):
        selector.register(sockets.ends[number], EVENT_READ, number)
    assert {tuple(sockets.reported()) for _ in range(3)} == {(0,), (1,), (2,)}
    selector.unregister(sockets.ends[1])
    for number in (0, 1, 2):
        selector.put_in_front(sockets.ends[number].fileno())
    assert sorted(sockets.reported()) == [0, 2]
    selector.register(sockets.ends[1], EVENT_READ, 1)
    assert sorted(sockets.reported()) == [0, 1, 2]


@pytest.mark.parametrize("is_behind", [False, True])
def test_events_are_those_that_are_asked_for(sockets: Sockets, is_behind: bool) -> None:
    sockets.add(1)
    selector, end = sockets.selector, sockets.ends[0]
    if is_behind:
        behind(sockets, 0)
    seen = []
    for events in (BOTH, EVENT_WRITE, EVENT_READ):
        assert selector.modify(end, events, "new") == selector.get_key(end)
        seen += [(key.data, mask) for key, mask in selector.select(0)]
    assert seen == [("new", BOTH), ("new", EVENT_WRITE), ("new", EVENT_READ)]
    end.recv(1)
    assert selector.select(0) == []
    sockets.peers[0].close()
    assert [mask for _, mask in selector.select(0)] == [EVENT_READ]


def test_a_number_that_was_behind_and_closed_is_used_again(sockets: Sockets) -> None:
    sockets.add(2)
    selector = behind(sockets, 0)
    descriptor = sockets.ends[0].fileno()
    selector.unregister(descriptor)
    sockets.ends[0].close()
    os.dup2(sockets.ends[1].fileno(), descriptor)
    try:
        selector.register(descriptor, EVENT_READ, "new")
        assert sorted(map(str, sockets.reported())) == ["1", "new"]
        selector.put_in_front(descriptor)
        assert sorted(map(str, sockets.reported())) == ["1", "new"]
    finally:
        selector.unregister(descriptor)
        os.close(descriptor)


def test_errors_are_those_of_other_selectors(sockets: Sockets) -> None:
    sockets.add(2)
    with DefaultSelector() as usual:
        usual.register(sockets.ends[0], EVENT_READ)
        for selector in (usual, sockets.selector):
            with pytest.raises(KeyError):
                selector.register(sockets.ends[0], EVENT_READ)
            selector.unregister(sockets.ends[0])
            for call in (selector.unregister, selector.get_key):
                with pytest.raises(KeyError):
                    call(sockets.ends[0])
    assert {end.fileno() for end in sockets.ends[1:]} == {
        key.fd for key in sockets.selector.get_map().values()
    }


def test_a_loop_with_it_does_what_loops_do() -> None:
    async def work() -> tuple[bytes, str]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.read())
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"x" * 1_000_000)
            writer.write_eof()
            echoed = await reader.read()
            writer.close()
        return echoed, await asyncio.to_thread(lambda: "from a thread")

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        assert runner.run(work()) == (b"x" * 1_000_000, "from a thread")


@pytest.mark.parametrize("is_behind", [False, True])
def test_what_was_closed_and_is_open_elsewhere_is_not_reported(
    sockets: Sockets, is_behind: bool
) -> None:
    sockets.add(2)
    if is_behind:
        behind(sockets, 0, 1)
    end = sockets.ends[0]
    with end.dup():
        descriptor = end.fileno()
        end.close()
        sockets.selector.unregister(descriptor)
        assert set(sockets.reported() + sockets.reported()) == {1}
