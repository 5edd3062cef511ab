"""The elements of an encoded data set, one after the other, without decoding a value (PS3.5 7).

Theory of operation. `ElementWalk` goes from header to header and skips values by their length, so
that its cost depends on the number of elements, and its memory on the depth of sequences only. It
reads a data set to its last byte or raises: an element that is longer than what contains it, a
header that is cut, an item where none belongs. What the field writes all the same is accepted and
noted: zero bytes after the last element, no delimiter after the last fragment of encapsulated
pixel data.

A VR that PS3.5 does not define is followed by a 32-bit length (PS3.5 7.1.2). Some writers put other
things there: a 16-bit length, an implicit VR element. Of these readings the first is taken after
which another element, or the end, follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gateway.datasets.errors import DatasetError
from gateway.part10.elements import LONG_VRS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.datasets.byte_sources import Source

FIRST_WINDOW, WINDOW = 8 * 1024, 256 * 1024
"""Bytes that are read at a time to look at headers: first and after a long value, and at most."""
MAX_DEPTH = 256
"""Sequences in each other."""

ITEM_TAG, ITEM_END_TAG, SEQUENCE_END_TAG = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_DATA = 0x7FE00010
_TRAILING_PADDING = 0xFFFCFFFC
UNDEFINED = 0xFFFFFFFF

_ZEROS = bytes(4)
_NO_SEQUENCE_VRS = (b"", b"UN")
"""These do not say whether an element is a sequence."""
SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
"""Value representations with a length of 16 bits (PS3.5 7.1.2)."""


class UnreadableDataSet(DatasetError):  # noqa: N818 - a state, not only an error
    """An encoded data set that cannot be read to its end; `tag` is where."""

    def __init__(self, tag: int, text: str) -> None:
        super().__init__(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {text}")
        self.tag = tag


class Token(Enum):
    """What a `ElementWalk` has come to."""

    VALUE = auto()
    """An element with a value."""
    SEQUENCE = auto()
    """A sequence begins."""
    ITEM = auto()
    ITEM_END = auto()
    SEQUENCE_END = auto()
    FRAGMENTS = auto()
    """Encapsulated pixel data begin (PS3.5 A.4)."""
    FRAGMENT = auto()
    FRAGMENTS_END = auto()


_VALUE, _FRAGMENT, _ITEM_END = Token.VALUE, Token.FRAGMENT, Token.ITEM_END
"""Read for every element: a lookup in the enumeration takes as long as a call."""


class ElementStep(NamedTuple):
    """One token with the element that it belongs to."""

    token: Token
    tag: int
    vr: bytes
    """Empty in implicit VR; as it was written elsewhere, also if PS3.5 does not define it."""
    at: int
    """Where the value begins."""
    length: int
    """Bytes of the value, or UNDEFINED."""


class Encoding(NamedTuple):
    """How the headers of elements are written (PS3.5 7.1)."""

    is_explicit: bool
    is_little: bool


IMPLICIT = Encoding(False, True)

Skim: TypeAlias = "Callable[[bytes, int, int], tuple[int, int]]"
"""Reads past elements of a data set's top level, from a place in a window on; see `ElementWalk`."""

_NUMBERS: dict[bool, tuple[Callable[..., tuple[int, ...]], ...]] = {
    is_little: tuple(Struct(order + numbers).unpack_from for numbers in ("HH", "L", "H"))
    for is_little, order in ((True, "<"), (False, ">"))
}


@dataclass(slots=True)
class _OpenLevel:
    """A sequence, item or run of fragments that is open."""

    closing: Token
    tag: int
    end: int
    """Where it ends; if its length is undefined, where what contains it ends."""
    is_defined: bool
    encoding: Encoding
    """Of what surrounds it."""


