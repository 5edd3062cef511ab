"""The connections from other hosts to one socket: their number is limited, failures are counted.

ZeroMQ accepts without limit, in the process that has the descriptors of all associations. So what
it accepts beyond the limit, or too fast, is shut down at once; to unbind the socket instead would
end the connections that it has. Those that do not prove a key are gone within seconds.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

import zmq

from gateway.errors import FabricError
from gateway.fabric.wire.sockets import HANDSHAKE, Frames, LoopPort

if TYPE_CHECKING:
    from gateway.fabric.acceptor.refusals import Refusals

RATE = 200
"""Connections in one second at most."""
_SECOND = 1.0
_RETRY = 0.05
"""Seconds until an address that is still in use is tried again."""
_WATCHED = (
    zmq.EVENT_ACCEPTED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
)
_FAILURES = {
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: (
        "handshake", "a connection was closed or silent before it had proved its key"
    ),
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: (
        "protocol", "a connection does not speak CURVE to this gateway's key"
    ),
}  # fmt: skip


class ConnectionWatch:
    """Binds a socket, and watches what connects; raises FabricError if it cannot be bound.

    `again`: it takes the place of another socket, whose address may be in use for a moment more.
    """

    def __init__(
        self,
        bound: zmq.Socket[bytes],
        at: str,
        limit: int,
        refusals: Refusals,
        *,
        again: bool = False,
    ) -> None:
        self._socket = bound
        self._at = at
        self._limit = limit
        self._refusals = refusals
        self._loop = asyncio.get_running_loop()
        self.open = 0
        """Connections at present, with those that have not proved their key."""
        self._accepted = 0
        self._succeeded = 0
        self._failed = 0
        self._in_this_second = 0
        self._earlier: list[int] = []
        """The numbers accepted up to each of the last seconds."""
        self._timer: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._monitor = LoopPort(bound.get_monitor_socket(_WATCHED), 2, self._on_event)
        if again:
            self._bind_soon()
        else:
            try:
                bound.bind(at)
            except zmq.ZMQError as error:
                self._monitor.close(0)
                raise FabricError(f"cannot listen at {at} for workers: {error}") from error
        self._second()

    def _on_event(self, frames: Frames) -> None:
        number, value = struct.unpack("=HI", frames[0])
        if number == zmq.EVENT_ACCEPTED:
            self.open += 1
            self._accepted += 1
            self._in_this_second += 1
            self._limit_connections(value)
        elif number == zmq.EVENT_DISCONNECTED:
            self.open -= 1
        elif number == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._succeeded += 1
        else:
            self._failed += 1
            if number in _FAILURES:
                kind, text = _FAILURES[number]
                self._refusals.add(kind, f"at={self._at} {text}")

    def _limit_connections(self, descriptor: int) -> None:
        if self.open <= self._limit and self._in_this_second <= RATE:
            return
        _shut(descriptor, int(self._at.rpartition(":")[2]))
        self._refusals.add(
            "flood",
            f"at={self._at} {self.open} connections are open (fabric.connections ="
            f" {self._limit}), {self._in_this_second} of them new in a second: this one is closed",
        )

    def _second(self) -> None:
        """Count those that were gone without a word of ZMTP."""
        self._timer = self._loop.call_later(_SECOND, self._second)
        self._in_this_second = 0
        self._earlier = [*self._earlier, self._accepted][-int(HANDSHAKE + 2) :]
        silent = self._earlier[0] - self._succeeded - self._failed
        if silent > 0 and len(self._earlier) > HANDSHAKE + 1:
            self._failed += silent
            self._refusals.add("garbage", f"at={self._at} {silent} spoke no ZMTP", silent)

    def _bind_soon(self) -> None:
        try:
            self._socket.bind(self._at)
        except zmq.ZMQError:
            self._retry = self._loop.call_later(_RETRY, self._bind_soon)

    def close(self) -> None:
        """Watch no more; call this before the socket is closed."""
        for timer in (self._timer, self._retry):
            if timer is not None:
                timer.cancel()
        self._monitor.close(0)
        with suppress(zmq.ZMQError):
            self._socket.disable_monitor()


def _shut(descriptor: int, port: int) -> None:
    """Shut a connection to the port down; ZeroMQ closes it then.

    It may be closed already, and its number be that of something else.
    """
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
        if connection.getsockname()[1] == port:
            connection.shutdown(socket.SHUT_RDWR)
