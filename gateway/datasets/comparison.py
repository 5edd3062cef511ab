"""Whether two encoded data sets are the same instance, however they are encoded (needs pydicom).

Routers encode anew what they pass on: they write undefined lengths for defined ones and explicit
for implicit VR, pad otherwise, and leave group lengths out. None of this is another content. So two
data sets are compared element by element, by tags and the bytes of values; lengths, VRs, byte
order, padding, group lengths and Data Set Trailing Padding do not count (PS3.5 6.2, 7). Both are
read in a stream: memory does not grow with them.
"""

from __future__ import annotations

import math
from enum import Enum
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, NamedTuple

from gateway.datasets.element_steps import SHORT_VRS, ElementWalk, Token, UnreadableDataSet
from gateway.datasets.reencoding import WORDS, in_other_order, vr_in_dictionary
from gateway.part10.elements import LONG_VRS
from gateway.uid import KEYWORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.datasets.byte_sources import Source
    from gateway.datasets.element_steps import ElementStep
    from gateway.datasets.encoded import EncodedDataSet

PIECE = 256 * 1024
"""Bytes of a value that are compared at a time."""

_LOSSY_COMPRESSION, _PHOTOMETRIC, _PLANAR = 0x00282110, 0x00280004, 0x00280006
_NO_CONTENT = frozenset({0xFFFCFFFC, 0x7FE00001, 0x7FE00002, 0x7FE00003})
"""Data Set Trailing Padding, and how pixel data is encapsulated: Extended Offset Table with its
lengths, Encapsulated Pixel Data Value Total Length."""
_OF_PIXELS = frozenset({_PHOTOMETRIC, _PLANAR})
"""What compression without loss may change besides pixel data."""
_SAME_COLORS = frozenset({b"RGB", b"YBR_RCT"})
"""Photometric Interpretations that are converted without loss (PS3.3 C.7.6.3.1.2)."""
_ALWAYS_LOSSY = frozenset(
    uid
    for keyword, uid in KEYWORDS.items()
    if keyword.startswith(("JPEGBaseline", "JPEGExtended", "MPEG", "HEVC"))
)
_ITEM = b"\xfe\xff\x00\xe0"
_VRS = (SHORT_VRS | LONG_VRS) - {b"UN"}
_TEXT_VRS = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())


class Likeness(Enum):
    """How much two data sets are the same."""

    SAME = "same"
    """The same elements with the same values."""
    OTHER_PIXEL_ENCODING = "other pixel encoding"
    """The same, but pixel data is native in one and compressed in the other, or otherwise so."""
    DIFFERENT = "different"


class _Value(NamedTuple):
    """A value, or the fragments of encapsulated pixel data one after the other."""

    tag: int
    vr: bytes
    parts: tuple[tuple[int, int], ...]
    """Where they are, and how long."""
    is_little: bool
    is_encapsulated: bool = False


class _StructureMark(NamedTuple):
    """A sequence or item begins or ends."""

    token: Token
    tag: int


def compare(one: EncodedDataSet, other: EncodedDataSet) -> Likeness:
    """Compare two data sets; raises OSError if one cannot be read.

    One that cannot be read to its end is different from any other.
    """
    if one.fault or other.fault:
        return Likeness.DIFFERENT
    try:
        return _Comparison(one, other).result()
    except UnreadableDataSet:
        return Likeness.DIFFERENT


class _Comparison:
    """Two data sets that are being compared."""

    def __init__(self, one: EncodedDataSet, other: EncodedDataSet) -> None:
        self._one, self._other = one, other
        self._syntaxes = {one.transfer_syntax, other.transfer_syntax}
        self._is_declared_lossy = False
        self._has_other_pixels = False
        self._differs_as_pixels_do = False

    def result(self) -> Likeness:
        pairs = zip_longest(*map(_elements, (self._one, self._other)))
        if not all(self._is_same(a, b) for a, b in pairs):
            return Likeness.DIFFERENT
        if not self._has_other_pixels:
            return Likeness.DIFFERENT if self._differs_as_pixels_do else Likeness.SAME
        if self._syntaxes & _ALWAYS_LOSSY and not self._is_declared_lossy:
            return Likeness.DIFFERENT
        return Likeness.OTHER_PIXEL_ENCODING

    def _is_same(
        self, a: _Value | _StructureMark | None, b: _Value | _StructureMark | None
    ) -> bool:
        if not isinstance(a, _Value) or not isinstance(b, _Value):
            return a == b
        if a.tag != b.tag:
            return False
        if a.is_encapsulated or b.is_encapsulated:
            return self._is_same_image(a, b)
        is_same = self._has_same_bytes(a, b)
        if a.tag == _LOSSY_COMPRESSION and is_same:
            self._is_declared_lossy = _short(self._one.source, a) == b"01"
        if is_same or a.tag not in _OF_PIXELS:
            return is_same
        self._differs_as_pixels_do = True
        colors = {_short(self._one.source, a), _short(self._other.source, b)}
        return a.tag != _PHOTOMETRIC or colors <= _SAME_COLORS

    def _is_same_image(self, a: _Value, b: _Value) -> bool:
        if a.is_encapsulated and b.is_encapsulated and len(self._syntaxes) == 1:
            return self._has_same_bytes(a, b)
        self._has_other_pixels = True
        return bool(_length(a) and _length(b))

    def _has_same_bytes(self, a: _Value, b: _Value) -> bool:
        vr = next((v.vr for v in (a, b) if v.vr in _VRS), vr_in_dictionary(a.tag))
        is_text = vr in _TEXT_VRS
        if not is_text and abs(_length(a) - _length(b)) > 1:
            return False
        if is_text and max(_length(a), _length(b)) <= PIECE:
            return _is_same_text(_short(self._one.source, a), _short(self._other.source, b), vr)
        pieces = _pieces(self._one.source, a, vr), _pieces(self._other.source, b, vr)
        return _is_same_stream(*pieces, padding=b"\0 " if is_text else b"\0")


