"""zmq sockets for event loops: the one place that knows how their descriptor behaves.

A zmq socket's descriptor says "something changed since you last looked", not "there is a message":
it is edge-triggered, and any operation on the socket, a send as well, may swallow the edge. So
after a wake-up everything is received until EVENTS says that there is no more, and after a send
EVENTS is looked at again. `SocketPort` keeps both rules; no other code touches a descriptor.
"""

from __future__ import annotations

import asyncio
import os
import threading
from enum import Enum, auto
from typing import TYPE_CHECKING

import zmq

from gateway.fabric.wire.frames import MAX_DATA

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Frames = list[bytes | memoryview]

REQUESTS_HWM = 20_000
"""Envelopes on the way to one peer at most; credit keeps their number far below that."""
_NOBLOCK, _MORE = int(zmq.NOBLOCK), int(zmq.NOBLOCK | zmq.SNDMORE)
_EVENTS, _POLLIN = int(zmq.EVENTS), int(zmq.POLLIN)
"""Plain numbers: to combine the library's flags takes a microsecond each time."""
_BATCH = 256
"""Messages handled before other callbacks of the loop have their turn."""


class SendResult(Enum):
    """The result of sending a message."""

    DONE = auto()
    FULL = auto()
    """The peer does not read."""
    UNREACHABLE = auto()
    """The peer does not exist (any more)."""


class SocketPort:
    """A socket that any thread may send on and one thread receives from."""

    def __init__(self, socket: zmq.Socket[bytes], plain: int, wake: Callable[[], None]) -> None:
        """`plain` frames of each message come as bytes, a further one as a view.

        `wake` is called, from whatever thread, when `receive` has something although the
        descriptor may not say so.
        """
        self._socket = socket
        # A socket looks each of its methods up among its options too, which takes longer.
        self._send, self._recv, self._option = socket.send, socket.recv, socket.getsockopt
        self._plain = plain
        self._wake = wake
        self._lock = threading.Lock()
        self._draining = False
        self.fd = int(socket.getsockopt(zmq.FD))

    def send(self, frames: Sequence[bytes | memoryview]) -> SendResult:
        """Send one message if that is possible at once."""
        send = self._send
        last = len(frames) - 1
        with self._lock:
            try:
                for frame in frames[:last]:
                    send(frame, _MORE)
                send(frames[last], _NOBLOCK, copy=False)
            except zmq.Again:
                return SendResult.FULL
            except zmq.ZMQError as error:
                if error.errno not in (zmq.EHOSTUNREACH, zmq.ENOTSOCK):
                    raise
                return SendResult.UNREACHABLE
            if not self._draining and int(self._option(_EVENTS)) & _POLLIN:
                self._wake()
        return SendResult.DONE

    def receive(self) -> Frames | None:
        """Return the next message, or None; the arrival of the next one wakes the loop."""
        with self._lock:
            self._draining = bool(int(self._option(_EVENTS)) & _POLLIN)
            if not self._draining:
                return None
            frames: Frames = []
            more = True
            while more:
                frame = self._recv(_NOBLOCK, copy=False)
                frames.append(frame.bytes if len(frames) < self._plain else frame.buffer)
                more = frame.more  # much cheaper than to ask the socket for RCVMORE
            return frames

    def subscribe(self, topic: bytes) -> None:
        with self._lock:
            self._socket.setsockopt(zmq.SUBSCRIBE, topic)
        self._wake()

    def unsubscribe(self, topic: bytes) -> None:
        with self._lock:
            self._socket.setsockopt(zmq.UNSUBSCRIBE, topic)
        self._wake()

    def close(self, linger: float) -> None:
        """Close the socket; unsent messages have `linger` seconds more."""
        with self._lock:
            self._socket.close(linger=int(linger * 1000))


class LoopPort:
    """A port on the running asyncio loop: `handle` is called with each message."""

    def __init__(
        self, socket: zmq.Socket[bytes], plain: int, handle: Callable[[Frames], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._port = SocketPort(socket, plain, self._wake)
        self._handle = handle
        self._scheduled: asyncio.Handle | None = None
        self._closed = False
        self.send = self._port.send
        self._loop.add_reader(self._port.fd, self.drain)
        self._wake()

    def _wake(self) -> None:
        if self._scheduled is None and not self._closed:
            self._scheduled = self._loop.call_soon(self._again)

    def _again(self) -> None:
        self._scheduled = None
        self.drain()

    def drain(self) -> None:
        """Handle the messages that have arrived."""
        for _ in range(_BATCH):
            frames = None if self._closed else self._port.receive()
            if frames is None:
                return
            self._handle(frames)
        self._wake()

    def close(self, linger: float) -> None:
        self._closed = True
        self._loop.remove_reader(self._port.fd)
        if self._scheduled is not None:
            self._scheduled.cancel()
        self._port.close(linger)


def make(context: zmq.Context[zmq.Socket[bytes]], kind: int, hwm: int) -> zmq.Socket[bytes]:
    """Return a socket with every limit set."""
    socket = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, hwm)
    socket.setsockopt(zmq.RCVHWM, hwm)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_DATA)
    if kind == zmq.ROUTER:
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
    elif kind == zmq.XPUB:
        socket.setsockopt(zmq.XPUB_VERBOSER, 1)
    elif kind == zmq.DEALER:
        socket.setsockopt(zmq.IDENTITY, b"w" + os.urandom(15))
    return socket
