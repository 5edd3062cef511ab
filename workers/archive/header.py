"""The elements that the index wants, found in an encoded data set without decoding it.

Theory of operation. `scan` goes over the top level elements (PS3.5 7.1): it takes the values of
those that are wanted as bytes, skips the rest by its length, and walks what has none with a counter
of depth in place of recursion. It looks at the first bytes, and at more, and at last at the whole
file, only if they do not reach to the pixel data. What it does not understand (`Unsure`) pydicom is
asked about; what is too deep, too big, or understood by neither, is a HeaderError.
"""

from __future__ import annotations

import io
import mmap
import os
import struct
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag

from gateway.datasets.deflation import MAX_INFLATED, inflated_pieces
from gateway.sdk import DatasetError, GatewayError
from workers.archive.attributes import ATTRIBUTES, BY_KEYWORD, BY_TAG, SPECIFIC_CHARACTER_SET
from workers.archive.values import ESCAPE, clean, encodings_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydicom.dataset import Dataset

Buffer = bytes | memoryview | mmap.mmap

IMPLICIT = "1.2.840.10008.1.2"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"

HEADS = 8 * 1024, 128 * 1024
"""Bytes that are read at first, and if that is not enough."""
MAX_DEPTH = 512
"""Sequences in each other; documents have some ten."""
MAX_ELEMENTS = 1 << 20
"""Elements and items that are looked at."""
MAX_VALUE = 16 * 1024
"""Bytes of a value that are taken."""
INFLATED_HEAD = 16 << 20
"""Bytes of an inflated data set that are kept and looked at."""

