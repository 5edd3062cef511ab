"""The connections of one attacker: streams of bytes, in one thread, opened again when they end."""

from __future__ import annotations

import selectors
import socket
import struct
import sys
import time
from typing import TYPE_CHECKING

from tests.peers import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BOTH = selectors.EVENT_READ | selectors.EVENT_WRITE
RETRY = 0.2
"""Seconds between two attempts to connect."""
RESET = b"RESET"
"""In place of a piece, this very object: reset the connection."""
SHUT = b"SHUT"
"""In place of a piece: send no more, but leave the connection open."""


class Bot:
    """One connection of an attacker: a stream of bytes to send, and whether it reads."""

    def __init__(self, sends: Iterator[bytes], *, reads: bool = True) -> None:
        self.sends = sends
        self.reads = reads
        self.pending = memoryview(b"")
        self.number = 0


def established(
    then: Iterator[bytes], *contexts: bytes, calling: str = "ATTACKER"
) -> Iterator[bytes]:
    """Yield an A-ASSOCIATE-RQ and what follows; an empty piece waits a second."""
    yield wire.associate_rq(*(contexts or (wire.context(1),)), calling=calling)
    yield b""
    yield from then


def forever(piece: bytes) -> Iterator[bytes]:
    while True:
        yield piece


def slowly(data: bytes) -> Iterator[bytes]:
    for byte in data:
        yield bytes((byte,))
        yield b""


class Horde:
    """The connections of one attack, in one thread."""

    def __init__(
        self, make: Callable[[], list[Bot]], address: tuple[str, int], source: str
    ) -> None:
        self._make = make
        self._address = address
        self._source = source
        self._selector = selectors.DefaultSelector()
        self._idle: list[tuple[float, Bot, socket.socket]] = []
        self._absent: list[tuple[float, int]] = []
        self._spare = bytearray(1 << 16)

    def run(self) -> None:
        for number in range(len(self._make())):
            self._absent.append((0.0, number))
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            for key, events in self._selector.select(0.05):
                if key.fileobj is sys.stdin:
                    return
                self._go_on(key.fileobj, key.data, events)
            now = time.monotonic()
            self._wake(now)
            self._connect(now)

    def _connect(self, now: float) -> None:
        due = [one for one in self._absent[:64] if one[0] <= now]
        if not due:
            return
        del self._absent[: len(due)]
        fresh = self._make()
        for _, number in due:
            connection = socket.socket()
            connection.setblocking(False)
            connection.bind((self._source, 0))
            connection.connect_ex(self._address)
            bot = fresh[number]
            bot.number = number
            self._selector.register(connection, _BOTH, bot)

    def _wake(self, now: float) -> None:
        due = [one for one in self._idle if one[0] <= now]
        if due:
            self._idle = [one for one in self._idle if one[0] > now]
            for _, bot, connection in due:
                if connection.fileno() < 0:
                    continue
                if bot.reads:
                    self._selector.modify(connection, _BOTH, bot)
                else:
                    self._selector.register(connection, _BOTH, bot)

    def _go_on(self, connection: socket.socket, bot: Bot, events: int) -> None:
        try:
            if (
                events & selectors.EVENT_READ
                and bot.reads
                and not connection.recv_into(self._spare)
            ):
                raise ConnectionError
            if events & selectors.EVENT_WRITE:
                self._send(connection, bot)
        except BlockingIOError:
            return
        except (OSError, StopIteration):
            self._selector.unregister(connection)
            connection.close()
            self._absent.append((time.monotonic() + RETRY, bot.number))

    def _send(self, connection: socket.socket, bot: Bot) -> None:
        if not bot.pending:
            piece = next(bot.sends)
            if piece is RESET:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raise ConnectionError
            if piece is SHUT:
                connection.shutdown(socket.SHUT_WR)
                piece = b""
            bot.pending = memoryview(piece)
            if not bot.pending:
                if bot.reads:
                    self._selector.modify(connection, selectors.EVENT_READ, bot)
                else:
                    self._selector.unregister(connection)
                self._idle.append((time.monotonic() + 1.0, bot, connection))
                return
        sent = connection.send(bot.pending)
        bot.pending = bot.pending[sent:]
