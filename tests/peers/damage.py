"""Bad input for a served gateway: PDUs, command sets, data sets and identifiers, each reproducible.

Whatever is damaged at random is so with a seed, so a failure is found again.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tests.peers import instances, wire

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

LONG_VRS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT"))
ODD_VRS = (b"--", b"  ", b"??", b"\0\0", b"lo", b"OX", b"UN", b"SQ", b"OB", b"US", b"AT", b"FD")
PLANTED = b"ZORBLAX^PLANTED"
"""A patient's name, which must not be in any log."""
ODD_VALUES = (
    PLANTED,
    PLANTED,
    PLANTED,
    b"",
    b" ",
    b"\0",
    b"*",
    b"?" * 70,
    b"\\" * 9,
    b"\xc4\xd0",
    b"abc",
    b"1 2",
    b"1.2.826.ABC.1",
    b"1.2\n",
    b"9" * 80,
    b"20261399-",
    b"-",
    b"--",
    b"20260101-20250101",
    b"256161",
    b"\x1b$)A\x0e\xff",
    b"^=^=^=^=",
    b"1e999\\nan",
    b"%s{0}'; DROP TABLE x;--",
    b"\xff\xff\xff\xff",
)


def damaged(data: bytes, dice: random.Random) -> bytes:
    """Return the bytes with some of them cut, doubled, changed, or replaced by a length."""
    out = bytearray(data)
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(out) or 1)
        match dice.randrange(5):
            case 0:
                del out[at:]
            case 1:
                del out[at : at + dice.randint(1, 9)]
            case 2:
                out[at:at] = out[at : at + dice.randint(1, 40)]
            case 3:
                out[at : at + 1] = bytes((dice.randrange(256),))
            case 4:
                out[at : at + 4] = dice.choice((b"\xff\xff\xff\xff", bytes(4), b"\xfe\xff\x0d\xe0"))
    return bytes(out)


def element(
    tag: int, vr: bytes, value: bytes, syntax: str = wire.EXPLICIT, *, length: int | None = None
) -> bytes:
    """Return an element written exactly so, whatever its VR allows."""
    order = ">" if syntax == wire.BIG_ENDIAN else "<"
    size = len(value) if length is None else length
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    if syntax == wire.IMPLICIT:
        return head + struct.pack(f"{order}L", size) + value
    if vr in LONG_VRS or vr in ODD_VRS[:6]:
        return head + vr + struct.pack(f"{order}HL", 0, size) + value
    return head + vr + struct.pack(f"{order}H", size & 0xFFFF) + value


_KEYS = (
    (0x00080005, b"CS"),
    (0x00080018, b"UI"),
    (0x00080020, b"DA"),
    (0x00080030, b"TM"),
    (0x00080061, b"CS"),
    (0x00081111, b"SQ"),
    (0x00100010, b"PN"),
    (0x00100020, b"LO"),
    (0x00100040, b"CS"),
    (0x0020000D, b"UI"),
    (0x0020000E, b"UI"),
    (0x00200011, b"IS"),
    (0x00201208, b"IS"),
    (0x00280010, b"US"),
    (0x00091001, b"UN"),
)
SYNTAXES = (wire.IMPLICIT, wire.EXPLICIT, wire.BIG_ENDIAN, wire.DEFLATED)


def identifiers(syntax: str, dice: random.Random, count: int) -> Iterator[bytes]:
    """Yield identifiers of C-FIND, C-GET and C-MOVE with odd VRs, odd values and odd lengths."""
    for _ in range(count):
        level = dice.choice((b"PATIENT ", b"STUDY ", b"SERIES", b"IMAGE ", b"STUDY\0", b"x", b""))
        chosen = sorted(dice.sample(_KEYS, dice.randint(1, 6)))
        pieces = [element(0x00080052, b"CS", level, syntax)]
        for tag, vr in chosen:
            value = dice.choice(ODD_VALUES)
            odd = vr if dice.random() < 0.6 else dice.choice(ODD_VRS)
            length = None if dice.random() < 0.85 else dice.choice((40, 0xFFFF, 0xFFFFFFFF))
            pieces.append(element(tag, odd, value, syntax, length=length))
        whole = b"".join(sorted(pieces) if dice.random() < 0.5 else pieces)
        yield damaged(whole, dice) if dice.random() < 0.3 else whole
    nested = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    yield element(0x00080052, b"CS", b"STUDY ") + nested * 3000


def data_sets(syntax: str, dice: random.Random, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield UIDs and data sets of instances with odd elements, cut or changed anywhere."""
    for _ in range(count):
        one = instances.make(syntax, size=1024)
        if dice.random() < 0.5:
            yield one.uid, damaged(one.data_set, dice)
            continue
        tag, vr = dice.choice(_KEYS)
        odd = vr if dice.random() < 0.5 else dice.choice(ODD_VRS)
        more = element(tag, odd, dice.choice(ODD_VALUES), syntax)
        at = dice.choice((0, len(one.data_set) // 2, len(one.data_set)))
        yield one.uid, one.data_set[:at] + more + one.data_set[at:]
