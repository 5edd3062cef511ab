"""The asyncio shell of an `UpperLayer`: feed it, write, arm its timer, pause reading.

All connections of a loop read into one buffer: what a read brought is handed on as views and used
up before the call returns. So memory does not depend on the number of connections, and a data set's
bytes are not copied on their way. The exception is a peer that sends more messages than a
turn allows (module `turns`): the rest of its read is kept, and reading pauses until it is used up.
The engine that owns the association gets its primitives from the UpperLayer and never sees the
socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import TYPE_CHECKING, Any, Protocol, cast

from gateway.association.alarm import Alarm
from gateway.association.socket_options import set_options
from gateway.association.turns import SMALL_READ, STEPS, TURN, turns_of
from gateway.ul.upper_layer import Closing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.ul.fsm import Transition
    from gateway.ul.primitives import PduTraced
    from gateway.ul.upper_layer import UpperLayer

WRITE_HIGH = 64 * 1024
"""Bytes waiting to be sent above which reading pauses and senders wait."""

_OPEN = Closing.NO
_TURN_ONLY = frozenset({"turn"})

_MOST_PIECES = 1024
"""What one call takes (IOV_MAX)."""
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)
"""Absent outside Linux: there the peer's Nagle algorithm may wait for a delayed acknowledgement."""


class TransportUser(Protocol):
    """The owner of the association, as far as its transport uses it."""

    def connected(self) -> None:
        """Take note that the transport is connected; nothing was read yet."""

    def read_done(self) -> None:
        """Take note that everything from one read was handed over."""

    def traced(self, records: Sequence[Transition | PduTraced]) -> None:
        """Take state transitions and PDUs, while the UpperLayer's `trace` asks for them."""

    def not_read(self) -> None:
        """Handle a peer that has not read what was sent to it for `send_timeout` seconds."""

    def closed(self) -> None:
        """Take note that the connection is closed; the last call."""


