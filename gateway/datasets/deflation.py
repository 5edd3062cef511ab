"""Deflated data sets: raw deflate streams without a zlib header (PS3.5 A.5)."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from gateway.datasets.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_INFLATED = 1 << 30
"""The most bytes that a data set is inflated to: a small deflated data set can claim any size."""

_PIECE = 1 << 20


def deflate(encoded: bytes) -> bytes:
    """Return an encoded data set as a deflate stream, padded to an even length."""
    return b"".join(deflated_pieces([encoded]))


def deflated_pieces(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield an encoded data set as a deflate stream, padded to an even length."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    length = 0
    for piece in pieces:
        if deflated := deflater.compress(piece):
            length += len(deflated)
            yield deflated
    last = deflater.flush()
    yield last + b"\0" * ((length + len(last)) % 2)


def inflate(stream: BinaryIO, limit: int = MAX_INFLATED) -> bytes:
    """Return the rest of a stream inflated.

    Raises DatasetError if it has more than `limit` bytes, or ends before its last block.
    """
    return b"".join(inflated_pieces(stream, limit))


def inflated_pieces(
    stream: BinaryIO, limit: int = MAX_INFLATED, *, whole: bool = True
) -> Iterator[bytes]:
    """Yield the rest of a stream inflated, at most 1 MiB at a time; raise DatasetError.

    Without `whole`, a stream may end before its last block.
    """
    inflater = Inflater(stream, limit, whole=whole)
    while piece := inflater.read():
        yield piece


class InflaterMark(NamedTuple):
    """A place in a deflate stream from which inflating can go on."""

    position: int
    """Inflated bytes before it."""
    offset: int
    """Where the stream has been read to."""
    machine: zlib._Decompress


class Inflater:
    """Inflates the rest of a stream, as `inflated_pieces` does, from any mark on."""

    def __init__(self, stream: BinaryIO, limit: int = MAX_INFLATED, *, whole: bool = True) -> None:
        self.position = 0
        """Bytes inflated so far."""
        self._stream = stream
        self._limit = limit
        self._whole = whole
        self._machine = zlib.decompressobj(-zlib.MAX_WBITS)

    def read(self) -> bytes:
        """Return the next piece, empty at the end; raise DatasetError."""
        machine, room = self._machine, self._limit - self.position
        while not machine.eof and (data := machine.unconsumed_tail or self._stream.read(_PIECE)):
            try:
                piece = machine.decompress(data, min(room + 1, _PIECE))
            except zlib.error as error:
                raise DatasetError(f"the data set cannot be inflated: {error}") from None
            if len(piece) > room:
                raise DatasetError(f"the data set inflates to more than {self._limit} bytes")
            if piece:
                self.position += len(piece)
                return piece
        if self._whole and not machine.eof:
            raise DatasetError("the deflated data set ends before its last block")
        return b""

    def mark(self) -> InflaterMark:
        """Return the present place; it costs 50 KB of memory."""
        return InflaterMark(self.position, self._stream.tell(), self._machine.copy())

    def go_to(self, mark: InflaterMark) -> None:
        self.position, offset, machine = mark
        self._stream.seek(offset)
        self._machine = machine.copy()
