"""Encode messages as P-DATA-TF PDUs (PS3.8 9.3.5 and annex E).

A PDU is filled up to the peer's maximum length; the command set and the beginning of the data set
share one. Fragments have even lengths, so only a data set of odd length ends with an odd one. Each
byte is copied once, into its PDU.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Data = bytes | bytearray | memoryview

CHUNK = 1024 * 1024
"""The maximum length of a PDU, also if the peer has no limit."""

SMALLEST = 8
"""The smallest PDU with data, of two bytes; a peer that announces less gets these."""

_PDU = Struct(">BxL")
_PDV = Struct(">LBB")

_WHOLE = bytes, bytearray
"""As a constant: a union of types costs each call more than the test itself."""

_COMMAND = 1
_LAST = 2


def fragment(
    context_id: int, command: bytes, data_set: Data | Iterable[Data] | None, max_length: int
) -> Iterable[bytes]:
    """Encode a message as P-DATA-TF PDUs.

    `max_length` is what the peer announced: the length of the PDV items with their headers, 0 for
    no limit. `data_set` is the whole data set or its parts in order; None if the message has none.
    """
    length = len(command) + _PDV.size
    item = _PDV.pack(len(command) + 2, context_id, _COMMAND | _LAST)
    if data_set is None and length <= (max_length or CHUNK):
        return (b"".join((_PDU.pack(4, length), item, command)),)
    if isinstance(data_set, _WHOLE):  # nearly every message with a short one fits into one PDU
        size = len(data_set)
        if size <= (min(max_length or CHUNK, CHUNK) - length - _PDV.size) & ~1:
            length += _PDV.size + size
            data_item = _PDV.pack(size + 2, context_id, _LAST)
            return (b"".join((_PDU.pack(4, length), item, command, data_item, data_set)),)
    return _fragments(Fragmenter(context_id, command, max_length), data_set)


def pieces(
    context_id: int, command: bytes, data_set: bytes | bytearray, max_length: int
) -> list[bytes | memoryview]:
    """Return what `fragment` returns joined together, in pieces: the data set is not copied.

    Headers alternate with views of the data set.
    """
    fragmenter = Fragmenter(context_id, command, max_length)
    found: list[bytes | memoryview] = list(fragmenter.commands())
    view, begin = memoryview(data_set), 0
    while True:
        part = view[begin : begin + fragmenter.room]
        begin += len(part)
        is_last = begin == len(view)
        found += fragmenter.headers(len(part), last=is_last), part
        if is_last:
            return found


def _fragments(fragmenter: Fragmenter, data_set: Data | Iterable[Data] | None) -> Iterator[bytes]:
    if data_set is not None:
        if isinstance(data_set, bytes | bytearray | memoryview):
            data_set = (data_set,)
        for part in data_set:
            yield from fragmenter.feed(part)
        yield from fragmenter.finish()
    else:
        yield from fragmenter.finish(has_data_set=False)


class Fragmenter:
    """Encodes a message whose data set comes in parts: `feed` each part, then `finish`.

    At most one PDU of data is held back, because the last fragment must be marked.
    """

    def __init__(self, context_id: int, command: bytes, max_length: int) -> None:
        self._context_id = context_id
        self._limit = max(min(max_length or CHUNK, CHUNK), SMALLEST)
        self._command = memoryview(command)
        self._parts: list[memoryview] = []
        """Data of the next PDU; after `feed`, never empty and never more than fits."""
        self._held = 0

    def feed(self, data: Data) -> Iterator[bytes]:
        """Yield the PDUs that are full; `data` is referenced and must not change afterwards."""
        view = memoryview(data).cast("B") if isinstance(data, memoryview) else memoryview(data)
        if not len(view):
            return
        yield from self.commands()
        room = self.room
        offset = room - self._held
        if len(view) <= offset:
            self._hold(view)
            return
        yield self._data_pdu([*self._parts, view[:offset]], room, last=False)
        self._parts, self._held, room = [], 0, self.room
        while len(view) - offset > room:
            yield self._data_pdu([view[offset : offset + room]], room, last=False)
            offset += room
        self._hold(view[offset:])

    def finish(self, *, has_data_set: bool = True) -> Iterator[bytes]:
        """Yield the remaining PDUs, with the last fragment."""
        if not has_data_set:
            yield from self.commands(alone=True)
            return
        yield from self.commands()
        yield self._data_pdu(self._parts, self._held, last=True)
        self._parts, self._held = [], 0

    def _hold(self, view: memoryview) -> None:
        self._parts.append(view)
        self._held += len(view)

    @property
    def room(self) -> int:
        """The bytes of data that fit into the next PDU: an even number, at least two."""
        begun = len(self._command) + _PDV.size if self._command else 0
        return (self._limit - begun - _PDV.size) & ~1

    def commands(self, *, alone: bool = False) -> Iterator[bytes]:
        """Yield PDUs of the command set, except for a rest that shares its PDU with data."""
        room = (self._limit - _PDV.size) & ~1
        while self._command and (alone or self.room <= 0):
            piece, self._command = self._command[:room], self._command[room:]
            header = _COMMAND if self._command else _COMMAND | _LAST
            yield self._pdu([self._item(len(piece), header), piece])

    def headers(self, length: int, *, last: bool) -> bytes:
        """Return what stands before that many bytes of data in the next PDU."""
        before = self._before(length, last=last)
        size = sum(map(len, before)) + length
        return b"".join((_PDU.pack(4, size), *before))

    def _before(self, length: int, *, last: bool) -> list[bytes | memoryview]:
        """Return the header of the data's PDV, and the command set if it shares the PDU."""
        item = self._item(length, _LAST if last else 0)
        if not self._command:
            return [item]
        command, self._command = self._command, memoryview(b"")
        return [self._item(len(command), _COMMAND | _LAST), command, item]

    def _data_pdu(self, parts: list[memoryview], length: int, *, last: bool) -> bytes:
        return self._pdu([*self._before(length, last=last), *parts])

    def _item(self, length: int, header: int) -> bytes:
        return _PDV.pack(length + 2, self._context_id, header)

    def _pdu(self, pieces: list[bytes | memoryview]) -> bytes:
        return b"".join((_PDU.pack(4, sum(map(len, pieces))), *pieces))
