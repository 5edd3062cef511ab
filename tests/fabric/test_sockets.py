"""The edge-triggered descriptor: no message is ever left lying without a wake-up."""

from __future__ import annotations

import select
import threading
from typing import TYPE_CHECKING

import pytest
import zmq

from gateway.fabric.wire.sockets import SendResult, SocketPort, make

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pair() -> Iterator[tuple[SocketPort, SocketPort, threading.Event]]:
    """Two ports joined in one process, and the event that the first one's wake-up sets."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    woken = threading.Event()
    a, b = make(context, zmq.DEALER, 100), make(context, zmq.DEALER, 100)
    b.bind("inproc://port")
    a.connect("inproc://port")
    first, second = SocketPort(a, 1, woken.set), SocketPort(b, 1, lambda: None)
    yield first, second, woken
    first.close(0)
    second.close(0)
    context.term()


def readable(port: SocketPort, seconds: float = 0.0) -> bool:
    return bool(select.select([port.fd], [], [], seconds)[0])


def test_a_send_that_swallows_the_edge_wakes(
    pair: tuple[SocketPort, SocketPort, threading.Event],
) -> None:
    """The hazard itself: after the send the descriptor is silent, though a message is there."""
    first, second, woken = pair
    while first.receive() is not None:
        pass
    assert second.send((b"hello",)) is SendResult.DONE
    assert readable(first, 5)
    first.send((b"unrelated",))
    assert not readable(first)
    assert woken.is_set()
    assert first.receive() == [b"hello"]


def test_while_draining_a_send_need_not_wake(
    pair: tuple[SocketPort, SocketPort, threading.Event],
) -> None:
    first, second, woken = pair
    second.send((b"one",))
    second.send((b"two",))
    assert first.receive() == [b"one"]
    first.send((b"unrelated",))
    assert not woken.is_set()
    assert first.receive() == [b"two"]
    assert first.receive() is None


def test_a_data_frame_is_a_view(pair: tuple[SocketPort, SocketPort, threading.Event]) -> None:
    first, second, _ = pair
    second.send((b"envelope", b"x" * 100_000))
    frames = first.receive()
    assert frames is not None
    assert type(frames[0]) is bytes
    assert type(frames[1]) is memoryview
    assert frames[1].nbytes == 100_000


def test_a_full_port_says_so(pair: tuple[SocketPort, SocketPort, threading.Event]) -> None:
    first, _, _ = pair
    outcomes = [first.send((b"x",)) for _ in range(500)]
    assert outcomes[0] is SendResult.DONE
    assert outcomes[-1] is SendResult.FULL


def test_a_closed_port_reaches_nobody(pair: tuple[SocketPort, SocketPort, threading.Event]) -> None:
    first, _, _ = pair
    first.close(0)
    assert first.send((b"x",)) is SendResult.UNREACHABLE


def test_a_router_says_whom_it_cannot_reach() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = make(context, zmq.ROUTER, 100)
    port = SocketPort(socket, 2, lambda: None)
    assert port.send((b"nobody", b"x")) is SendResult.UNREACHABLE
    port.close(0)
    context.term()
