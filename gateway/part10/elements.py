"""Headers of data elements in the three encodings (PS3.5 7.1)."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

PREAMBLE = bytes(128) + b"DICM"

LIMIT = 64 * 1024
"""Bytes of File Meta Information, and of a data set's first elements, that are looked at."""

LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
"""Value representations with a length of 32 bits (PS3.5 7.1.2)."""


class Header(NamedTuple):
    """Tag, value representation and length of one element."""

    tag: int
    vr: bytes
    """Empty where the encoding has none."""
    length: int
    size: int
    """Bytes of the header itself."""


class Layout(NamedTuple):
    """How one byte order writes the numbers of an element's header."""

    tag: Struct
    short: Struct
    long: Struct

    def header(self, data: bytes | bytearray, at: int, *, explicit: bool) -> Header | None:
        """The header that begins at `at`; None: it does not end within `data` (PS3.5 7.1)."""
        if len(data) - at < 8:
            return None
        group, element = self.tag.unpack_from(data, at)
        tag = group << 16 | element
        vr = bytes(data[at + 4 : at + 6]) if explicit and group != 0xFFFE else b""
        # Explicit VR data sets with implicit elements are met in the field: no letters, no VR.
        if not (vr.isalpha() and vr.isupper()):
            return Header(tag, b"", self.long.unpack_from(data, at + 4)[0], 8)
        if vr not in LONG_VRS:
            return Header(tag, vr, self.short.unpack_from(data, at + 6)[0], 8)
        if len(data) - at < 12:
            return None
        return Header(tag, vr, self.long.unpack_from(data, at + 8)[0], 12)


LITTLE = Layout(Struct("<HH"), Struct("<H"), Struct("<L"))
BIG = Layout(Struct(">HH"), Struct(">H"), Struct(">L"))


def text_of(value: bytes | bytearray) -> str:
    """A value as text, without its padding."""
    return value.decode("latin-1").rstrip("\x00 ")
