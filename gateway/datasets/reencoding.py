"""An encoded data set in another uncompressed transfer syntax, every value bit by bit the same.

Needs pydicom, for the data dictionary alone. Nothing is decoded: headers are written anew, values
are copied, and swapped where the byte order changes. So no character set, number or date can be
damaged.

What changes besides the headers: sequences and items get an undefined length, because theirs would
depend on the headers within (PS3.5 7.5); group lengths are left out, because they would be wrong
(7.2); UN of undefined length becomes the sequence that it is (6.2.2). An element whose VR is not
known becomes UN, and so does one that is too long for the 16-bit length of its VR. Between transfer
syntaxes that differ in deflation only, nothing changes.
"""

from __future__ import annotations

from array import array
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING

from pydicom.datadict import dictionary_VR

from gateway import uid
from gateway.datasets.element_steps import (
    IMPLICIT,
    SHORT_VRS,
    UNDEFINED,
    ElementStep,
    ElementWalk,
    Encoding,
    Source,
    Token,
    UnreadableDataSet,
)
from gateway.part10.elements import LONG_VRS

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 1024 * 1024
"""Bytes of a value that are copied at a time."""

_EXPLICIT = Encoding(is_explicit=True, is_little=True)
ENCODINGS = {
    uid.IMPLICIT_VR_LITTLE_ENDIAN: IMPLICIT,
    uid.EXPLICIT_VR_LITTLE_ENDIAN: _EXPLICIT,
    uid.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN: _EXPLICIT,
    uid.EXPLICIT_VR_BIG_ENDIAN: Encoding(is_explicit=True, is_little=False),
}
"""How the uncompressed transfer syntaxes write the headers of elements, once they are inflated."""

_WORDS = {
    **dict.fromkeys((b"US", b"SS", b"OW", b"AT"), 2),
    **dict.fromkeys((b"UL", b"SL", b"FL", b"OL", b"OF"), 4),
    **dict.fromkeys((b"FD", b"OD", b"OV", b"SV", b"UV"), 8),
}
"""VRs whose values depend on the byte order, and the bytes of a word (PS3.5 7.3)."""
_TYPES = {2: "H", 4: "I", 8: "Q"}
"""Words that `array` can swap, by their bytes."""

_PIXEL_REPRESENTATION = 0x00280103
_LUT_DESCRIPTORS = frozenset({0x00281101, 0x00281102, 0x00281103, 0x00283002})
_LUT_DATA = 0x00283006


@lru_cache(8192)
def vr_in_dictionary(tag: int) -> bytes:
    """Return the VR of an element in PS3.6: UN if it has none, LO for a private creator.

    Of several VRs all are returned, as PS3.6 writes them: "US or SS".
    """
    group, number = tag >> 16, tag & 0xFFFF
    if group % 2:
        return b"LO" if 0x10 <= number <= 0xFF else b"UN"
    try:
        return dictionary_VR(tag).encode() if number else b"UL"
    except KeyError:
        return b"UN"


def reencode(source: Source, origin: Encoding, target: Encoding) -> Iterator[bytes]:
    """Yield a data set with the headers of another encoding, in pieces of about 1 MiB.

    Raises UnreadableDataSet for one that cannot be converted whole, and OSError of its source.
    """
    if origin != target:
        yield from _Reencoding(source, target).pieces(origin)
        return
    for at in range(0, source.size, PIECE):
        yield bytes(source.read(at, min(PIECE, source.size - at)))