class Transport(asyncio.BufferedProtocol):
    """One connection and its protocol machine.

    `send_timeout`: seconds for which the peer may leave what it was sent unread. `full_duplex`: go
    on reading meanwhile, so that its A-ABORT is seen; for users that answer a bounded number of
    requests.
    """

    def __init__(
        self,
        upper: UpperLayer,
        user: TransportUser,
        *,
        send_timeout: float,
        full_duplex: bool = False,
    ) -> None:
        self._upper = upper
        self.last_received = 0.0
        """The loop's time of the last read."""
        self.is_new = False
        """The peer has yet to ask for an association."""
        self._turns = turns_of(asyncio.get_running_loop())
        self._buffer = self._turns.buffer
        self.room = self._turns.small_buffer
        """The buffer for the next read."""
        self.short_reads_left = 0
        self.is_awaited = False
        """The peer sends nothing before the response to what was read last."""
        self.received = self.sent = 0
        """Bytes that passed, of PDUs."""
        self.local: tuple[str, int] = ("", 0)
        self.remote: tuple[str, int] = ("", 0)  # kept, if a balancer named it
        self._user = user
        self.send_timeout = send_timeout
        self._full_duplex = full_duplex
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(self._loop, self._deadline_passed)
        self._unread = Alarm(self._loop, user.not_read)
        self._socket: socket.socket | None = None
        self._fd = -1
        """Of the socket, where nothing lies between; -1: TLS, or not connected."""
        self._transport: asyncio.Transport | None = None
        self._pauses: set[str] = set()
        self._paused_at = self._paused_for = 0.0
        self._kept: memoryview | None = None
        """What was read and has to wait for a turn."""
        self._writable = asyncio.Event()
        self._writable.set()
        self._finished = self._is_flushing_soon = False

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH)
        self._socket = transport.get_extra_info("socket")
        if self._socket is not None and transport.get_extra_info("sslcontext") is None:
            self._fd = self._socket.fileno()
        if not self.remote[0]:
            self.remote = _address(transport.get_extra_info("peername"))
        self.local = _address(transport.get_extra_info("sockname"))
        if self._socket is not None and self._socket.family != socket.AF_UNIX:
            set_options(self._socket, self.send_timeout)
        self.last_received = self._loop.time()
        self._user.connected()
        self.flush()

    @property
    def descriptor(self) -> int:
        """The descriptor of the socket, while it is connected."""
        assert self._socket is not None
        return self._socket.fileno()

    @property
    def is_tls(self) -> bool:
        transport = self._transport
        return transport is not None and transport.get_extra_info("sslcontext") is not None

    @property
    def peer_certificate(self) -> Mapping[str, Any] | None:
        """The peer's certificate as `SSLSocket.getpeercert` gives it; None: it has none."""
        transport = self._transport
        return transport.get_extra_info("peercert") if transport is not None else None

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        return self.room

    def buffer_updated(self, nbytes: int) -> None:
        now = self.last_received = self._loop.time()
        self.received += nbytes
        self.is_awaited = False
        upper, view = self._upper, self._buffer[:nbytes]
        if self.is_new and not self._turns.may_begin():
            self._keep(view)
            return
        position = upper.receive_some(view, 0, now)
        if position < nbytes:
            self.is_awaited = False  # unless what comes now is the end of a request, too
            self._continue(view, position)
        if nbytes >= SMALL_READ:
            if self._kept is None:
                self._turns.make_large(self)
        elif self.short_reads_left:
            self._turns.short_read(self)
        self._user.read_done()
        if upper.has_news or upper.is_traced:
            self.flush()
        if not self.is_awaited or self._kept is not None:  # its response acknowledges it, too
            self._acknowledge()

    def _acknowledge(self) -> None:
        """Acknowledge at once; a peer whose Nagle algorithm waits for that would wait 40 ms.

        Linux leaves this mode by itself, so it is set each time.
        """
        if _QUICKACK is not None and self._socket is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)

    def eof_received(self) -> bool:
        """Return True: the machine decides when to close; over TLS it cannot (close_notify)."""
        transport = self._transport
        # While bytes are kept, reading is paused: then this comes with the end of the connection.
        if self._kept is None:
            self._lost()
        return transport is None or transport.get_extra_info("sslcontext") is None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._kept = None
        self._turns.remove(self)
        self._lost()
        self._alarm.stop()
        self._unread.stop()
        self._writable.set()
        self._transport = self._socket = None
        self._fd = -1
        self._user.closed()

    def pause_writing(self) -> None:
        self._writable.clear()
        if not self._full_duplex:
            self.pause_reading("writing")
        self._unread.set(self._loop.time() + self.send_timeout)

    def resume_writing(self) -> None:
        self._writable.set()
        self._unread.set(None)
        self.resume_reading("writing")

    # the user's side

    @property
    def is_paused(self) -> bool:
        """Whether reading is paused for another reason than that others have their turn."""
        return bool(self._pauses) and self._pauses != _TURN_ONLY

    @property
    def paused_for(self) -> float:
        """Seconds for which reading was paused so far."""
        return self._paused_for + (self._loop.time() - self._paused_at if self._pauses else 0.0)

    def flush(self) -> None:
        """Send the machine's output, close if it wants to, and set its timer."""
        upper = self._upper
        output = upper.bytes_to_send()
        if output and self._transport is not None and not self._finished:
            self._write(output)
        if upper.is_traced:
            self.trace()
        if upper.deadline is not self._alarm.deadline:
            self._alarm.set(upper.deadline)
        if upper.closing is not _OPEN:
            self._close(upper.closing)

    def send(self, pdu: bytes) -> None:
        """Send a P-DATA-TF after what the machine has to send; only in Sta6, untraced."""
        transport = self._transport
        if self._upper.has_news or transport is None or self._finished:
            self._upper.send_pdata(pdu, self.last_received)
            self.flush()
        else:
            self.sent += len(pdu)
            transport.write(pdu)

    def _write(self, output: list[bytes | memoryview]) -> None:
        """Write what is there; what the socket takes at once is not joined before."""
        transport = self._transport
        assert transport is not None
        is_open = self._fd >= 0 and not transport.is_closing()
        if len(output) > 1 and is_open and not transport.get_write_buffer_size():
            output = self._written_at_once(output)
        if output:
            data = output[0] if len(output) == 1 else b"".join(output)
            self.sent += len(data)
            transport.write(data)

    def _written_at_once(self, output: list[bytes | memoryview]) -> list[bytes | memoryview]:
        """Give the socket what it takes; return the rest."""
        try:
            written = os.writev(self._fd, output[:_MOST_PIECES])
        except OSError:  # full, or the connection is gone: that is for asyncio to find out
            return output
        self.sent += written
        for number, piece in enumerate(output):
            if written < len(piece):
                return [memoryview(piece)[written:], *output[number + 1 :]]
            written -= len(piece)
        return []

    def flush_soon(self) -> None:
        """Flush at the end of this turn of the loop, with whatever else is sent until then."""
        if not self._is_flushing_soon:
            self._is_flushing_soon = True
            self._loop.call_soon(self._flush_once)

    def _flush_once(self) -> None:
        self._is_flushing_soon = False
        if self._transport is not None:
            self.flush()

    def trace(self) -> None:
        """Hand over what was recorded so far, before the notifications that follow from it."""
        if records := self._upper.take_trace():
            self._user.traced(records)

    @property
    def is_writable(self) -> bool:
        """Whether the peer has read enough of what was sent that `drain` would not wait."""
        return self._writable.is_set()

    async def drain(self) -> None:
        """Wait until the peer has read enough of what was sent, or the association has ended."""
        await self._writable.wait()

    def stop_waiting(self) -> None:
        """End all waits in `drain`: the association has ended."""
        self._writable.set()

    def pause_reading(self, reason: str) -> None:
        """Stop reading until every reason to pause has gone."""
        if not self._pauses:
            self._paused_at = self._loop.time()
            if self._transport is not None:
                self._transport.pause_reading()
        self._pauses.add(reason)

    def resume_reading(self, reason: str) -> None:
        if reason not in self._pauses:
            return
        if len(self._pauses) == 1:
            self._paused_for = self.paused_for
        self._pauses.remove(reason)
        if self._kept is not None:
            if self._pauses == _TURN_ONLY:
                self._turns.add(self)
        elif not self._pauses and self._transport is not None:
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close the connection at once; unsent data is lost."""
        if self._transport is not None:
            self._transport.abort()

    def dissolve(self) -> None:
        """Forget the user; only for a connection that is closed, and of which nothing is used."""
        del self._user, self._alarm, self._unread

    # what is left of a read

    def take_turn(self) -> None:
        """Process some of what was kept; read again once all of it is used up."""
        kept, self._kept = self._kept, None
        if kept is None or self._pauses != _TURN_ONLY:
            self._kept = kept
            return
        self._continue(kept, 0)
        self._user.read_done()
        self.flush()
        if self._kept is None:
            self.resume_reading("turn")

    def _continue(self, view: memoryview, position: int) -> None:
        """Process what was read, until this peer's turn is over; keep the rest."""
        upper, time, end = self._upper, self._loop.time, len(view)
        now = time()
        over = now + TURN
        for _ in range(STEPS):
            if self._pauses and self._pauses != _TURN_ONLY:
                break
            position = upper.receive_some(view, position, now)
            if position >= end:
                return
            if time() >= over:
                break
        self._keep(view[position:])

    def _keep(self, rest: memoryview) -> None:
        self._kept = memoryview(bytes(rest)) if rest.obj is self._buffer.obj else rest
        self._turns.make_small(self)
        self.pause_reading("turn")
        if self._pauses == _TURN_ONLY:
            self._turns.add(self)

    # between the two

    def _lost(self) -> None:
        self._upper.receive_eof(self._loop.time())
        self._user.read_done()
        self.flush()

    def _deadline_passed(self) -> None:
        self._upper.handle_deadline(self._loop.time())
        self._user.read_done()
        self.flush()

    def _close(self, closing: Closing) -> None:
        if self._transport is None:
            return
        if closing is Closing.SHUTDOWN:
            if not self._finished and self._transport.can_write_eof():
                with contextlib.suppress(OSError):  # the peer has reset the connection
                    self._transport.write_eof()
            # What the peer still sends is read and dropped by the machine (Sta13): closing with
            # unread input would send a reset, which can overtake our last PDU.
            self._finished = True
            self._forget_pauses()
        elif not self._transport.is_closing():
            self._finished = True
            self._unread.set(self._loop.time() + self.send_timeout)
            self._transport.close()

    def _forget_pauses(self) -> None:
        for reason in self._pauses - _TURN_ONLY:
            self.resume_reading(reason)


def _address(name: object) -> tuple[str, int]:
    if isinstance(name, tuple) and len(name) >= 2:
        return str(name[0]), int(name[1])
    return str(name or ""), 0
