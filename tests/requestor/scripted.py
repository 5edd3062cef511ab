"""An SCP that does what a test says, message by message, right or wrong."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.patience import WALL
from tests.peers import wire
from tests.peers.raw import EOF, RawAcceptor, RawPeer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.peers.raw import Address


@dataclass(frozen=True)
class Message:
    """One DIMSE message as it came."""

    context_id: int
    command: dict[int, bytes]
    data_set: bytes

    @property
    def field(self) -> int:
        return int.from_bytes(self.command[0x0100], "little")

    @property
    def message_id(self) -> int:
        return int.from_bytes(self.command[0x0110], "little")

    @property
    def instance(self) -> str:
        return self.command[0x1000].decode().rstrip("\0")


class Acceptor:
    """One accepted connection, for a script."""

    def __init__(self, peer: RawPeer) -> None:
        self.peer = peer
        self.request = b""
        self.proposed: list[tuple[int, str, list[str]]] = []
        self.user: list[tuple[int, bytes]] = []

    def take_request(self) -> None:
        got = self.peer.recv_pdu()
        assert isinstance(got, bytes)
        assert got[:1] == b"\x01", got
        self.request = got
        for kind, body in wire.items_of(got[74:]):
            if kind == 0x20:
                subs = wire.items_of(body[4:])
                (abstract,) = [b.decode() for k, b in subs if k == 0x30]
                self.proposed.append(
                    (body[0], abstract, [b.decode() for k, b in subs if k == 0x40])
                )
            elif kind == 0x50:
                self.user = wire.items_of(body)

    def accept(self, *subs: bytes, refuse: tuple[str, ...] = (), max_length: int = 16384) -> None:
        """Accept every context in its first syntax, except for syntaxes and classes in `refuse`."""
        self.take_request()
        answers = []
        for id_, abstract, syntaxes in self.proposed:
            left = [syntax for syntax in syntaxes if syntax not in refuse]
            bad = 3 if abstract in refuse else 4
            good = left and abstract not in refuse
            answers.append((id_, 0 if good else bad, left[0] if left else syntaxes[0]))
        items = wire.maximum_length(max_length), wire.implementation(), *subs
        self.peer.send(wire.associate_ac(*answers, user=wire.user_information(*items)))

    def message(self) -> Message:
        """The next message of the peer, whole."""
        command, data, context_id = b"", b"", 0
        while True:
            got = self.peer.recv_pdu()
            assert isinstance(got, bytes)
            assert got[:1] == b"\x04", got[:10]
            for context_id, header, piece in wire.parse_pdvs(got):
                if header & 1:
                    command += piece
                else:
                    data += piece
                if header & 2:
                    elements = wire.parse_command(command)
                    if not header & 1 or elements[0x0800] == wire.us(wire.NO_DATA_SET):
                        return Message(context_id, elements, data)

    def respond(
        self, message: Message, status: int, data_set: bytes | None = None, *more: bytes
    ) -> None:
        uid = message.command.get(0x0002) or message.command[0x0003]
        command = wire.command_set(
            wire.element(0x0002, uid),
            wire.element(0x0100, wire.us(message.field | 0x8000)),
            wire.element(0x0120, wire.us(message.message_id)),
            wire.element(0x0800, wire.us(wire.NO_DATA_SET if data_set is None else 1)),
            wire.element(0x0900, wire.us(status)),
            *more,
        )
        self.peer.send(wire.message(message.context_id, command, data_set))

    def release(self) -> None:
        """Expect a release, answer it, see the end."""
        assert self.peer.recv_pdu() == wire.release_rq()
        self.peer.send(wire.release_rp())
        assert self.peer.recv_pdu() == EOF


Script = "Callable[[Acceptor], object]"


def one_at_a_time(*instances: str) -> Script:
    """Return a script that stores these, of which none may come before the last was answered."""

    def script(acceptor: Acceptor) -> None:
        acceptor.accept()
        for instance in instances:
            message = acceptor.message()
            assert message.instance == instance
            acceptor.peer.sock.settimeout(0.05)
            with pytest.raises(TimeoutError):
                acceptor.peer.recv_pdu()
            acceptor.peer.sock.settimeout(WALL)
            acceptor.respond(message, 0x0000)
        acceptor.release()

    return script


@contextmanager
def scripted(*scripts: Script) -> Iterator[Address]:
    """An address where each connection meets the next script, the last one again and again.

    What a script raises fails the test.
    """
    failures: list[BaseException] = []
    stopping = threading.Event()

    def serve() -> None:
        left = list(scripts)
        while True:
            try:
                peer = acceptor.accept()
            except OSError:
                return
            if stopping.is_set():
                peer.close()
                return
            script = left.pop(0) if len(left) > 1 else left[0]
            try:
                script(Acceptor(peer))
            except BaseException as error:
                failures.append(error)
            finally:
                peer.close()

    with RawAcceptor() as acceptor:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield acceptor.address
        finally:
            stopping.set()
            RawPeer(acceptor.address).close()  # wakes the accept
            thread.join(WALL)
        assert not thread.is_alive(), "the script still runs"
    if failures:
        raise failures[0]