def _elements(data_set: EncodedDataSet) -> Iterator[_Value | _StructureMark]:
    """Yield what counts; a sequence without items is an empty value, as where no VR tells it."""
    begun: _StructureMark | None = None
    for one in _values_and_marks(data_set):
        if begun is not None:
            if isinstance(one, _StructureMark) and one.token is Token.SEQUENCE_END:
                yield _Value(begun.tag, b"SQ", (), True)
                begun = None
                continue
            yield begun
        begun = one if isinstance(one, _StructureMark) and one.token is Token.SEQUENCE else None
        if begun is None:
            yield one


def _values_and_marks(data_set: EncodedDataSet) -> Iterator[_Value | _StructureMark]:
    """Yield elements without group lengths and padding, and all fragments as one value."""
    source, encoding = data_set.source, data_set.encoding
    fragments: list[tuple[int, int]] = []
    walk = ElementWalk(source, encoding, lambda step: _is_sequence(source, step))
    for step in walk:
        match step.token:
            case Token.VALUE if step.tag & 0xFFFF and step.tag not in _NO_CONTENT:
                yield _Value(step.tag, step.vr, ((step.at, step.length),), walk.is_little)
            case Token.SEQUENCE | Token.ITEM | Token.ITEM_END | Token.SEQUENCE_END:
                yield _StructureMark(step.token, step.tag)
            case Token.FRAGMENT:
                fragments.append((step.at, step.length))
            case Token.FRAGMENTS_END:
                # The first is the Basic Offset Table, which may be empty (PS3.5 A.4).
                yield _Value(step.tag, b"OB", tuple(fragments[1:]), True, is_encapsulated=True)
                fragments = []
            case _:
                pass


def _is_sequence(source: Source, step: ElementStep) -> bool:
    """Whether an element without a VR that says so is a sequence."""
    vr = vr_in_dictionary(step.tag)
    if not step.length:
        return vr == b"SQ"
    return step.length >= 8 and vr in (b"SQ", b"UN") and source.read(step.at, 4) == _ITEM


def _length(value: _Value) -> int:
    return sum(length for _, length in value.parts)


def _short(source: Source, value: _Value) -> bytes:
    """Return a text without its padding."""
    return b"".join(bytes(source.read(*part)) for part in value.parts).rstrip(b"\0 ")


def _is_same_text(one: bytes, other: bytes, vr: bytes) -> bool:
    """Whether texts are the same; numbers (DS, IS) may be written otherwise, as 1.0 and 1."""
    if one == other or vr not in (b"DS", b"IS"):
        return one == other
    pairs = zip_longest(one.split(b"\\"), other.split(b"\\"), fillvalue=b"")
    try:
        # Some writers calculate with doubles: 0.7 becomes .6999999999999999.
        return all(math.isclose(float(a), float(b), rel_tol=4e-16) for a, b in pairs)
    except ValueError:
        return False


def _pieces(source: Source, value: _Value, vr: bytes) -> Iterator[bytes]:
    """Yield a value in little endian; `vr` is its VR if its own says nothing."""
    word = 0 if value.is_little else WORDS.get(value.vr or vr, 0)
    for begin, length in value.parts:
        for at in range(begin, begin + length, PIECE):
            piece = bytes(source.read(at, min(PIECE, begin + length - at)))
            yield in_other_order(piece, word) if word and not len(piece) % word else piece


def _is_same_stream(one: Iterator[bytes], other: Iterator[bytes], padding: bytes) -> bool:
    """Whether both have the same bytes, but for padding at the end of one."""
    a = b = b""
    while True:
        a, b = a or next(one, b""), b or next(other, b"")
        if not a or not b:
            break
        length = min(len(a), len(b))
        if a[:length] != b[:length]:
            return False
        a, b = a[length:], b[length:]
    return not any(rest.strip(padding) for rest in chain((a, b), one, other))
