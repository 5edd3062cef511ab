"""Cuts the peer's byte stream into PDUs (PS3.8 9.3.1), in any chunking.

Theory of operation: the stream alternates headers and bodies. Six header bytes decide what becomes
of a body:

- P-DATA-TF: DATA_BEGINS, and then each piece of a PDV as it arrives, as a view of the chunk it
  arrived in. Nothing is copied or kept, so memory depends on neither PDU nor object length.
- Other PDUs: collected, as `bytes` with the header, at most `MAX_ASSOCIATE_LENGTH` of them.
- A header that no PDU may have: RemoteProtocolError, and the body is skipped.

The consumer may refuse the rest of a P-DATA-TF (`skip`), or of the stream (`stop`), between two
units. All decisions hang on positions in the stream, none on where a chunk ends.
"""

from __future__ import annotations

from enum import Enum, IntEnum, auto
from struct import Struct
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from gateway.errors import RemoteProtocolError
from gateway.ul import wire
from gateway.ul.pdu import COMMAND, LAST, PDU_HEADER, PDV_HEADER, PDataTF, check_header
from gateway.ul.primitives import PDataPart

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Iterator

HEADER_SIZE = PDU_HEADER.size
"""Of a PDU and, as it happens, of a PDV item: the same lines gather both."""
_BOTH = Struct("!BxIIBB")
EXCERPT = 64 * 1024
"""Bytes of a traced P-DATA-TF that are kept at the most."""


class Mark(Enum):
    """Where in the stream a P-DATA-TF is."""

    DATA_BEGINS = auto()
    DATA_ENDS = auto()


Unit: TypeAlias = Mark | PDataPart | bytes | RemoteProtocolError


class _Mode(IntEnum):
    HEADER = auto()
    DATA = auto()
    WHOLE = auto()
    SKIP = auto()
    STOPPED = auto()


