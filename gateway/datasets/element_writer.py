"""Write elements whose values are encoded already, in any transfer syntax (PS3.5 7.1).

    writer = ElementWriter(transfer_syntax)
    writer.data_set([writer.element(0x00100020, "LO", b"P1"), ...])

A value is written as it is given, whatever its VR allows, so no value can fail.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from gateway.datasets.deflation import deflate
from gateway.part10.elements import LONG_VRS
from gateway.uid import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST = 0xFFFE
"""The longest value whose length fits into 16 bits."""
_PADDED_WITH_NUL = frozenset({"UI", "OB", "UN"})


class ElementWriter:
    """Writes elements in one transfer syntax; private ones are explicit VR little endian."""

    def __init__(self, transfer_syntax: str) -> None:
        order = ">" if transfer_syntax == EXPLICIT_VR_BIG_ENDIAN else "<"
        self._is_implicit = transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN
        self._deflates = transfer_syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
        self._implicit = Struct(f"{order}HHL").pack
        self._short = Struct(f"{order}HH2sH").pack
        self._long = Struct(f"{order}HH2sHL").pack
        self._number = Struct(f"{order}H").pack

    def element(self, tag: int, vr: str, value: bytes) -> bytes:
        """Return an element, its value padded to an even length.

        A value that is too long for the length field of its VR is written as UN (PS3.5 6.2.2).
        """
        length = len(value)
        if length % 2:
            value += b"\0" if vr in _PADDED_WITH_NUL else b" "
            length += 1
        group, number = tag >> 16, tag & 0xFFFF
        if self._is_implicit:
            return self._implicit(group, number, length) + value
        code = vr.encode()
        if code not in LONG_VRS and length <= _LONGEST:
            return self._short(group, number, code, length) + value
        code = code if code in LONG_VRS else b"UN"
        return self._long(group, number, code, 0, length) + value

    def unsigned_shorts(self, numbers: Iterable[int]) -> bytes:
        """Return a value of VR US, in the byte order of the transfer syntax."""
        return b"".join(self._number(number) for number in numbers)

    def data_set(self, elements: Iterable[bytes]) -> bytes:
        """Return the data set of these elements, which are in the order of their tags."""
        encoded = b"".join(elements)
        return deflate(encoded) if self._deflates else encoded
