"""Deflated data sets: raw deflate streams without a zlib header (PS3.5 A.5)."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, BinaryIO

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
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    room = limit
    while not inflater.eof and (data := inflater.unconsumed_tail or stream.read(_PIECE)):
        try:
            piece = inflater.decompress(data, min(room + 1, _PIECE))
        except zlib.error as error:
            raise DatasetError(f"the data set cannot be inflated: {error}") from None
        room -= len(piece)
        if room < 0:
            raise DatasetError(f"the data set inflates to more than {limit} bytes")
        yield piece
    if whole and not inflater.eof:
        raise DatasetError("the deflated data set ends before its last block")
