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
from gateway.fabric.wire.terms import MISSED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.fabric.wire.curve_keys import CurveKeys

Frames = list[bytes | memoryview]

REQUESTS_HWM = 20_000
"""Envelopes on the way to one peer at most; credit keeps their number far below that."""
REMOTE_HWM = 64
"""Messages of one connection from another host that wait to be read at most."""
MAX_REMOTE = 8 * 1024 * 1024
"""Bytes of a frame that a worker on another host may send."""
MAX_SUBSCRIPTION = 512
"""Bytes of a subscription of a worker on another host."""
HANDSHAKE = 3.0
"""Seconds that a connection from another host has to prove its key."""
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
            return self._read()

    def _read(self) -> Frames:
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


class KeyedPort(SocketPort):
    """A port of a socket with CURVE: the peer's key comes as a frame before those of a message.

    It is what the authenticator replied for the connection, and empty for what libzmq itself
    reports: that a subscriber has gone.
    """

    def _read(self) -> Frames:
        frames: Frames = []
        more = True
        while more:
            frame = self._recv(_NOBLOCK, copy=False)
            if not frames:
                frames.append(_user_of(frame))
            frames.append(frame.bytes if len(frames) <= self._plain else frame.buffer)
            more = frame.more
        return frames


class RemoteSubscriptions(SocketPort):
    """A port of an XSUB: what is subscribed to need not be the beginning of what is received."""

    def subscribe(self, topic: bytes) -> None:
        self.send((b"\1" + topic,))

    def unsubscribe(self, topic: bytes) -> None:
        self.send((b"\0" + topic,))


def _user_of(frame: zmq.Frame) -> bytes:
    try:
        user = frame.get("User-Id")
    except zmq.ZMQError:
        return b""
    return str(user).encode()


class LoopPort:
    """A port on the running asyncio loop: `handle` is called with each message."""

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        plain: int,
        handle: Callable[[Frames], None],
        port: type[SocketPort] = SocketPort,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._port = port(socket, plain, self._wake)
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
    """Return a socket for this host with every limit set."""
    socket = _limited(context, kind, hwm)
    if kind == zmq.DEALER:
        socket.setsockopt(zmq.IDENTITY, b"w" + os.urandom(15))
    elif kind == zmq.ROUTER:
        socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
    return socket


def _limited(context: zmq.Context[zmq.Socket[bytes]], kind: int, hwm: int) -> zmq.Socket[bytes]:
    socket = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, hwm)
    socket.setsockopt(zmq.RCVHWM, hwm)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_DATA)
    if kind == zmq.ROUTER:
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    elif kind == zmq.XPUB:
        socket.setsockopt(zmq.XPUB_VERBOSER, 1)
    return socket


def make_server(
    context: zmq.Context[zmq.Socket[bytes]], kind: int, hwm: int, secret: bytes, heartbeat: float
) -> zmq.Socket[bytes]:
    """Return a ROUTER or XPUB that takes connections with CURVE only, from keys that are allowed.

    A second connection cannot take the routing id of another one, and no subscription is in effect
    before it was looked at.
    """
    socket = _limited(context, kind, hwm)
    socket.setsockopt(zmq.RCVHWM, REMOTE_HWM)
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, secret)
    socket.setsockopt(zmq.ZAP_DOMAIN, b"fabric")
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)  # without an authenticator nobody may enter
    socket.setsockopt(zmq.HANDSHAKE_IVL, int(HANDSHAKE * 1000))
    if kind == zmq.ROUTER:
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_REMOTE)
    else:
        socket.setsockopt(zmq.XPUB_MANUAL, 1)
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_SUBSCRIPTION)
    _watch_connections(socket, heartbeat)
    return socket


def make_client(
    context: zmq.Context[zmq.Socket[bytes]], kind: int, hwm: int, keys: CurveKeys
) -> zmq.Socket[bytes]:
    """Return a DEALER or XSUB that proves its key to a gateway, and has the gateway prove its.

    It has no routing id, so that each connection is another peer.
    """
    socket = _limited(context, kind, hwm)
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.own.public)
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.own.secret)
    socket.setsockopt(zmq.CURVE_SERVERKEY, keys.server)
    socket.setsockopt(zmq.HANDSHAKE_IVL, int(HANDSHAKE * 1000))
    socket.setsockopt(zmq.RECONNECT_IVL, 200)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
    _watch_connections(socket, keys.heartbeat)
    return socket


def _watch_connections(socket: zmq.Socket[bytes], heartbeat: float) -> None:
    """Have ZeroMQ itself close connections whose other end is gone without a word."""
    socket.setsockopt(zmq.IPV6, 1)
    socket.setsockopt(zmq.HEARTBEAT_IVL, max(1, int(heartbeat * 1000)))
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, max(1, int(MISSED * heartbeat * 1000)))