class Framer:
    """One peer's byte stream."""

    __slots__ = (
        "_body",
        "_command",
        "_context_id",
        "_head",
        "_last",
        "_left",
        "_mode",
        "_pdv_left",
        "contexts",
        "excerpt",
        "length",
        "max_pdu",
        "tracing",
    )

    def __init__(self, max_pdu: int) -> None:
        self.max_pdu = max_pdu
        """The longest P-DATA-TF that was announced as receivable; 0: any."""
        self.contexts: Container[int] = ()
        """The IDs of the accepted presentation contexts."""
        self.tracing = False
        """Keep the beginning of each P-DATA-TF, and say when it ends."""
        self.excerpt = bytearray()
        self.length = 0
        """Of the PDU being read, header included."""
        self._mode = _Mode.HEADER
        self._head = bytearray()
        self._body = bytearray()
        self._left = 0
        self._pdv_left = 0
        self._context_id = 0
        self._command = False
        self._last = False

    def skip(self) -> None:
        """Takes no more of the P-DATA-TF being read."""
        self._pdv_left = 0
        if self._mode is _Mode.DATA:
            self._head.clear()
            self._mode = _Mode.SKIP if self._left else _Mode.HEADER

    def stop(self) -> None:
        """Takes no more at all."""
        self._mode = _Mode.STOPPED
        self._head = self._body = bytearray()

    def receive(self, data: bytes | bytearray | memoryview) -> Iterator[Unit]:
        """The units that end in `data`; to be iterated to the end before the next call."""
        view = memoryview(data)
        position, end = 0, len(view)
        while position < end and self._mode is not _Mode.STOPPED:
            if self._mode is not _Mode.DATA:
                position, unit = self._TAKE[self._mode](self, view, position)
            else:
                position, unit = (yield from self._data(view, position)), None
            if unit is not None:
                yield unit

    def take_part(self, view: memoryview, position: int) -> tuple[int, PDataPart | None]:
        """Take the next piece of a PDV if it is here with whole headers: nearly always it is.

        Returns the new position and the piece; without a piece, `receive` has to go on from there.
        Both give the same pieces, apart from where a chunk ends; this one makes neither units nor
        generators on the way.
        """
        if self._mode > _Mode.DATA or self._head or self.excerpt:
            return position, None
        if not self._pdv_left:
            position = self._open_pdv(view, position)
        pdv_left, left, end = self._pdv_left, self._left, len(view)
        if not pdv_left or 0 < left - pdv_left < HEADER_SIZE or position == end:
            return position, None
        stop = position + pdv_left
        if stop > end:
            stop = end
        taken = stop - position
        self._pdv_left = pdv_left = pdv_left - taken
        self._left = left = left - taken
        if not left:
            self._mode = _Mode.HEADER
        last = self._last and not pdv_left
        return stop, PDataPart(self._context_id, self._command, last, view[position:stop])

    def _open_pdv(self, view: memoryview, position: int) -> int:
        """Take the headers of a PDV item, and of the P-DATA-TF that it begins, and go past them.

        Does nothing if they are not whole, or if anything about them is unusual.
        """
        if self._mode is _Mode.HEADER:
            if len(view) - position < _BOTH.size:
                return position
            kind, length, pdv_length, context_id, control = _BOTH.unpack_from(view, position)
            if kind != PDataTF.kind or length > self.max_pdu > 0:
                return position
            position_after, left = position + _BOTH.size, length - HEADER_SIZE
        else:
            if len(view) - position < HEADER_SIZE:
                return position
            pdv_length, context_id, control = PDV_HEADER.unpack_from(view, position)
            position_after, left = position + HEADER_SIZE, self._left - HEADER_SIZE
            length = self.length - HEADER_SIZE
        behind = left + 2 - pdv_length
        if pdv_length <= 2 or behind < 0 or 0 < behind < HEADER_SIZE:
            return position
        if context_id not in self.contexts:
            return position
        self._mode = _Mode.DATA
        self.length = length + HEADER_SIZE
        self._left, self._pdv_left = left, pdv_length - 2
        self._context_id = context_id
        self._command = bool(control & COMMAND)
        self._last = bool(control & LAST)
        return position_after

    def _piece(self, view: memoryview, position: int, end: int) -> PDataPart:
        """What the chunk has of the PDV that is being read."""
        stop = min(end, position + self._pdv_left)
        self._pdv_left -= stop - position
        self._left -= stop - position
        last = self._last and not self._pdv_left
        return PDataPart(self._context_id, self._command, last, view[position:stop])

    def _gather(self, view: memoryview, position: int, end: int) -> int:
        """Moves towards a whole header in `_head` what the chunk has of it."""
        stop = min(end, position + HEADER_SIZE - len(self._head))
        self._head += view[position:stop]
        return stop

    def _header(self, view: memoryview, position: int) -> tuple[int, Unit | None]:
        end = len(view)
        if self._head or end - position < HEADER_SIZE:
            position = self._gather(view, position, end)
            if len(self._head) < HEADER_SIZE:
                return position, None
            header = bytes(self._head)
            self._head.clear()
        else:
            header = bytes(view[position : position + HEADER_SIZE])
            position += HEADER_SIZE
        if self.tracing or self.excerpt:
            self.excerpt = bytearray(header if self.tracing else b"")
        return position, self._begin(header)

    def _begin(self, header: bytes) -> Unit | None:
        """The six bytes decide."""
        kind, length = PDU_HEADER.unpack(header)
        self._left = length
        self.length = HEADER_SIZE + length
        try:
            check_header(kind, length, self.max_pdu)
        except RemoteProtocolError as error:
            return self._fail(error)
        if kind == PDataTF.kind:
            self._mode = _Mode.DATA
            self._pdv_left = 0
            return Mark.DATA_BEGINS
        if not length:
            return header
        self._mode = _Mode.WHOLE
        self._body = bytearray(header)
        return None

    def _whole(self, view: memoryview, position: int) -> tuple[int, bytes | None]:
        stop = min(len(view), position + self._left)
        self._body += view[position:stop]
        self._left -= stop - position
        if self._left:
            return stop, None
        body, self._body = bytes(self._body), bytearray()
        self._mode = _Mode.HEADER
        return stop, body

    def _skip(self, view: memoryview, position: int) -> tuple[int, None]:
        stop = min(len(view), position + self._left)
        self._left -= stop - position
        if not self._left:
            self._mode = _Mode.HEADER
        return stop, None

    _TAKE: ClassVar[dict[_Mode, Callable[[Framer, memoryview, int], tuple[int, Unit | None]]]] = {
        _Mode.HEADER: _header,
        _Mode.WHOLE: _whole,
        _Mode.SKIP: _skip,
    }
    """What takes the next bytes in modes other than DATA; gives the new position."""

    def _data(self, view: memoryview, position: int) -> Generator[Unit, None, int]:
        end = min(len(view), position + self._left)
        while position < end and self._mode is _Mode.DATA:
            begin = position
            unit: Unit | None
            if self._pdv_left:
                unit = self._piece(view, position, end)
                position += len(unit.data)
            else:
                position, unit = self._pdv(view, position, end)
            if self.excerpt:
                self._keep(view[begin:position])
            if unit is None:
                continue
            yield unit
            if not self._pdv_left and (after := self._after_pdv()) is not None:
                yield after
        return position

    def _pdv(
        self, view: memoryview, position: int, end: int
    ) -> tuple[int, PDataPart | RemoteProtocolError | None]:
        """The PDV item that begins here, if its header is whole and says nothing else."""
        begin = position
        if self._head or end - position < HEADER_SIZE:
            position = self._gather(view, position, end)
            self._left -= position - begin
            if len(self._head) < HEADER_SIZE:
                return position, None
            length, context_id, control = PDV_HEADER.unpack(self._head)
            self._head.clear()
        else:
            length, context_id, control = PDV_HEADER.unpack_from(view, position)
            position += HEADER_SIZE
            self._left -= HEADER_SIZE
        if not 2 <= length <= self._left + 2:
            return position, self._fail(wire.invalid(f"PDV of length {length}"))
        if context_id not in self.contexts:
            return position, self._fail(wire.invalid(f"PDV on context {context_id}"))
        self._context_id = context_id
        self._command = bool(control & COMMAND)
        self._last = bool(control & LAST)
        self._pdv_left = length - 2
        if self._pdv_left:
            return position, None
        return position, PDataPart(context_id, self._command, self._last, view[:0])

    def _after_pdv(self) -> Unit | None:
        """What the end of a PDV says about the PDU, unless its rest is unwanted by now."""
        if self._mode is not _Mode.DATA or self._left >= HEADER_SIZE:
            return None
        if self._left:
            # What cannot hold another PDV item is no part of a P-DATA-TF.
            return self._fail(wire.invalid(f"P-DATA-TF with {self._left} trailing bytes"))
        self._mode = _Mode.HEADER
        return Mark.DATA_ENDS if self.excerpt else None

    def _fail(self, error: RemoteProtocolError) -> RemoteProtocolError:
        """The rest of this PDU cannot be read; the next one may be."""
        self._mode = _Mode.SKIP if self._left else _Mode.HEADER
        return error

    def _keep(self, data: memoryview) -> None:
        self.excerpt += data[: EXCERPT - len(self.excerpt)]
