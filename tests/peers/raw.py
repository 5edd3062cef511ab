"""A peer that sends any bytes and looks at what comes back, byte by byte."""

from __future__ import annotations

import select
import socket
import struct
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.patience import WALL
from tests.peers import wire

if TYPE_CHECKING:
    from collections.abc import Iterator

Address = tuple[str, int]


class ConnectionReset:
    """The value that `recv_pdu` returns for an RST: never equal to any bytes."""

    def __repr__(self) -> str:
        return "<connection reset>"


RESET = ConnectionReset()
EOF = b""


@dataclass(frozen=True)
class Response:
    """One DIMSE message that came back."""

    context_id: int
    command: bytes
    lengths: tuple[int, ...]
    """Of its P-DATA-TF PDUs."""
    fragments: tuple[int, ...]

    @property
    def elements(self) -> dict[int, bytes]:
        return wire.parse_command(self.command)

    @property
    def status(self) -> int:
        return wire.status_of(self.command)

    @property
    def message_id(self) -> int:
        return int.from_bytes(self.elements[0x0120], "little")


class RawPeer:
    """A TCP client with a deadline on every call."""

    def __init__(
        self, address: Address, *, timeout: float = WALL, rcvbuf: int = 0, source: str = ""
    ) -> None:
        self.address = address
        self.sock = socket.socket()
        if source:
            self.sock.bind((source, 0))
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.sock.connect(address)
        except OSError:
            self.sock.close()
            raise
        self.accepted: wire.Accepted | None = None
        self._buffer = b""

    def __enter__(self) -> RawPeer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Close with an RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def shutdown(self) -> None:
        """Send a FIN, go on reading."""
        self.sock.shutdown(socket.SHUT_WR)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def try_send(self, data: bytes) -> bool:
        """Send what a peer that is going away may no longer take."""
        try:
            self.sock.sendall(data)
        except OSError:
            return False
        return True

    def _exactly(self, count: int) -> bytes | ConnectionReset:
        while len(self._buffer) < count:
            try:
                chunk = self.sock.recv(65536)
            except (ConnectionResetError, BrokenPipeError):
                return RESET
            if not chunk:
                rest, self._buffer = self._buffer, b""
                return rest
            self._buffer += chunk
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def recv_pdu(self) -> bytes | ConnectionReset:
        """One whole PDU; b"" at the end of the stream; RESET after an RST; TimeoutError."""
        head = self._exactly(6)
        if isinstance(head, ConnectionReset) or len(head) < 6:
            return head
        body = self._exactly(int.from_bytes(head[2:], "big"))
        return RESET if isinstance(body, ConnectionReset) else head + body

    def recv_all(self) -> list[bytes | ConnectionReset]:
        """Every PDU up to the end of the stream, which is the last element: EOF or RESET."""
        out = []
        while True:
            got = self.recv_pdu()
            out.append(got)
            if got in (EOF,) or got is RESET:
                return out

    def associate(self, *contexts: bytes, **fields) -> wire.Accepted:
        """Send an A-ASSOCIATE-RQ, return the A-ASSOCIATE-AC."""
        self.send(wire.associate_rq(*contexts, **fields))
        got = self.recv_pdu()
        if not isinstance(got, bytes) or got[:1] != b"\x02":
            raise AssertionError(f"expected an A-ASSOCIATE-AC, got {show(got)}")
        self.accepted = wire.parse_ac(got)
        return self.accepted

    def recv_response(self) -> Response:
        """One DIMSE response without data set, whatever its fragments."""
        command, fragments, lengths = b"", [], []
        while True:
            got = self.recv_pdu()
            if not isinstance(got, bytes) or got[:1] != b"\x04":
                raise AssertionError(f"expected a P-DATA-TF, got {show(got)}")
            lengths.append(len(got) - 6)
            for context_id, header, data in wire.parse_pdvs(got):
                if not header & 1:
                    raise AssertionError("expected a command fragment, got one of a data set")
                command += data
                fragments.append(len(data))
                if header & 2:
                    return Response(context_id, command, tuple(lengths), tuple(fragments))

    def echo(self, message_id: int = 1, *, context_id: int = 1) -> Response:
        self.send(wire.message(context_id, wire.echo_rq(message_id)))
        return self.recv_response()

    def store(self, instance, message_id: int = 1, *, context_id: int = 1) -> Response:
        """C-STORE an `instances.Instance`, return the response."""
        command = wire.store_rq(instance.uid, message_id, sop_class=instance.sop_class)
        self.send(wire.message(context_id, command, instance.data_set))
        return self.recv_response()

    def release(self) -> None:
        """Release and check that the acceptor answers and closes its side."""
        self.send(wire.release_rq())
        got = self.recv_pdu()
        if got != wire.release_rp():
            raise AssertionError(f"expected an A-RELEASE-RP, got {show(got)}")

    def closed_within(self, seconds: float) -> bool:
        """Whether the peer's socket is gone (not just shut down for writing) in time.

        Bytes are sent until the peer's kernel answers with an RST: one that only drains takes them.
        """
        poll = select.poll()
        poll.register(self.sock, select.POLLERR)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                self.sock.send(b"\0")
            except (ConnectionResetError, BrokenPipeError):
                return True
            if any(state & (select.POLLERR | select.POLLHUP) for _, state in poll.poll(20)):
                return True
        return False


def show(got: bytes | ConnectionReset) -> str:
    if isinstance(got, ConnectionReset):
        return repr(got)
    return f"{got[:80].hex(' ')} ({len(got)} bytes)" if got else "end of stream"


@contextmanager
def association(address: Address, *contexts: bytes, **fields) -> Iterator[RawPeer]:
    """An established association, released at the end if the test did not end it."""
    with RawPeer(address) as peer:
        peer.associate(*contexts, **fields)
        yield peer


def echo_ok(address: Address, *, timeout: float = WALL) -> bool:
    """One whole C-ECHO by a healthy peer: associate, echo, release."""
    with RawPeer(address, timeout=timeout) as peer:
        peer.associate(wire.context(1))
        response = peer.echo(7)
        peer.release()
        return response.command == wire.echo_rsp(7)


def echoes(address: Address) -> bool:
    """Whether a C-ECHO succeeds, also if the gateway cannot be reached, or rejects it."""
    try:
        return echo_ok(address)
    except (OSError, AssertionError):
        return False


class RawAcceptor:
    """A listening socket whose accepted connections are driven by the test as `RawPeer`s."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(WALL)
        self.address: Address = self.listener.getsockname()

    def __enter__(self) -> RawAcceptor:
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()

    def accept(self, timeout: float = WALL) -> RawPeer:
        sock, address = self.listener.accept()
        sock.settimeout(timeout)
        peer = RawPeer.__new__(RawPeer)
        peer.address, peer.sock, peer.accepted, peer._buffer = address, sock, None, b""
        return peer
