"""Headers of data elements: implicit VR, explicit VR and explicit VR big endian (PS3.5 7.1)."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

PREAMBLE = bytes(128) + b"DICM"
"""Preamble and prefix of a file (PS3.10 7.1)."""

LIMIT = 64 * 1024
"""The most bytes of File Meta Information, and of a data set's first elements, that are read."""

LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
"""Value representations with a length of 32 bits (PS3.5 7.1.2)."""


_PADDED_WITH_NUL = frozenset({b"UI", b"OB"})


class ElementHeader(NamedTuple):
    """The header of one element."""

    tag: int
    vr: bytes
    """Empty where the encoding has none."""
    length: int
    size: int
    """Bytes of the header itself."""


class Layout(NamedTuple):
    """The numbers of an element's header in one byte order."""

    tag: Struct
    short: Struct
    long: Struct

    def header(self, data: bytes | bytearray, at: int, *, explicit: bool) -> ElementHeader | None:
        """Return the header that begins at `at`; None if `data` ends before it does."""
        if len(data) - at < 8:
            return None
        group, element = self.tag.unpack_from(data, at)
        tag = group << 16 | element
        vr = bytes(data[at + 4 : at + 6]) if explicit and group != 0xFFFE else b""
        # Some explicit VR data sets have implicit VR elements: there are no letters for the VR.
        if not (vr.isalpha() and vr.isupper()):
            return ElementHeader(tag, b"", self.long.unpack_from(data, at + 4)[0], 8)
        if vr not in LONG_VRS:
            return ElementHeader(tag, vr, self.short.unpack_from(data, at + 6)[0], 8)
        if len(data) - at < 12:
            return None
        return ElementHeader(tag, vr, self.long.unpack_from(data, at + 8)[0], 12)


LITTLE = Layout(Struct("<HH"), Struct("<H"), Struct("<L"))
BIG = Layout(Struct(">HH"), Struct(">H"), Struct(">L"))


def text_of(value: bytes | bytearray) -> str:
    """Return a value as text, without its padding."""
    return value.decode("latin-1").rstrip("\x00 ")


def encode_element(tag: int, vr: bytes, value: bytes) -> bytes:
    """Return an element in explicit VR little endian, its value padded to an even length."""
    if len(value) % 2:
        value += b"\0" if vr in _PADDED_WITH_NUL else b" "
    start = LITTLE.tag.pack(tag >> 16, tag & 0xFFFF) + vr
    if vr in LONG_VRS:
        return start + b"\0\0" + LITTLE.long.pack(len(value)) + value
    return start + LITTLE.short.pack(len(value)) + value