class _Reencoding:
    """One data set on its way to another encoding."""

    def __init__(self, source: Source, target: Encoding) -> None:
        self._source = source
        self._target = target
        order = "<" if target.is_little else ">"
        self._tag = Struct(order + "HHL").pack
        self._short = Struct(order + "HH2sH").pack
        self._long = Struct(order + "HH2sHL").pack
        self._out = bytearray()
        self._is_signed: list[bool | None] = [None]
        """Pixel Representation of each data set that is open, from the outermost on."""
        self._lut_entries = 0
        """The first number of the last LUT Descriptor."""

    def pieces(self, origin: Encoding) -> Iterator[bytes]:
        walk = ElementWalk(self._source, origin, lambda tag: vr_in_dictionary(tag) == b"SQ")
        for step in walk:
            if step.token is Token.VALUE:
                if step.tag & 0xFFFF:  # not a group length
                    yield from self._value(step, walk.is_little)
            else:
                self._structure(step)
            if len(self._out) >= PIECE:
                yield self._taken()
        yield self._taken()

    def _taken(self) -> bytes:
        out, self._out = bytes(self._out), bytearray()
        return out

    def _value(self, step: ElementStep, is_little: bool) -> Iterator[bytes]:
        at, left = step.at, step.length
        piece = self._source.read(at, min(left, PIECE))
        vr = self._vr(step, piece, is_little)
        self._header(step.tag, vr, left)
        while True:
            self._out += in_other_order(step.tag, vr, piece) if self._swaps(is_little) else piece
            at, left = at + len(piece), left - len(piece)
            if not left:
                return
            yield self._taken()
            piece = self._source.read(at, min(left, PIECE))

    def _swaps(self, is_little: bool) -> bool:
        return is_little != self._target.is_little

    def _vr(self, step: ElementStep, value: bytes | memoryview, is_little: bool) -> bytes:
        """Return the VR that the element has in explicit VR."""
        tag, vr = step.tag, step.vr
        if not vr:
            vr = vr_in_dictionary(tag)
            vr = self._one_of(tag, vr) if len(vr) > 2 else vr
        if tag == _PIXEL_REPRESENTATION:
            self._is_signed[-1] = any(value[:2])
        elif tag in _LUT_DESCRIPTORS:
            self._lut_entries = int.from_bytes(value[:2], "little" if is_little else "big")
        return vr if vr in SHORT_VRS or vr in LONG_VRS else b"UN"

    def _one_of(self, tag: int, vrs: bytes) -> bytes:
        """Choose among several VRs (PS3.5 A.1, PS3.3 C.7.6.3.1.1, C.11.1.1).

        In implicit VR, pixel data, overlays, curves and waveforms are OW.
        """
        if b"OW" in vrs:
            return b"US" if tag == _LUT_DATA and self._lut_entries == 1 else b"OW"
        if tag in _LUT_DESCRIPTORS:
            return b"US"  # only its second number may be signed
        signed = next((one for one in reversed(self._is_signed) if one is not None), False)
        return b"SS" if signed else b"US"

    def _header(self, tag: int, vr: bytes, length: int) -> None:
        group, number = tag >> 16, tag & 0xFFFF
        if not self._target.is_explicit:
            self._out += self._tag(group, number, length)
        elif vr in LONG_VRS or length > 0xFFFF:
            self._out += self._long(group, number, vr if vr in LONG_VRS else b"UN", 0, length)
        else:
            self._out += self._short(group, number, vr, length)

    def _structure(self, step: ElementStep) -> None:
        """Write what begins and ends sequences and items, with undefined lengths."""
        match step.token:
            case Token.SEQUENCE:
                self._header(step.tag, b"SQ", UNDEFINED)
            case Token.ITEM:
                self._out += self._tag(0xFFFE, 0xE000, UNDEFINED)
                self._is_signed.append(None)
            case Token.ITEM_END:
                self._out += self._tag(0xFFFE, 0xE00D, 0)
                self._is_signed.pop()
            case Token.SEQUENCE_END:
                self._out += self._tag(0xFFFE, 0xE0DD, 0)
            case _:
                raise UnreadableDataSet(step.tag, "is encapsulated, in an uncompressed data set")


def in_other_order(tag: int, vr: bytes, value: bytes | memoryview) -> bytes | memoryview:
    """Return a value in the other byte order; raise UnreadableDataSet if it is not whole words."""
    size = _WORDS.get(vr)
    if size is None or not value:
        return value
    if len(value) % size:
        raise UnreadableDataSet(tag, f"has {len(value)} bytes, not a multiple of {size}")
    words = array(_TYPES[size], bytes(value))
    words.byteswap()
    return words.tobytes()
