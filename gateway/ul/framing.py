"""Split the byte stream of a peer into PDUs (PS3.8 9.3.1), however it is divided into reads.

The stream alternates between headers and bodies. The six bytes of a header decide what happens with
the body:

- P-DATA-TF: DATA_BEGINS, then each part of a PDV as it arrives, as a view of the chunk that it
  arrived in. Nothing is copied or stored, so memory depends neither on PDU nor on object length.
- Other PDUs are collected as `bytes` with their header, at most `MAX_ASSOCIATE_LENGTH`.
- An invalid header is a RemoteProtocolError, and the body is skipped.

Between two units the consumer can refuse the rest of a P-DATA-TF (`skip`) or of the stream
(`stop`). All decisions depend on positions in the stream, and none on where a chunk ends.
"""

from __future__ import annotations

from enum import Enum, IntEnum, auto
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from gateway.errors import RemoteProtocolError
from gateway.ul import encoding
from gateway.ul.pdu import COMMAND, LAST, PDU_AND_PDV, PDU_HEADER, PDV_HEADER, PDataTF, check_header
from gateway.ul.primitives import PDataPart

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Iterator

HEADER_SIZE = PDU_HEADER.size
"""The size of a PDU header and also of a PDV item header, so the same code collects both."""
_BOTH = PDU_AND_PDV
_BOTH_SIZE = _BOTH.size
EXCERPT = 64 * 1024
"""The maximum number of bytes of a traced P-DATA-TF that are stored."""


class Mark(Enum):
    """The beginning or end of a P-DATA-TF in the stream."""

    DATA_BEGINS = auto()
    DATA_ENDS = auto()


Unit: TypeAlias = Mark | PDataPart | bytes | RemoteProtocolError


class _Mode(IntEnum):
    HEADER = auto()
    DATA = auto()
    WHOLE = auto()
    SKIP = auto()
    STOPPED = auto()


_HEADER, _DATA = _Mode.HEADER, _Mode.DATA
_P_DATA_TF = PDataTF.kind
SHORT_PDU = 64 * 1024
"""Bytes of a PDU, at most, whose data is moved to that of others: for longer ones it takes longer
than to hand them on by themselves."""
_MORE_DATA = 0
"""The message control header of a data set fragment that is not the last one (PS3.8 E.2)."""


