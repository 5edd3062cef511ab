"""Read the values for the index from an encoded data set, without decoding all of it.

pydicom would take longer for a small instance than everything else that the storage worker does.
So `element_walk` extracts the wanted elements. It gets the first bytes of a file, and more only if
these end before the pixel data. What it does not understand (`NotUnderstood`) is left to pydicom. A
data set that is too deep or too large, or that pydicom cannot read either, is a HeaderError.
"""

from __future__ import annotations

import io
import mmap
import os
import struct
from contextlib import closing, suppress
from struct import Struct
from typing import TYPE_CHECKING, BinaryIO

from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag

from gateway.datasets.deflation import MAX_INFLATED, inflated_pieces
from gateway.sdk import DatasetError
from workers.archive.attributes import ATTRIBUTES, BY_KEYWORD, SPECIFIC_CHARACTER_SET
from workers.archive.character_sets import ESCAPE, character_sets_of
from workers.archive.comparison_keys import text_of
from workers.archive.element_runs import CHARACTER_SET
from workers.archive.element_walk import (
    BIG_ENDIAN,
    IMPLICIT,
    PIXELS,
    Buffer,
    HeaderError,
    NotUnderstood,
    TooShort,
    wanted_elements,
)
from workers.archive.stored_text import LONGEST, clean

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset

__all__ = ["HeaderError", "HeaderValues", "read", "scan"]

DEFLATED = "1.2.840.10008.1.2.1.99"

HEADS = 8 * 1024, 128 * 1024
"""Bytes that are read first, and then, before the whole file is."""
INFLATED_HEAD = 16 << 20
"""Bytes of an inflated data set that are kept and looked at."""

_NUMBERS = tuple(attribute.keyword for attribute in ATTRIBUTES if attribute.vr == "US")
_US = Struct("<H").unpack_from


class HeaderValues(dict[str, str]):
    """The values as text by keyword; the text of an absent element is empty."""

    def __missing__(self, keyword: str) -> str:
        return ""


def read(path: str | Path, offset: int, transfer_syntax: str) -> HeaderValues:
    """Return the values of the data set that begins at `offset` of a file.

    Raises HeaderError, and OSError if the file cannot be read.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return _read(fd, offset, transfer_syntax)
    finally:
        os.close(fd)


def _read(fd: int, offset: int, transfer_syntax: str) -> HeaderValues:
    size = os.fstat(fd).st_size
    if size <= offset:
        raise HeaderError("the data set is empty")
    for head in HEADS:
        if transfer_syntax != DEFLATED and size - offset > head:
            with suppress(TooShort, NotUnderstood):
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
        with suppress(TooShort, NotUnderstood):
            return _header(data, transfer_syntax)
    with open(fd, "rb", closefd=False) as file:
        file.seek(offset)
        return _by_pydicom(file, transfer_syntax)


def scan(data: bytes | memoryview, transfer_syntax: str) -> HeaderValues:
    """Return the values of an encoded data set; raises HeaderError."""
    if transfer_syntax == DEFLATED:
        data = _inflated(data)
    for head in (*HEADS, len(data)):
        if head <= len(data):
            try:
                return _header(bytes(data[:head]), transfer_syntax)
            except (TooShort, NotUnderstood):
                continue
    return _by_pydicom(io.BytesIO(data), transfer_syntax)


def _header(data: Buffer, transfer_syntax: str) -> HeaderValues:
    return _texts(wanted_elements(data, transfer_syntax), transfer_syntax)


def _texts(raw: dict[str, bytes], transfer_syntax: str) -> HeaderValues:
    little = transfer_syntax != BIG_ENDIAN
    if little and (found := _plain_texts(raw)) is not None:
        return found
    sets = character_sets_of(raw.pop(CHARACTER_SET, None))
    return HeaderValues(
        (keyword, text_of(BY_KEYWORD[keyword], value, sets, little))
        for keyword, value in raw.items()
    )


def _plain_texts(raw: dict[str, bytes]) -> HeaderValues | None:
    """Return the texts, decoded together; None if they must be decoded one by one.

    That is so if one is not ASCII or too long, or if the separator or NUL occurs in a value.
    """
    texts = raw.copy()
    for keyword in _NUMBERS:
        if (number := raw.get(keyword)) is not None:
            if len(number) != 2:
                return None
            texts[keyword] = b"%d" % _US(number)[0]
    everything = b"\n".join(texts.values())
    if not everything.isascii() or ESCAPE in everything or len(everything) > LONGEST:
        return None
    pieces = [piece.rstrip("\0 ").lstrip(" ") for piece in everything.decode().split("\n")]
    if len(pieces) != len(texts) or any("\0" in piece for piece in pieces):
        return None
    return HeaderValues(zip(texts, pieces, strict=True))


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


def _by_pydicom(stream: BinaryIO, transfer_syntax: str) -> HeaderValues:
    """Return the values that pydicom reads."""
    try:
        found = read_dataset(
            stream,
            transfer_syntax == IMPLICIT,
            transfer_syntax != BIG_ENDIAN,
            stop_when=lambda tag, *_: tag >= PIXELS and tag >> 16 == 0x7FE0,
            specific_tags=_ASKED,
        )
        texts = HeaderValues(
            (a.keyword, t) for a in ATTRIBUTES if (t := _pydicom_text(found, a.tag))
        )
    except RecursionError:
        raise HeaderError("sequences are nested too deep") from None
    except _PYDICOM_RAISES as error:
        raise HeaderError(f"the data set cannot be read: {error}"[:200]) from None
    if not texts:
        raise HeaderError("the data set cannot be read: it has none of the indexed attributes")
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
