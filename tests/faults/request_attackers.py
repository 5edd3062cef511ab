"""Attackers that ask for what they may ask for, but for too much, or do not take the answers."""

from __future__ import annotations

import struct
import zlib
from functools import cache
from itertools import count
from typing import TYPE_CHECKING

from tests.faults.horde import RESET, SHUT, Bot, established
from tests.peers import instances, wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GET = "1.2.840.10008.5.1.4.1.2.1.3"
MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
FIND = "1.2.840.10008.5.1.4.1.2.1.1"
COMMITMENT = "1.2.840.10008.1.20.1"
NOBODY_READS = "UNREAD"
"""The destination of C-MOVEs."""
INFLATED = 900_000_000
"""Bytes of the pixel data of a bomb."""


def pauses(seconds: int) -> Iterator[bytes]:
    """Yield so many pauses of a second."""
    yield from [b""] * seconds


def request(field: int, sop_class: str, number: int, *more: bytes, data: bytes) -> bytes:
    """Return a request with a data set, on context 1."""
    command = wire.command_set(
        wire.element(0x0002, wire.uid_value(sop_class)),
        wire.element(0x0100, wire.us(field)),
        wire.element(0x0110, wire.us(number)),
        *more,
        wire.element(0x0700, wire.us(0)),
        wire.element(0x0800, wire.us(1)),
    )
    return wire.message(1, command, data)


def _everything(field: int, sop_class: str, number: int, *more: bytes) -> bytes:
    """Return a request for all instances of the patient whom healthy peers store."""
    level = wire.element(0x0052, b"PATIENT ", 0x0008)
    patient = wire.element(0x0020, b"T1", 0x0010)
    return request(field, sop_class, number, *more, data=level + patient)


def _find(number: int) -> bytes:
    level = wire.element(0x0052, b"IMAGE ", 0x0008)
    keys = wire.element(0x0018, b"", 0x0008) + wire.element(0x0020, b"", 0x0010)
    return request(0x0020, FIND, number, data=level + keys)


@cache
def _blank() -> bytes:
    """Return the end of a deflate stream: pixel data that is blank."""
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    header = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, INFLATED)
    pieces = [packer.compress(header)]
    pieces += [packer.compress(bytes(1 << 20)) for _ in range(INFLATED >> 20)]
    pieces.append(packer.compress(bytes(INFLATED & 0xFFFFF)) + packer.flush())
    return b"".join(pieces)


def _bombs() -> Iterator[bytes]:
    for number in count(1):
        one = instances.make()
        head = one.data_set[: one.data_set.index(b"\xe0\x7f\x10\x00")]
        packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
        data = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH) + _blank()
        data += bytes(len(data) % 2)
        yield wire.message(1, wire.store_rq(one.uid, number % 60_000 + 1), data)
        yield from pauses(5)


def bomb() -> list[Bot]:
    """Deflated instances of 0.9 MB that inflate to 900 MB."""
    context = wire.context(1, wire.CT, wire.DEFLATED)
    return [Bot(established(_bombs(), context)) for _ in range(4)]


def n_data_sets() -> list[Bot]:
    """N-ACTIONs with data sets of 31 MiB, finished and unfinished."""
    context = wire.context(1, COMMITMENT, wire.EXPLICIT)
    command = wire.command_set(
        wire.element(0x0003, wire.uid_value(COMMITMENT)),
        wire.element(0x0100, wire.us(0x0130)),
        wire.element(0x0110, wire.us(1)),
        wire.element(0x0800, wire.us(1)),
        wire.element(0x1001, wire.uid_value(f"{COMMITMENT}.1")),
        wire.element(0x1008, wire.us(1)),
    )
    value = struct.pack("<HH2sHI", 0x0011, 0x0010, b"OB", 0, 31 << 20) + bytes(31 << 20)
    whole = wire.message(1, command, value)
    return [
        *(Bot(established(iter([whole, *pauses(20)]), context)) for _ in range(10)),
        *(Bot(established(iter([whole[:-100], *pauses(600)]), context)) for _ in range(30)),
    ]