class Framer:
    """Splits the byte stream of one peer."""

    # fmt: off
    __slots__ = (
        "_body", "_command", "_context_id", "_head", "_last", "_left", "_mode", "_pdv_left",
        "contexts", "excerpt", "length", "max_pdu", "tracing",
    )
    # fmt: on

    def __init__(self, max_pdu: int) -> None:
        self.max_pdu = max_pdu
        """The maximum length that was announced to the peer; 0: no limit."""
        self.contexts: Container[int] = ()
        """The IDs of the accepted presentation contexts."""
        self.tracing = False
        """Store the beginning of each P-DATA-TF, and report its end."""
        self.excerpt = bytearray()
        self.length = 0
        """The length of the current PDU, header included."""
        self._mode = _Mode.HEADER
        self._head = bytearray()
        self._body = bytearray()
        self._left = 0
        self._pdv_left = 0
        self._context_id = 0
        self._command = False
        self._last = False

    @property
    def is_open(self) -> bool:
        """Whether a PDU has begun and has not ended."""
        return self._mode is not _HEADER or bool(self._head)

    @property
    def stored(self) -> int:
        """The bytes that are stored of a PDU, other than a P-DATA-TF, that has not ended."""
        return len(self._body) if self._mode is _Mode.WHOLE else 0

    def skip(self) -> None:
        """Skip the rest of the current P-DATA-TF."""
        self._pdv_left = 0
        if self._mode is _Mode.DATA:
            self._head.clear()
            self._mode = _Mode.SKIP if self._left else _Mode.HEADER

    def stop(self) -> None:
        """Ignore the rest of the stream."""
        self._mode = _Mode.STOPPED
        self._head = self._body = bytearray()

    def receive(self, data: bytes | bytearray | memoryview) -> Iterator[Unit]:
        """Yield the units that end in `data`; must be iterated to the end before the next call."""
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
        """Return the next part of a PDV and the position after it, if its headers are complete.

        Nearly all data is read this way, without units and generators. Without a part, `receive`
        must continue from the position. Both give the same parts, except where a chunk ends, and
        that whole PDVs of one data set become one part here: their data is moved together in the
        view, if that can be written to.
        """
        if self._mode > _DATA or self._head or self.excerpt:
            return position, None
        end = len(view)
        if self._mode is _HEADER and end - position >= _BOTH_SIZE:
            kind, length, pdv_length, context_id, control = _BOTH.unpack_from(view, position)
            stop = position + HEADER_SIZE + length
            # One PDV fills the PDU, and all of it is here: no state is needed.
            if (
                kind == _P_DATA_TF
                and 2 < pdv_length == length - 4
                and stop <= end
                and not length > self.max_pdu > 0
                and context_id in self.contexts
            ):
                if control == _MORE_DATA and length <= SHORT_PDU:
                    return self._joined(view, position + _BOTH_SIZE, stop, context_id)
                data = view[position + _BOTH_SIZE : stop]
                return stop, PDataPart(
                    context_id, control & COMMAND != 0, control & LAST != 0, data
                )
        if not self._pdv_left:
            position = self._open_pdv(view, position)
        pdv_left, left = self._pdv_left, self._left
        if not pdv_left or 0 < left - pdv_left < HEADER_SIZE or position == end:
            return position, None
        stop = min(position + pdv_left, end)
        taken = stop - position
        self._pdv_left = pdv_left = pdv_left - taken
        self._left = left = left - taken
        if not left:
            self._mode = _HEADER
        last = self._last and not pdv_left
        return stop, PDataPart(self._context_id, self._command, last, view[position:stop])

    def _joined(
        self, view: memoryview, start: int, filled: int, context_id: int
    ) -> tuple[int, PDataPart]:
        """Return a part that begins at `start`, and the position after it.

        The data of the PDVs that follow is moved to `filled` while they continue its data set and
        fill their PDUs.
        """
        unpack, position, last = _BOTH.unpack_from, filled, False
        end = 0 if view.readonly else len(view)
        while not last and end - position >= _BOTH_SIZE:
            kind, length, pdv_length, other_id, control = unpack(view, position)
            begin, stop = position + _BOTH_SIZE, position + HEADER_SIZE + length
            if (
                kind != _P_DATA_TF
                or not 2 < pdv_length == length - 4
                or stop > end
                or length > self.max_pdu > 0
                or other_id != context_id
                or control & COMMAND
            ):
                break
            position, last = stop, control & LAST != 0
            view[filled : filled + stop - begin] = view[begin:stop]
            filled += stop - begin
        return position, PDataPart(context_id, False, last, view[start:filled])

    def _open_pdv(self, view: memoryview, position: int) -> int:
        """Take the headers of a PDV item, and of the P-DATA-TF that it begins, and go past them.

        Does nothing if they are not whole, or if anything about them is unusual.
        """
        if self._mode is _HEADER:
            if len(view) - position < _BOTH_SIZE:
                return position
            kind, length, pdv_length, context_id, control = _BOTH.unpack_from(view, position)
            if kind != PDataTF.kind or length > self.max_pdu > 0:
                return position
            position_after, left = position + _BOTH_SIZE, length - HEADER_SIZE
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
        self._mode = _DATA
        self.length = length + HEADER_SIZE
        self._left, self._pdv_left = left, pdv_length - 2
        self._context_id = context_id
        self._command = bool(control & COMMAND)
        self._last = bool(control & LAST)
        return position_after

    def _piece(self, view: memoryview, position: int, end: int) -> PDataPart:
        """Return the part of the current PDV that is in the chunk."""
        stop = min(end, position + self._pdv_left)
        self._pdv_left -= stop - position
        self._left -= stop - position
        last = self._last and not self._pdv_left
        return PDataPart(self._context_id, self._command, last, view[position:stop])

    def _gather(self, view: memoryview, position: int, end: int) -> int:
        """Append to `_head` the part of a header that is in the chunk."""
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
        """Decide by the header what happens with the body."""
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
    """The function that reads the next bytes in each mode but DATA, and returns the position."""

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
        """Read the header of a PDV item; return a part if it has no data, or an error."""
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
            return position, self._fail(encoding.invalid(f"PDV of length {length}"))
        if context_id not in self.contexts:
            return position, self._fail(encoding.invalid(f"PDV on context {context_id}"))
        self._context_id = context_id
        self._command = bool(control & COMMAND)
        self._last = bool(control & LAST)
        self._pdv_left = length - 2
        if self._pdv_left:
            return position, None
        return position, PDataPart(context_id, self._command, self._last, view[:0])

    def _after_pdv(self) -> Unit | None:
        """Check at the end of a PDV whether the PDU ends too, unless the rest is skipped."""
        if self._mode is not _Mode.DATA or self._left >= HEADER_SIZE:
            return None
        if self._left:
            # Too few bytes are left for another PDV item.
            return self._fail(encoding.invalid(f"P-DATA-TF with {self._left} trailing bytes"))
        self._mode = _Mode.HEADER
        return Mark.DATA_ENDS if self.excerpt else None

    def _fail(self, error: RemoteProtocolError) -> RemoteProtocolError:
        """Skip the rest of this PDU, and return the error."""
        self._mode = _Mode.SKIP if self._left else _Mode.HEADER
        return error

    def _keep(self, data: memoryview) -> None:
        self.excerpt += data[: EXCERPT - len(self.excerpt)]
