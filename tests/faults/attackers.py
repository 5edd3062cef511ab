"""Peers that mean no good: `python -m tests.faults.attackers NAME HOST PORT SOURCE`.

Each connects from the address SOURCE, goes on until its standard input is closed, and opens again
what the gateway closes. They run in a process of their own, with low priority, so that they take no
time from the peers that are measured.
"""

from __future__ import annotations

import os
import resource
import selectors
import socket
import ssl
import struct
import sys
import time
import zlib
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from tests.peers import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
_BOTH = selectors.EVENT_READ | selectors.EVENT_WRITE
RETRY = 0.2
"""Seconds between two attempts to connect."""


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


def _forever(piece: bytes) -> Iterator[bytes]:
    while True:
        yield piece


def _slowly(data: bytes) -> Iterator[bytes]:
    for byte in data:
        yield bytes((byte,))
        yield b""


def _store(*then: bytes) -> Iterator[bytes]:
    yield wire.p_data(wire.pdv(1, 3, wire.store_rq("1.2.3", 1)))
    yield from then


def _identifier(data: bytes, number: int = 1) -> bytes:
    """Return a C-FIND-RQ."""
    command = wire.command_set(
        wire.element(0x0002, wire.uid_value(FIND)),
        wire.element(0x0100, wire.us(0x0020)),
        wire.element(0x0110, wire.us(number)),
        wire.element(0x0700, wire.us(0)),
        wire.element(0x0800, wire.us(1)),
    )
    return wire.message(1, command, data)


def element(group: int, tag: int, vr: bytes, value: bytes) -> bytes:
    """Explicit VR little endian."""
    value += b"\0" * (len(value) % 2)
    if vr in (b"SQ", b"UT", b"OB"):
        return struct.pack("<HH2sHI", group, tag, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", group, tag, vr, len(value)) + value


LEVEL = element(0x0008, 0x0052, b"CS", b"STUDY")


@cache
def _deflated() -> bytes:
    inflated = (
        LEVEL + element(0x0010, 0x0010, b"PN", b"*") + element(0x4000, 0x10, b"UT", bytes(1 << 28))
    )
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(inflated) + packer.flush()


@cache
def _many_keys() -> bytes:
    keys = b"".join(
        element(0x0011 + 2 * (n >> 12), 0x1000 + (n & 0xFFF), b"LO", b"") for n in range(80_000)
    )
    return LEVEL + keys


@cache
def _many_uids() -> bytes:
    uids = b"\\".join(b"1.2.%d" % n for n in range(5_000))
    return LEVEL + element(0x0020, 0x000D, b"UI", uids[:60_000])


@cache
def _wildcards() -> bytes:
    return LEVEL + element(0x0010, 0x0010, b"PN", b"*a" * 30_000)


def _queries(data: bytes) -> Iterator[bytes]:
    number = 0
    while True:
        number = number % 60_000 + 1
        yield _identifier(data, number)
        yield b""


def pipeline() -> list[Bot]:
    """Requests without pause: one that reads, five that do not, and other small things."""
    echo = wire.message(1, wire.echo_rq(1)) * 500
    cancel = wire.message(1, wire.cancel_rq(1)) * 500
    ct = wire.context(1, wire.CT, wire.IMPLICIT)
    empty, tiny = wire.p_data(wire.pdv(1, 0, b"")) * 1000, wire.p_data(wire.pdv(1, 0, b"x")) * 1000
    return [
        *(Bot(established(_forever(echo))) for _ in range(3)),
        *(Bot(established(_forever(echo)), reads=False) for _ in range(5)),
        Bot(established(_forever(cancel))),
        Bot(established(_store(*[empty] * 1_000_000), ct)),
        Bot(established(_store(*[tiny] * 1_000_000), ct)),
    ]


def gather() -> list[Bot]:
    """Unfinished identifiers and A-ASSOCIATE-RQs, as large as may be."""
    context = wire.context(1, FIND, wire.IMPLICIT)
    half = _identifier(bytes(1_000_000))[:-10]
    ask = wire.pdu(1, bytes(1_000_000))[:-10]
    bots = [Bot(established(iter([half, *[b""] * 600]), context)) for _ in range(150)]
    return bots + [Bot(iter([ask, *[b""] * 600])) for _ in range(150)]


def identifiers() -> list[Bot]:
    """Identifiers that inflate, have a great many keys, long lists, and wildcards."""
    plain = wire.context(1, FIND, wire.EXPLICIT)
    return [
        *(
            Bot(established(_queries(_deflated()), wire.context(1, FIND, DEFLATED)))
            for _ in range(3)
        ),
        *(
            Bot(established(_queries(make()), plain))
            for make in (_many_keys, _many_uids, _wildcards)
        ),
    ]


def trickle() -> list[Bot]:
    """More associations than there are places, each with a byte a second."""
    ct = wire.context(1, wire.CT, wire.IMPLICIT)
    data = wire.p_data(wire.pdv(1, 0, bytes(16000)))
    return [Bot(established(_slowly(data), ct)) for _ in range(1_200)]


def silent() -> list[Bot]:
    """More connections than may wait, which say nothing."""
    return [Bot(iter([b""] * 100_000)) for _ in range(3_000)]


def stalled_tls() -> list[Bot]:
    """TLS handshakes that stop after the first record."""
    hello = _client_hello()
    return [Bot(iter([hello[:-20], *[b""] * 600])) for _ in range(3_000)]


def flood() -> list[Bot]:
    """Connections that break the protocol at once, again and again."""
    return [Bot(iter([wire.associate_rq() + wire.pdu(0x99, b"")])) for _ in range(20)]


@cache
def _client_hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    machine = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="x")
    with suppress(ssl.SSLWantReadError):
        machine.do_handshake()
    return outgoing.read()


ATTACKS: dict[str, Callable[[], list[Bot]]] = {
    "pipeline": pipeline,
    "gather": gather,
    "identifiers": identifiers,
    "trickle": trickle,
    "silent": silent,
    "stalled-tls": stalled_tls,
    "flood": flood,
}


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
            bot.pending = memoryview(next(bot.sends))
            if not bot.pending:
                if bot.reads:
                    self._selector.modify(connection, selectors.EVENT_READ, bot)
                else:
                    self._selector.unregister(connection)
                self._idle.append((time.monotonic() + 1.0, bot, connection))
                return
        sent = connection.send(bot.pending)
        bot.pending = bot.pending[sent:]


def main() -> None:
    name, host, port, source = sys.argv[1:]
    os.nice(10)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    Horde(ATTACKS[name], (host, int(port)), source).run()


if __name__ == "__main__":
    main()
