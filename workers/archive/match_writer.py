"""Write the identifiers of C-FIND responses from rows of the index (PS3.4 C.4.1.1.3.2).

Values go out as they were stored: one that no type of pydicom would take, or whose bytes are not of
its character set, must not end the query. One that cannot be written is empty.

The Specific Character Set of a response is the first of these that encodes all of its text: none
(ASCII), ISO_IR 192 if all of it is decoded, ISO_IR 100 if bytes that no character set explains are
all that others cannot encode. If there are such bytes and text that ISO_IR 100 lacks, those values
are empty, and the rest is ISO_IR 192.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from pydicom.datadict import dictionary_VR, tag_for_keyword

from gateway.datasets.element_writer import ElementWriter
from workers.archive.attributes import SPECIFIC_CHARACTER_SET
from workers.archive.comparison_keys import TEXT_VRS
from workers.archive.stored_text import bytes_of, is_unread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.archive.identifier import FindQuery

_LEVEL, _TITLE, _AVAILABILITY = 0x00080052, 0x00080054, 0x00080056
_ESCAPE = b"\x1b"
_UTF_8, _LATIN_1 = b"ISO_IR 192", b"ISO_IR 100"


class _Column(NamedTuple):
    """A value of a row, and the element that it becomes."""

    at: int
    """Its index in the row."""
    tag: int
    vr: str
    slot: int
    """The position of the element in the identifier."""


class MatchWriter:
    """Writes the responses to one query in the transfer syntax of its context."""

    def __init__(self, request: FindQuery, title: str, transfer_syntax: str) -> None:
        self._writer = ElementWriter(transfer_syntax)
        fixed = {_LEVEL: ("CS", request.query.level.name.encode())}
        if "InstanceAvailability" in request.extra:
            fixed[_AVAILABILITY] = "CS", b"ONLINE"
        if "RetrieveAETitle" in request.extra:
            fixed[_TITLE] = "AE", title.encode("ascii", "replace")
        tags = [_tag(keyword) for keyword in request.keywords]
        order = {tag: slot for slot, tag in enumerate(sorted({*fixed, *tags}))}
        self._template = [b""] * len(order)
        for tag, (vr, value) in fixed.items():
            self._template[order[tag]] = self._writer.element(tag, vr, value)
        self._columns = [
            _Column(at, tag, dictionary_VR(tag), order[tag]) for at, tag in enumerate(tags)
        ]
        self._sets = {
            name: self._writer.element(SPECIFIC_CHARACTER_SET, "CS", name)
            for name in (_UTF_8, _LATIN_1)
        }

    def write(self, row: Sequence[Any]) -> bytes:
        """Return the encoded identifier of a match."""
        element = self._writer.element
        pieces = self._template.copy()
        texts = ["" if value is None else str(value) for value in row]
        character_set = b""
        if not "".join(texts).isascii():
            character_set = self._character_set(texts)
        for at, tag, vr, slot in self._columns:
            text = texts[at]
            value = text.encode() if text.isascii() else self._encoded(text, vr, character_set)
            if vr == "US" and text:
                value = self._numbers(text)
            elif character_set == _UTF_8 and _ESCAPE in value:
                value = b""
            pieces[slot] = element(tag, vr, value)
        if character_set:
            pieces.insert(0, self._sets[character_set])
        return self._writer.data_set(pieces)

    def _character_set(self, texts: Sequence[str]) -> bytes:
        governed = [
            text
            for at, _, vr, _ in self._columns
            if vr in TEXT_VRS and not (text := texts[at]).isascii()
        ]
        if not governed:
            return b""
        if not any(is_unread(text) for text in governed):
            return _UTF_8
        return _LATIN_1 if all(_latin_1(text) is not None for text in governed) else _UTF_8

    def _encoded(self, text: str, vr: str, character_set: bytes) -> bytes:
        if vr not in TEXT_VRS:
            return _raw(text)
        if character_set == _LATIN_1:
            return _latin_1(text) or b""
        return b"" if is_unread(text) else text.encode("utf-8", "replace")

    def _numbers(self, text: str) -> bytes:
        """Return the values of an element of VR US; nothing if they are not such numbers."""
        try:
            return self._writer.unsigned_shorts(int(number) for number in text.split("\\"))
        except (struct.error, ValueError):
            return b""


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    assert tag is not None
    return tag


def _raw(text: str) -> bytes:
    return bytes_of(text) or b""


def _latin_1(text: str) -> bytes | None:
    """Return the bytes of an unread value, or a text in ISO 8859-1; None if it has none."""
    if is_unread(text):
        return bytes_of(text)
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return None