class ElementWalk:
    """Iterates over the steps of a data set; raises UnreadableDataSet, and OSError of its source.

    `is_sequence` tells which elements are sequences where no VR says so (there is none, or UN);
    without it those of a defined length are taken for values.

    `skim` can read some elements of the top level faster than this does, which then gives no steps
    for them. It is called with bytes of the data set, where in them an element begins, and the tag
    of the element before; and returns where the first element begins that it does not read, and
    the tag before that one. What it reads must be within the bytes.
    """

    def __init__(
        self,
        source: Source,
        encoding: Encoding,
        is_sequence: Callable[[ElementStep], bool] = lambda _step: False,
        skim: Skim | None = None,
    ) -> None:
        self.notes: list[str] = []
        """What was accepted although PS3.5 does not allow it."""
        self.has_unknown_vrs = False
        """Whether the steps so far had a VR that PS3.5 does not define, or none."""
        self._source = source
        self._size = source.size
        self._is_sequence = is_sequence
        self._levels: list[_OpenLevel] = []
        self._skim = skim
        self._window = b""
        self._base = 0
        self._ahead = FIRST_WINDOW // 2
        self._use(encoding)

    def __iter__(self) -> Iterator[ElementStep]:
        at, tag, size, levels = 0, 0, self._size, self._levels
        while True:
            if not levels:
                if self._skim is not None and at < size:
                    begin = self._look(at, 8)
                    stop, tag = self._skim(self._window, begin, tag)
                    at += stop - begin
                if self._is_over(at):
                    return
                end = size
            elif levels[-1].is_defined and at >= levels[-1].end:
                yield self._close(at)
                continue
            else:
                end = levels[-1].end
            if end - at < 8:
                yield self._cut(tag, at, self._too_short(at))
                continue
            step = self._step(at, end)
            token, tag, _, at, length = step
            yield step
            if token is _VALUE or token is _FRAGMENT:
                at += length

    def _is_over(self, at: int) -> bool:
        """Whether nothing but zero bytes follow, at the top level."""
        left = self._size - at
        if not left:
            return True
        in_window = self._look(at, 8)
        is_suspect = left < 8 or self._window[in_window : in_window + 4] == _ZEROS
        if not is_suspect or not self._is_padding(at):
            return False
        if not self.notes:
            self.notes.append("zero bytes after the last element")
        return True

    def _cut(self, tag: int, at: int, text: str) -> ElementStep:
        """Close the last fragments of a data set whose delimiter is missing; raise otherwise."""
        level = self._levels[-1] if self._levels else None
        if level is not None and level.closing is Token.FRAGMENTS_END and self._is_last(tag, at):
            self.notes.append("no sequence delimiter after the last fragment")
            return self._close(at)
        raise UnreadableDataSet(tag, text)

    def _is_last(self, tag: int, at: int) -> bool:
        """Whether nothing follows, or padding."""
        return at == self._size or tag == _TRAILING_PADDING or self._is_padding(at)

    def _too_short(self, at: int) -> str:
        if at:
            return "is followed by less than the header of an element"
        return f"does not begin: the data set has {self._size} bytes"

    @property
    def depth(self) -> int:
        """Sequences, items and runs of fragments that are open after the step that came last."""
        return len(self._levels)

    @property
    def is_little(self) -> bool:
        """The byte order of the step that came last."""
        return self._encoding.is_little

    # levels

    def _end(self) -> int:
        return self._levels[-1].end if self._levels else self._size

    def _open(self, closing: Token, tag: int, at: int, length: int, encoding: Encoding) -> None:
        if len(self._levels) >= 2 * MAX_DEPTH:
            raise UnreadableDataSet(tag, "sequences are nested too deep")
        is_defined = length != UNDEFINED
        end = at + length if is_defined else self._end()
        self._levels.append(_OpenLevel(closing, tag, end, is_defined, self._encoding))
        if encoding is not self._encoding:
            self._use(encoding)

    def _close(self, at: int, length: int = 0) -> ElementStep:
        level = self._levels.pop()
        if level.encoding is not self._encoding:
            self._use(level.encoding)
        return ElementStep(level.closing, level.tag, b"", at + length, 0)

    # bytes

    def _use(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._tag, self._long, self._short = _NUMBERS[encoding.is_little]

    def _look(self, at: int, length: int) -> int:
        """Have `length` bytes from `at` on in the window, or all that there are; return where."""
        begin = at - self._base
        if not 0 <= begin <= len(self._window) - length:
            self._read(at, min(length, self._size - at))
            begin = at - self._base
        return begin

    def _read(self, at: int, length: int) -> None:
        """Read the window that has these bytes, unless it is the present one."""
        begin = at - self._base
        if begin < 0 or begin + length > len(self._window):
            goes_on = 0 <= begin <= len(self._window) + self._ahead
            self._ahead = min(2 * self._ahead, WINDOW) if goes_on else FIRST_WINDOW
            self._window = bytes(self._source.read(at, min(self._ahead, self._size - at)))
            self._base = at

    def _is_padding(self, at: int) -> bool:
        """Whether nothing but zero bytes follow."""
        begin, length = at, 64  # few at first: this may be asked at each element of group 0000
        while begin < self._size:
            length = min(length, self._size - begin)
            if bytes(self._source.read(begin, length)).strip(b"\0"):
                return False
            begin, length = begin + length, WINDOW
        return True

    # headers

    def _step(self, at: int, end: int) -> ElementStep:
        in_window = self._look(at, 12)
        group, number = self._tag(self._window, in_window)
        tag: int = group << 16 | number
        if group == 0xFFFE:
            return self._delimiter(tag, at, end, self._long(self._window, in_window + 4)[0])
        if self._levels and self._levels[-1].closing is not _ITEM_END:
            return self._cut(tag, at, "stands where an item must begin")
        if not self._encoding.is_explicit:
            length: int = self._long(self._window, in_window + 4)[0]
            vr, at = b"", at + 8
        else:
            vr, at, length = self._header(tag, at, end, in_window)
        if length == UNDEFINED:
            return self._undefined(tag, vr, at)
        if at + length > end:
            raise UnreadableDataSet(tag, f"has {length} bytes, of which {end - at} are there")
        step = ElementStep(_VALUE, tag, vr, at, length)
        if vr == b"SQ" or (vr in _NO_SEQUENCE_VRS and self._is_sequence(step)):
            # What stands in UN is implicit VR little endian (PS3.5 6.2.2).
            inside = IMPLICIT if vr == b"UN" else self._encoding
            self._open(Token.SEQUENCE_END, tag, at, length, inside)
            return step._replace(token=Token.SEQUENCE)
        return step

    def _header(self, tag: int, at: int, end: int, in_window: int) -> tuple[bytes, int, int]:
        """Return VR, where the value begins, and length of an element in explicit VR."""
        window = self._window
        vr = window[in_window + 4 : in_window + 6]
        if vr in SHORT_VRS:
            return vr, at + 8, self._short(window, in_window + 6)[0]
        if vr not in LONG_VRS:
            return self._unknown(tag, vr, at, end)
        if end - at < 12:
            raise UnreadableDataSet(tag, "its header is cut")
        return vr, at + 12, self._long(window, in_window + 8)[0]

    def _unknown(self, tag: int, vr: bytes, at: int, end: int) -> tuple[bytes, int, int]:
        self.has_unknown_vrs = True
        in_window = self._look(at, 12)
        window = self._window
        readings = []
        if end - at >= 12:
            readings.append((vr, at + 12, self._long(window, in_window + 8)[0]))
        readings.append((vr, at + 8, self._short(window, in_window + 6)[0]))
        length: int = self._long(window, in_window + 4)[0]
        if length == UNDEFINED and self._is_item(at + 8, end):
            return b"", at + 8, length
        readings.append((b"", at + 8, length))
        for is_strict in (True, False):
            for reading in readings:
                after = reading[1] + reading[2]
                if self._goes_on(tag, after, end, is_strict=is_strict, vr=reading[0]):
                    return reading
        text = vr.decode("ascii") if vr.isalnum() else f"{vr.hex().upper()}H"
        raise UnreadableDataSet(tag, f"has the unknown VR {text}, and no length that fits")

    def _is_item(self, at: int, end: int) -> bool:
        return at + 8 <= end and self._tag(self._window, self._look(at, 8))[0] == 0xFFFE

    def _goes_on(self, tag: int, at: int, end: int, *, is_strict: bool, vr: bytes) -> bool:
        """Whether the level ends at `at`, or a later element follows.

        If strict, one with a known VR, or after an element in implicit VR another one that fits.
        """
        if at == end:
            return True
        if at + 8 > end:
            return False
        in_window = self._look(at, 8)
        group, number = self._tag(self._window, in_window)
        following: int = group << 16 | number
        if following <= tag:
            return False
        vr_there = self._window[in_window + 4 : in_window + 6]
        if not is_strict or group == 0xFFFE or vr_there in SHORT_VRS or vr_there in LONG_VRS:
            return True
        length: int = self._long(self._window, in_window + 4)[0]
        return not vr and (length == UNDEFINED or at + 8 + length <= end)

    def _undefined(self, tag: int, vr: bytes, at: int) -> ElementStep:
        if vr in (b"OB", b"OW") or tag == PIXEL_DATA:
            self._open(Token.FRAGMENTS_END, tag, at, UNDEFINED, self._encoding)
            return ElementStep(Token.FRAGMENTS, tag, vr, at, UNDEFINED)
        if vr not in (b"SQ", b"UN", b""):
            raise UnreadableDataSet(tag, f"has no length, which its VR {vr.decode()} must have")
        # What stands in UN of undefined length is implicit VR little endian (PS3.5 6.2.2).
        self._open(
            Token.SEQUENCE_END, tag, at, UNDEFINED, IMPLICIT if vr == b"UN" else self._encoding
        )
        return ElementStep(Token.SEQUENCE, tag, vr, at, UNDEFINED)

    def _delimiter(self, tag: int, at: int, end: int, length: int) -> ElementStep:
        level = self._levels[-1] if self._levels else None
        if level is None:
            raise UnreadableDataSet(tag, "stands outside of a sequence")
        at += 8
        if tag == ITEM_TAG and level.closing is Token.FRAGMENTS_END:
            if length == UNDEFINED or at + length > end:
                raise UnreadableDataSet(level.tag, "has a fragment that is longer than what came")
            return ElementStep(Token.FRAGMENT, level.tag, b"", at, length)
        if tag == ITEM_TAG and level.closing is Token.SEQUENCE_END:
            if length != UNDEFINED and at + length > end:
                raise UnreadableDataSet(level.tag, "has an item that is longer than what came")
            self._open(Token.ITEM_END, level.tag, at, length, self._encoding)
            return ElementStep(Token.ITEM, level.tag, b"", at, length)
        if tag == ITEM_END_TAG and level.closing is Token.ITEM_END:
            return self._close(at)
        if tag == SEQUENCE_END_TAG and level.closing is not Token.ITEM_END:
            return self._close(at)
        raise UnreadableDataSet(level.tag, "has a delimiter where none belongs")
