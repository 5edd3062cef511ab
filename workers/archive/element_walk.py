"""Extract the wanted top-level elements of an encoded data set (PS3.5 7.1).

Values of wanted elements are copied as bytes; others are skipped by their length. Elements of
undefined length are walked with a depth counter in place of recursion, because a peer can nest
sequences as deep as it likes.
"""

from __future__ import annotations

import mmap
import struct
from struct import Struct
from typing import Any, NamedTuple

from gateway.sdk import GatewayError
from workers.archive.element_runs import (
    MAX_RUN,
    SHORT_HEADER,
    SHORT_VRS,
    WANTED,
    Run,
    known,
    remember,
)

Buffer = bytes | memoryview | mmap.mmap

IMPLICIT = "1.2.840.10008.1.2"
BIG_ENDIAN = "1.2.840.10008.1.2.2"

MAX_DEPTH = 512
"""Limit of nested sequences; structured reports have some ten."""
MAX_ELEMENTS = 1 << 20
"""Limit of elements and items that are read."""
MAX_VALUE = 16 * 1024
"""Bytes of a value that are used."""

_TOO_MANY = "the data set has too many elements"
_UNDEFINED = 0xFFFFFFFF
PIXELS = 0x7FE00008
"""Float Pixel Data, the first of the elements at which the walk ends."""
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN"))
_LONG |= frozenset((b"UR", b"UT", b"UV"))


class HeaderError(GatewayError):
    """The values for the index cannot be read from the data set."""


class NotUnderstood(Exception):  # noqa: N818 - control flow, not an error
    """The data set has elements that only pydicom understands."""


class TooShort(Exception):  # noqa: N818 - control flow, not an error
    """The bytes end before the wanted elements do."""


class _Order(NamedTuple):
    """The encoding of element headers in one byte order (PS3.5 7.1)."""

    explicit: Struct
    """Tag, VR and, for most VRs, length."""
    implicit: Struct
    """Tag and length."""
    long: Struct
    """The length after the other VRs."""


_LITTLE = _Order(Struct("<HH2sH"), Struct("<HHL"), Struct("<L"))
_BIG = _Order(Struct(">HH2sH"), Struct(">HHL"), Struct(">L"))


def wanted_elements(data: Buffer, transfer_syntax: str) -> dict[str, bytes]:
    """Return the wanted values by keyword; raises NotUnderstood, TooShort or HeaderError."""
    order = _BIG if transfer_syntax == BIG_ENDIAN else _LITTLE
    walk = _Walk(data, order, explicit=transfer_syntax != IMPLICIT)
    found: dict[str, bytes] = {}
    at, end = walk.skim(0, found), len(data)
    while at < end:
        tag, vr, length, at = walk.element(at)
        if tag >= PIXELS and tag >> 16 == 0x7FE0:
            return found
        if _is_misplaced(tag):
            raise NotUnderstood
        if length == _UNDEFINED:
            at = walk.skim(walk.past(at, vr), found)
            continue
        if tag in WANTED:
            found[WANTED[tag]] = _value(data, at, length)
        elif vr == b"SQ" and length:
            walk.descend(at)
        at = walk.skim(at + length, found)
    if at > end:
        raise TooShort
    return found


def _is_misplaced(tag: int) -> bool:
    """Return whether a tag cannot be at the top level: item, file meta or command element."""
    return tag >> 16 in (0xFFFE, 0x0002) or (tag < 0x00080000 and tag & 0xFFFF != 0)


def _value(data: Buffer, at: int, length: int) -> bytes:
    length = min(length, MAX_VALUE)
    value = bytes(data[at : at + length])
    if len(value) != length:
        raise TooShort
    return value


class _Walk:
    """Walks over elements, within limits."""

    def __init__(self, data: Buffer, order: _Order, *, explicit: bool) -> None:
        self._data = data
        self._last = len(data) - 8
        self._explicit = explicit
        self._skims = (
            explicit
            and order is _LITTLE
            and isinstance(data, bytes)
            and len(data) <= 8 * MAX_ELEMENTS  # or elements would have to be counted
        )
        self._unpack = (order.explicit if explicit else order.implicit).unpack_from
        self._unpack_long = order.long.unpack_from
        self._left = MAX_ELEMENTS

    def element(self, at: int) -> tuple[int, bytes, int, int]:
        """Return tag, VR, length, and where the value begins."""
        if at > self._last:
            raise TooShort
        self._left -= 1
        if self._left < 0:
            raise HeaderError(_TOO_MANY)
        if not self._explicit:
            group, number, length = self._unpack(self._data, at)
            return group << 16 | number, b"", length, at + 8
        group, number, vr, length = self._unpack(self._data, at)
        tag = group << 16 | number
        if group == 0xFFFE:  # items have no VR
            return tag, b"", self._unpack_long(self._data, at + 4)[0], at + 8
        if vr in SHORT_VRS:
            return tag, vr, length, at + 8
        if vr not in _LONG:
            raise NotUnderstood
        if at + 4 > self._last:
            raise TooShort
        return tag, vr, self._unpack_long(self._data, at + 8)[0], at + 12

    def skim(self, at: int, found: dict[str, bytes]) -> int:
        """Read elements with a short length field, the most frequent; return where others begin."""
        if not self._skims:
            return at
        data: Any = self._data
        while (run := known(data[at : at + 8])) is not None:
            try:
                heads = run.heads(data, at)
                if heads != run.expected:
                    run = remember(run.common(heads))
                found.update(zip(run.keywords, run.values(data, at), strict=True))
            except struct.error:  # the run is longer than the rest of the data
                break
            at += run.length
        return self._learn(at, found)

    def _learn(self, at: int, found: dict[str, bytes]) -> int:
        """Read elements one by one, and remember them as a run."""
        data: Any = self._data
        heads = []
        while at <= self._last:
            group, number, vr, length = SHORT_HEADER(data, at)
            keyword = WANTED.get(group << 16 | number)
            if vr not in SHORT_VRS or not (keyword or 0x0008 <= group < 0x7FE0):
                break
            heads.append(data[at : at + 8])
            at += 8
            if keyword:
                found[keyword] = data[at : at + length]
            at += length
        if heads:
            remember(Run.of(heads[:MAX_RUN]))
        return at

    def past(self, at: int, vr: bytes) -> int:
        """Return where an element of undefined length ends (PS3.5 7.5)."""
        if vr == b"UN":  # it contains implicit VR little endian (PS3.5 6.2.2)
            inner = _Walk(self._data, _LITTLE, explicit=False)
            inner._left = self._left
            return inner.past(at, b"")
        depth, end = 1, len(self._data)
        while depth:
            tag, vr, length, at = self.element(at)
            if tag in (_ITEM_END, _SEQUENCE_END):
                depth -= 1
            elif vr == b"UN" and length == _UNDEFINED:
                at = self.past(at, vr)
            elif length == _UNDEFINED:
                depth += 1
                if depth > 2 * MAX_DEPTH:
                    raise HeaderError("sequences are nested too deep")
            else:
                at += length
            if at > end:
                raise TooShort
        return at

    def descend(self, at: int) -> None:
        """Check the depth of nested sequences, following the first item of each."""
        for _ in range(MAX_DEPTH):
            if at + 20 > len(self._data):
                return
            tag, _, length, at = self.element(at)
            if tag != _ITEM or length < 8 or at + 12 > len(self._data):
                return
            try:
                _, vr, length, at = self.element(at)
            except NotUnderstood:
                return
            if vr != b"SQ" or length < 8:
                return
        raise HeaderError("sequences are nested too deep")
