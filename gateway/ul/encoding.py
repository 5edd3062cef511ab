"""Encode and decode the fields of PDUs and items (PS3.8 9.3.1: unsigned, big endian).

Text is ISO 646. It is read as Latin-1, so that any byte of a peer has a character and decoding
cannot fail. A length that exceeds the bytes of a PDU or item is an error of the peer, raised as
RemoteProtocolError with reason 6 (invalid PDU parameter value).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from gateway.errors import LocalProtocolError, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

INVALID_PARAMETER_VALUE = 6
UNEXPECTED_PDU = 2
UNRECOGNIZED_PDU = 1

_UINT16 = struct.Struct("!H")
_UINT32 = struct.Struct("!I")
_ITEM_HEADER = struct.Struct("!BxH")
_PADDING = b"\0 "
MAX_ITEMS = 32_768
"""Items and sub-items of a PDU at most: 128 contexts with all transfer syntaxes that there are have
a quarter. A megabyte could have 250,000, and to decode them would take half a second."""


def invalid(text: str) -> RemoteProtocolError:
    """Return the error for a value that violates PS3.8: A-ABORT (2,6)."""
    return RemoteProtocolError(text, source=2, reason=INVALID_PARAMETER_VALUE)


class Reader:
    """Reads the fields of a PDU or item, one after the other."""

    __slots__ = ("_data", "_position", "_room", "name")

    def __init__(self, data: bytes, name: str, room: list[int] | None = None) -> None:
        self._data = data
        self._room = room or [MAX_ITEMS]
        """How many more items the PDU may have: one number for all of its readers."""
        self._position = 0
        self.name = name
        """The name of the PDU or item, for error texts."""

    @property
    def left(self) -> int:
        return len(self._data) - self._position

    def take(self, length: int) -> bytes:
        begin, end = self._position, self._position + length
        if end > len(self._data):
            raise invalid(f"{self.name}: {length} bytes are needed, {self.left} are left")
        self._position = end
        return self._data[begin:end]

    def rest(self) -> bytes:
        return self.take(self.left)

    def uint8(self) -> int:
        return self.take(1)[0]

    def uint16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def uint32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def field(self) -> bytes:
        """Read a value that follows its 2-byte length."""
        return self.take(self.uint16())

    def uid(self) -> str:
        """Read a UID that follows its 2-byte length."""
        return decode_text(self.field())

    def items(self) -> Iterator[tuple[int, Reader]]:
        """Yield the type of each remaining item, and a reader of its value."""
        names: dict[int, str] = {}
        for kind, value in self.values():
            name = names.get(kind) or names.setdefault(kind, f"{self.name} > {kind:02X}H")
            yield kind, Reader(value, name, self._room)

    def values(self) -> Iterator[tuple[int, bytes]]:
        """Yield the type and the value of each remaining item."""
        data, room, end = self._data, self._room, len(self._data)
        while (begin := self._position) < end:
            if end - begin < _ITEM_HEADER.size:
                self.take(_ITEM_HEADER.size)  # raises
            kind, length = _ITEM_HEADER.unpack_from(data, begin)
            begin += _ITEM_HEADER.size
            self._position = begin + length
            if self._position > end:
                raise invalid(f"{self.name}: {length} bytes are needed, {end - begin} are left")
            if not room[0]:
                self._count()  # raises
            room[0] -= 1
            yield kind, data[begin : begin + length]

    def uids(self) -> Iterator[str]:
        """Yield the UIDs of a list that follows its 2-byte length; each counts as an item."""
        reader = Reader(self.field(), self.name, self._room)
        while reader.left:
            self._count()
            yield reader.uid()

    def _count(self) -> None:
        if self._room[0] == 0:
            raise invalid(f"{self.name}: more than {MAX_ITEMS} items")
        self._room[0] -= 1

    def end(self) -> None:
        """Raise RemoteProtocolError if bytes are left."""
        if self.left:
            raise invalid(f"{self.name}: {self.left} bytes too many")


def decode_text(data: bytes) -> str:
    """Return a UID or name without the padding that some peers add."""
    return data.rstrip(_PADDING).decode("latin-1")


def encode_text(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"{text!r} cannot be encoded in Latin-1") from error


def decode_ae_title(data: bytes) -> str:
    """Return an AE title without leading and trailing spaces (PS3.8 9.3.2)."""
    return decode_text(data).lstrip(" ")


def encode_ae_title(title: str) -> bytes:
    """Return an AE title in its field of 16 bytes (PS3.8 9.3.2)."""
    data = encode_text(title)
    if len(data) > 16:
        raise LocalProtocolError(f"the AE title {title!r} is longer than 16 characters")
    return data.ljust(16)


def uint16(value: int) -> bytes:
    return _unsigned(_UINT16, value)


def uint32(value: int) -> bytes:
    return _unsigned(_UINT32, value)


def _unsigned(layout: struct.Struct, value: int) -> bytes:
    try:
        return layout.pack(value)
    except struct.error as error:
        raise LocalProtocolError(f"{value} does not fit into {layout.size} bytes") from error


def field(data: bytes) -> bytes:
    """Return a value after its 2-byte length."""
    return uint16(len(data)) + data


def uid(text: str) -> bytes:
    """Return a UID after its 2-byte length."""
    return field(encode_text(text))


def item(kind: int, *values: bytes) -> bytes:
    """Return an item or sub-item: type, reserved byte, 2-byte length, value."""
    value = b"".join(values)
    return bytes((kind, 0)) + field(value)
