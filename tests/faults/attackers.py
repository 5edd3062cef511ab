"""Peers that mean no good: `python -m tests.faults.attackers NAME HOST PORT SOURCE EVERY`.

Each connects from the address SOURCE, goes on until its standard input is closed, and opens again
what the gateway closes. They run in a process of their own, with low priority, so that they take no
time from the peers that are measured.
"""

from __future__ import annotations

import os
import resource
import ssl
import struct
import sys
import zlib
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from tests.faults import request_attackers
from tests.faults.horde import Bot, Horde, established, forever, slowly
from tests.faults.request_attackers import request
from tests.peers import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"


def _store(*then: bytes) -> Iterator[bytes]:
    yield wire.p_data(wire.pdv(1, 3, wire.store_rq("1.2.3", 1)))
    yield from then


def _identifier(data: bytes, number: int = 1) -> bytes:
    """Return a C-FIND-RQ."""
    return request(0x0020, FIND, number, data=data)


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
        *(Bot(established(forever(echo))) for _ in range(3)),
        *(Bot(established(forever(echo)), reads=False) for _ in range(5)),
        Bot(established(forever(cancel))),
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
    return [Bot(established(slowly(data), ct)) for _ in range(1_200)]


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
    **request_attackers.ATTACKS,
}


def main() -> None:
    name, host, port, source, every = sys.argv[1:]
    os.nice(10)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    Horde(lambda: ATTACKS[name]()[:: int(every)], (host, int(port)), source).run()


if __name__ == "__main__":
    main()
