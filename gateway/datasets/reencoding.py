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
from collections import deque
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from pydicom.datadict import dictionary_VR

from gateway import uid
from gateway.datasets.element_steps import (
    IMPLICIT,
    SHORT_VRS,
    UNDEFINED,
    ElementStep,
    ElementWalk,
    Encoding,
    Token,
    UnreadableDataSet,
)
from gateway.part10.elements import LONG_VRS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.datasets.byte_sources import Source

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

WORDS = {
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


def is_sequence(step: ElementStep) -> bool:
    """Return whether an element without a VR is a sequence in PS3.6."""
    return not step.vr and vr_in_dictionary(step.tag) == b"SQ"


def reencode(source: Source, origin: Encoding, target: Encoding) -> Iterator[bytes]:
    """Yield a data set with the headers of another encoding, in pieces of at least 1 MiB.

    Raises UnreadableDataSet for one that cannot be converted whole, and OSError of its source.
    """
    if origin == target:
        yield from map(bytes, _copied(source, 0, source.size))
        return
    out = bytearray()
    for header, at, length, word in _Reencoding(source, target).elements(origin):
        out += header
        if length <= PIECE - len(out):
            value = source.read(at, length) if length else b""
            out += in_other_order(value, word) if word else value
            continue
        for piece in _copied(source, at, length):
            out += in_other_order(piece, word) if word else piece
            if len(out) >= PIECE:
                yield bytes(out)
                out.clear()
    yield bytes(out)


def with_known_vrs(source: Source, encoding: Encoding) -> Iterator[bytes]:
    """Yield a data set in its own encoding, with UN for each VR that PS3.5 does not define.

    Raises UnreadableDataSet, and OSError of its source.
    """
    for header, at, length, _ in _Reencoding(source, encoding, keeps_fragments=True).elements(
        encoding
    ):
        yield header
        yield bytes(source.read(at, length)) if length else b""


def reencoded_size(source: Source, origin: Encoding, target: Encoding) -> int:
    """Return how many bytes `reencode` makes of a data set; it reads the headers only.

    Raises what `reencode` raises, and UnreadableDataSet also where nothing changes: so a data set
    of any size is checked before the first byte of it is sent.
    """
    if origin == target:
        deque(ElementWalk(source, origin, is_sequence), maxlen=0)
        return source.size
    elements = _Reencoding(source, target).elements(origin)
    return sum(len(header) + length for header, _, length, _ in elements)


def _copied(source: Source, at: int, length: int) -> Iterator[bytes | memoryview]:
    for begin in range(at, at + length, PIECE):
        yield source.read(begin, min(PIECE, at + length - begin))


class _Written(NamedTuple):
    """A header as it is written, and the value that follows it."""

    header: bytes
    at: int
    """Where the value is in the source."""
    length: int
    word: int
    """Bytes of a word if the value is swapped; 0: it is copied as it is."""


class _Reencoding:
    """One data set on its way to another encoding."""

    def __init__(self, source: Source, target: Encoding, *, keeps_fragments: bool = False) -> None:
        self._source = source
        self._target = target
        self._keeps_fragments = keeps_fragments
        order = "<" if target.is_little else ">"
        self._tag = Struct(order + "HHL").pack
        self._short = Struct(order + "HH2sH").pack
        self._long = Struct(order + "HH2sHL").pack
        self._is_signed: list[bool | None] = [None]
        """Pixel Representation of each data set that is open, from the outermost on."""
        self._lut_entries = 0
        """The first number of the last LUT Descriptor."""

    def elements(self, origin: Encoding) -> Iterator[_Written]:
        is_little = self._target.is_little
        walk = ElementWalk(self._source, origin, is_sequence)
        for step in walk:
            if step.token is Token.FRAGMENT and self._keeps_fragments:
                yield _Written(self._tag(0xFFFE, 0xE000, step.length), step.at, step.length, 0)
            elif step.token is not Token.VALUE:
                yield _Written(self._structure(step), 0, 0, 0)
            elif step.tag & 0xFFFF:  # not a group length
                vr = self._vr(step, walk.is_little)
                word = 0 if walk.is_little == is_little else WORDS.get(vr, 0)
                if word and step.length % word:
                    text = f"has {step.length} bytes, not a multiple of {word}"
                    raise UnreadableDataSet(step.tag, text)
                header = self._header(step.tag, vr, step.length)
                yield _Written(header, step.at, step.length, word)

    def _vr(self, step: ElementStep, is_little: bool) -> bytes:
        """Return the VR that the element has in the target, or would have if that is implicit."""
        tag, vr = step.tag, step.vr
        if not vr:
            vr = vr_in_dictionary(tag)
            vr = self._one_of(tag, vr) if len(vr) > 2 else vr
        if tag == _PIXEL_REPRESENTATION:
            self._is_signed[-1] = self._number(step, is_little) != 0
        elif tag in _LUT_DESCRIPTORS:
            self._lut_entries = self._number(step, is_little)
        if vr in LONG_VRS or (vr in SHORT_VRS and step.length <= 0xFFFF):
            return vr
        return b"UN" if self._target.is_explicit else vr

    def _number(self, step: ElementStep, is_little: bool) -> int:
        """Return the first number of 16 bits in a value; 0 if it is shorter."""
        value = self._source.read(step.at, 2) if step.length >= 2 else b""
        return int.from_bytes(value, "little" if is_little else "big")

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

    def _header(self, tag: int, vr: bytes, length: int) -> bytes:
        group, number = tag >> 16, tag & 0xFFFF
        if not self._target.is_explicit:
            return self._tag(group, number, length)
        if vr in LONG_VRS:
            return self._long(group, number, vr, 0, length)
        return self._short(group, number, vr, length)

    def _structure(self, step: ElementStep) -> bytes:
        """Return what begins or ends a sequence or item, with an undefined length."""
        match step.token:
            case Token.SEQUENCE:
                return self._header(step.tag, b"SQ", UNDEFINED)
            case Token.ITEM:
                self._is_signed.append(None)
                return self._tag(0xFFFE, 0xE000, UNDEFINED)
            case Token.ITEM_END:
                self._is_signed.pop()
                return self._tag(0xFFFE, 0xE00D, 0)
            case Token.SEQUENCE_END:
                return self._tag(0xFFFE, 0xE0DD, 0)
            case Token.FRAGMENTS if self._keeps_fragments:
                return self._header(step.tag, b"OB", UNDEFINED)
            case Token.FRAGMENTS_END if self._keeps_fragments:
                return self._tag(0xFFFE, 0xE0DD, 0)
            case _:
                raise UnreadableDataSet(step.tag, "is encapsulated, in an uncompressed data set")


def in_other_order(value: bytes | memoryview, word: int) -> bytes:
    """Return whole words in the other byte order."""
    words = array(_TYPES[word], bytes(value))
    words.byteswap()
    return words.tobytes()