_TOO_MANY = "the data set has too many elements"
_UNDEFINED = 0xFFFFFFFF
_PIXELS = 0x7FE00008
"""Float Pixel Data, the first of those after which nothing of interest comes."""
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN"))
_LONG |= frozenset((b"UR", b"UT", b"UV"))
_SHORT = frozenset((b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO"))
_SHORT |= frozenset((b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"))
_WANTED = frozenset(BY_TAG) | {SPECIFIC_CHARACTER_SET}
_PLAIN = frozenset(int.from_bytes(vr, "little") for vr in _SHORT)
_NAMED = {(tag & 0xFFFF) << 16 | tag >> 16: tag for tag in _WANTED}
"""Tags by what their four bytes are as one number, little endian."""


class HeaderError(GatewayError):
    """The data set cannot be read as far as the index needs it."""


class Unsure(Exception):  # noqa: N818 - a way out, not an error
    """Something that the scanner does not understand."""


class _Short(Exception):  # noqa: N818 - a way out, not an error
    """The bytes at hand end before the elements of interest do."""


@dataclass(frozen=True, slots=True)
class Header:
    """What was found: the values as text by keyword."""

    texts: Mapping[str, str]

    def __getitem__(self, keyword: str) -> str:
        """The value; empty if the data set has none."""
        return self.texts.get(keyword, "")


class _Plain(Mapping[str, str]):
    """Values that need no character set, decoded when they are asked for."""

    def __init__(self, raw: Mapping[int, bytes]) -> None:
        self._raw = raw

    def get(self, keyword: str, default: Any = None) -> Any:
        attribute = BY_KEYWORD[keyword]
        raw = self._raw.get(attribute.tag)
        return default if raw is None else text_of(attribute, raw, [], True)

    def __getitem__(self, keyword: str) -> str:
        return text_of(BY_KEYWORD[keyword], self._raw[BY_KEYWORD[keyword].tag], [], True)

    def __iter__(self) -> Iterator[str]:
        return (BY_TAG[tag].keyword for tag in self._raw if tag in BY_TAG)

    def __len__(self) -> int:
        return len(self._raw.keys() & BY_TAG.keys())


class _Order(NamedTuple):
    """How one byte order writes the headers of elements (PS3.5 7.1)."""

    explicit: Struct
    """Tag, VR and, for most VRs, length."""
    implicit: Struct
    """Tag and length."""
    long: Struct
    """The length that follows other VRs."""


_ELEMENT = Struct("<LHH").unpack_from
_LITTLE = _Order(Struct("<HH2sH"), Struct("<HHL"), Struct("<L"))
_BIG = _Order(Struct(">HH2sH"), Struct(">HHL"), Struct(">L"))


def read(path: str | Path, offset: int, transfer_syntax: str) -> Header:
    """The header of the data set that begins at `offset` of a file.

    Raises HeaderError, and OSError if it cannot be read.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return _read(fd, offset, transfer_syntax)
    finally:
        os.close(fd)


def _read(fd: int, offset: int, transfer_syntax: str) -> Header:
    size = os.fstat(fd).st_size
    if size <= offset:
        raise HeaderError("the data set is empty")
    for head in HEADS:
        if transfer_syntax != DEFLATED and size - offset > head:
            with suppress(_Short, Unsure):
                return _header(os.pread(fd, head, offset), transfer_syntax)
    if size - offset <= HEADS[-1]:
        return scan(os.pread(fd, size, offset), transfer_syntax)
    with (
        closing(mmap.mmap(fd, size, access=mmap.ACCESS_READ)) as whole,
        memoryview(whole) as view,
        view[offset:] as data,
    ):
        if transfer_syntax == DEFLATED:
            return scan(data, transfer_syntax)
        with suppress(_Short, Unsure):
            return _header(data, transfer_syntax)
    with open(fd, "rb", closefd=False) as file:
        file.seek(offset)
        return Header(_by_pydicom(file, transfer_syntax))


def scan(data: bytes | memoryview, transfer_syntax: str) -> Header:
    """The header of a whole encoded data set; raises HeaderError."""
    if transfer_syntax == DEFLATED:
        data = _inflated(data)
    for head in (*HEADS, len(data)):
        if head <= len(data):
            with suppress(_Short, Unsure):
                return _header(bytes(data[:head]), transfer_syntax)
    return Header(_by_pydicom(io.BytesIO(data), transfer_syntax))


def _header(data: Buffer, transfer_syntax: str) -> Header:
    return Header(_texts(_raw(data, transfer_syntax), transfer_syntax))


def _texts(raw: Mapping[int, bytes], transfer_syntax: str) -> Mapping[str, str]:
    everything = b"".join(raw.values())
    if everything.isascii() and ESCAPE not in everything and transfer_syntax != BIG_ENDIAN:
        return _Plain(raw)
    encodings = encodings_of(raw.get(SPECIFIC_CHARACTER_SET))
    little = transfer_syntax != BIG_ENDIAN
    return {
        attribute.keyword: text_of(attribute, value, encodings, little)
        for tag, value in raw.items()
        if (attribute := BY_TAG.get(tag)) is not None
    }


def _raw(data: Buffer, transfer_syntax: str) -> dict[int, bytes]:
    """The wanted elements of the top level; raises Unsure, _Short or HeaderError."""
    order = _BIG if transfer_syntax == BIG_ENDIAN else _LITTLE
    walk = _Walk(data, order, explicit=transfer_syntax != IMPLICIT)
    found: dict[int, bytes] = {}
    at, end = walk.skim(0, found), len(data)
    while at < end:
        tag, vr, length, at = walk.element(at)
        if tag >= _PIXELS and tag >> 16 == 0x7FE0:
            return found
        if _is_strange(tag):
            raise Unsure
        if length == _UNDEFINED:
            at = walk.skim(walk.past(at, vr), found)
            continue
        if tag in _WANTED:
            found[tag] = _value(data, at, length)
        elif vr == b"SQ" and length:
            walk.descend(at)
        at = walk.skim(at + length, found)
    if at > end:
        raise _Short
    return found


def _is_strange(tag: int) -> bool:
    """Items, file meta and command elements do not belong to the top level of a data set."""
    return tag >> 16 in (0xFFFE, 0x0002) or (tag < 0x00080000 and tag & 0xFFFF != 0)


def _value(data: Buffer, at: int, length: int) -> bytes:
    length = min(length, MAX_VALUE)
    value = bytes(data[at : at + length])
    if len(value) != length:
        raise _Short
    return value


class _Walk:
    """Reads headers of elements, within limits."""

    def __init__(self, data: Buffer, order: _Order, *, explicit: bool) -> None:
        self._data = data
        self._last = len(data) - 8
        self._explicit = explicit
        self._skims = explicit and order is _LITTLE and isinstance(data, bytes)
        self._unpack = (order.explicit if explicit else order.implicit).unpack_from
        self._unpack_long = order.long.unpack_from
        self._left = MAX_ELEMENTS

    def element(self, at: int) -> tuple[int, bytes, int, int]:
        """Tag, VR, length, and where the value begins."""
        if at > self._last:
            raise _Short
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
        if vr in _SHORT:
            return tag, vr, length, at + 8
        if vr not in _LONG:
            raise Unsure
        if at + 4 > self._last:
            raise _Short
        return tag, vr, self._unpack_long(self._data, at + 8)[0], at + 12

    def skim(self, at: int, found: dict[int, bytes]) -> int:
        """Go over elements of the most usual kind, as far as there are; where others begin."""
        if not self._skims:
            return at
        data: Any = self._data
        unpack, last, plain, named, left = _ELEMENT, self._last, _PLAIN, _NAMED, self._left
        for left in range(self._left, 0, -1):  # noqa: B007 - wanted below
            if at > last:
                break
            tag, vr, length = unpack(data, at)
            if vr not in plain:
                break
            value = at + 8
            if tag in named:
                found[named[tag]] = data[value : value + length]
            elif not 0x0008 <= tag & 0xFFFF < 0x7FE0:  # the group
                break
            at = value + length
        self._left = left
        return at

    def past(self, at: int, vr: bytes) -> int:
        """Where an element of undefined length ends (PS3.5 7.5)."""
        if vr == b"UN":  # what stands in it is implicit VR little endian (PS3.5 6.2.2)
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
                raise _Short
        return at

    def descend(self, at: int) -> None:
        """Follow the first sequence in the first item downwards: how deep does it go?"""
        for _ in range(MAX_DEPTH):
            if at + 20 > len(self._data):
                return
            tag, _, length, at = self.element(at)
            if tag != _ITEM or length < 8 or at + 12 > len(self._data):
                return
            try:
                _, vr, length, at = self.element(at)
            except Unsure:
                return
            if vr != b"SQ" or length < 8:
                return
        raise HeaderError("sequences are nested too deep")


def _inflated(data: bytes | memoryview) -> bytes:
    """Return the first of the inflated bytes; raise HeaderError if it cannot be inflated."""
    head = bytearray()
    try:
        for piece in inflated_pieces(io.BytesIO(data), MAX_INFLATED, whole=False):
            head += piece[: max(0, INFLATED_HEAD - len(head))]
    except DatasetError as error:
        raise HeaderError(str(error)) from None
    return bytes(head)


_ASKED: list[BaseTag | int] = [
    *(Tag(attribute.tag) for attribute in ATTRIBUTES),
    Tag(SPECIFIC_CHARACTER_SET),
]


def _by_pydicom(stream: BinaryIO, transfer_syntax: str) -> dict[str, str]:
    """What pydicom makes of it."""
    try:
        found = read_dataset(
            stream,
            transfer_syntax == IMPLICIT,
            transfer_syntax != BIG_ENDIAN,
            stop_when=lambda tag, *_: tag >= _PIXELS and tag >> 16 == 0x7FE0,
            specific_tags=_ASKED,
        )
        texts = {a.keyword: text for a in ATTRIBUTES if (text := _pydicom_text(found, a.tag))}
    except RecursionError:
        raise HeaderError("sequences are nested too deep") from None
    except _PYDICOM_RAISES as error:
        raise HeaderError(f"the data set cannot be read: {error}"[:200]) from None
    if not texts:
        raise HeaderError("the data set cannot be read: it names nothing")
    return texts


_PYDICOM_RAISES = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, NotImplementedError, EOFError),
    *(LookupError, OSError, OverflowError, MemoryError, BytesLengthException, InvalidDicomError),
    *(struct.error, AssertionError),
)


def _pydicom_text(found: Dataset, tag: int) -> str:
    if tag not in found:
        return ""
    value = found[tag].value
    if value is None:
        return ""
    return clean(str(value) if not hasattr(value, "append") else "\\".join(map(str, value)))