def wide_asks() -> list[Bot]:
    """A-ASSOCIATE-RQs with 128 contexts and thousands of user items, again and again."""
    syntaxes = [wire.IMPLICIT, wire.EXPLICIT, *(f"1.2.3.{n}" for n in range(60))]
    contexts = [wire.context(2 * n + 1, f"1.2.840.{n}", *syntaxes) for n in range(128)]
    roles = b"".join(
        wire.item(0x54, struct.pack(">H", len(uid)) + uid + b"\1\1")
        for uid in (b"1.2.840.%d" % n for n in range(2_500))
    )
    user = wire.item(0x50, wire.item(0x51, struct.pack(">I", 16384)) + roles)
    ask = wire.associate_rq(*contexts, user=user)
    return [Bot(iter([ask, *pauses(1), RESET])) for _ in range(20)]


def titles() -> list[Bot]:
    """One C-STORE for each association, each of another calling AE title."""
    made = count()

    def store() -> Iterator[bytes]:
        one = instances.make()
        yield wire.associate_rq(one.context(), calling=f"T{next(made) % 1_000_000}")
        yield wire.message(1, wire.store_rq(one.uid), one.data_set)
        yield b""
        yield wire.release_rq()
        yield b""

    return [Bot(store()) for _ in range(50)]


def slow_finds() -> list[Bot]:
    """C-FINDs for all instances whose answers are not read."""
    context = wire.context(1, FIND, wire.IMPLICIT)
    return [
        Bot(established(iter([_find(1), *pauses(600)]), context), reads=False) for _ in range(20)
    ]


def unanswered_gets() -> list[Bot]:
    """C-GETs whose requestor answers no C-STORE."""
    role = struct.pack(">H", len(wire.CT)) + wire.CT.encode() + b"\0\1"
    user = wire.item(0x50, wire.item(0x51, struct.pack(">I", 16384)) + wire.item(0x54, role))
    ask = wire.associate_rq(
        wire.context(1, GET, wire.IMPLICIT), wire.context(3, wire.CT, wire.EXPLICIT), user=user
    )
    return [Bot(iter([ask, b"", _everything(0x0010, GET, 1), *pauses(600)])) for _ in range(20)]


def moves() -> list[Bot]:
    """C-MOVEs to a destination that never reads."""
    destination = wire.element(0x0600, NOBODY_READS.encode())
    context = wire.context(1, MOVE, wire.IMPLICIT)
    ask = _everything(0x0021, MOVE, 1, destination)
    return [Bot(established(iter([ask, *pauses(600)]), context)) for _ in range(20)]


def never_released() -> list[Bot]:
    """Associations with requests in flight that ask on and never release."""

    def ask() -> Iterator[bytes]:
        for number in range(1, 60_000):
            yield _find(number)
            yield b""

    context = wire.context(1, FIND, wire.IMPLICIT)
    return [Bot(established(ask(), context)) for _ in range(100)]


def half_open() -> list[Bot]:
    """Connections whose peers have shut their side, before and after the association."""
    ct = wire.context(1, wire.CT, wire.IMPLICIT)
    begun = wire.p_data(wire.pdv(1, 3, wire.store_rq("1.2.3", 1)))
    return [
        *(Bot(iter([SHUT, *pauses(600)])) for _ in range(500)),
        *(Bot(established(iter([SHUT, *pauses(600)]), ct)) for _ in range(300)),
        *(Bot(established(iter([begun, SHUT, *pauses(600)]), ct)) for _ in range(200)),
    ]


def resets() -> list[Bot]:
    """Connections that are reset in each phase."""
    ct = wire.context(1, wire.CT, wire.EXPLICIT)
    ask, one = wire.associate_rq(ct), instances.make(size=100_000)
    store = wire.message(1, wire.store_rq(one.uid), one.data_set)
    phases: list[list[bytes]] = [
        [],
        [ask[:40]],
        [ask],
        [ask, b""],
        [ask, b"", store[:30]],
        [ask, b"", store[:-50_000]],
        [ask, b"", store],
        [ask, b"", wire.release_rq()],
        [ask, b"", wire.abort()],
    ]
    return [Bot(iter([*phase, RESET])) for phase in phases for _ in range(6)]


ATTACKS: dict[str, Callable[[], list[Bot]]] = {
    "bomb": bomb,
    "n-data-sets": n_data_sets,
    "wide-asks": wide_asks,
    "titles": titles,
    "slow-finds": slow_finds,
    "unanswered-gets": unanswered_gets,
    "moves": moves,
    "never-released": never_released,
    "half-open": half_open,
    "resets": resets,
}
