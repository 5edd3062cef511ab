"""Deflated data sets that are read where they are, without a copy of what they inflate to.

A megabyte may inflate to a gigabyte, which is legal: blank images do. So a data set is inflated
twice, to find its end and as it is read, and memory and disk do not grow with it. The first time
leaves marks, from which the second can go on: what a reader skips is not inflated again.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, BinaryIO

from gateway.datasets.byte_sources import BytesSource
from gateway.datasets.deflation import MAX_INFLATED, Inflater
from gateway.datasets.errors import DatasetError

if TYPE_CHECKING:
    from gateway.datasets.byte_sources import Source
    from gateway.datasets.deflation import InflaterMark

IN_MEMORY = 1 << 20
"""Bytes of an inflated data set that are kept in memory."""
STRIDE = 8 << 20
"""Bytes between two marks."""
BEHIND = 512 * 1024
"""Bytes before the last read that are kept, because readers look ahead and go back a little."""


def inflated(stream: BinaryIO, in_memory: int = IN_MEMORY) -> tuple[Source, DatasetError | None]:
    """Return the rest of a deflate stream as a source, and why it cannot be inflated to its end.

    In the second case the source has what comes before. The stream stays in use, unless the source
    has at most `in_memory` bytes.
    """
    inflater = Inflater(stream, MAX_INFLATED)
    marks, kept, fault = [inflater.mark()], [], None
    try:
        while piece := inflater.read():
            if inflater.position <= in_memory:
                kept.append(piece)
            if inflater.position - marks[-1].position >= STRIDE:
                marks.append(inflater.mark())
    except DatasetError as error:
        fault = error
    if inflater.position <= in_memory:
        return BytesSource(b"".join(kept)), fault
    return InflatedSource(inflater, marks), fault


class InflatedSource:
    """A deflated data set that is inflated as it is read, mostly from its begin to its end."""

    def __init__(self, inflater: Inflater, marks: list[InflaterMark]) -> None:
        self.size = inflater.position
        self._inflater = inflater
        self._marks = marks
        self._window = b""
        self._go_to(0)

    def read(self, at: int, length: int) -> bytes:
        """Return exactly so many bytes; raises OSError if they are not there any more."""
        if at < self._base or at - self._inflater.position >= STRIDE:
            self._go_to(at)
        while self._inflater.position < at + length:
            self._read_on(at)
        begin = at - self._base
        return self._window[begin : begin + length]

    def _read_on(self, at: int) -> None:
        """Add a piece to the window, and forget what is far before `at`."""
        try:
            piece = self._inflater.read()
        except DatasetError as error:
            raise OSError(f"the file changed while it was read: {error}") from None
        if not piece:
            raise OSError("the file became shorter while it was read")
        gone = min(max(0, at - BEHIND - self._base), len(self._window))
        self._window = self._window[gone:] + piece if gone < len(self._window) else piece
        self._base += gone

    def _go_to(self, at: int) -> None:
        mark = self._marks[bisect_right(self._marks, at, key=lambda one: one.position) - 1]
        self._inflater.go_to(mark)
        self._base, self._window = mark.position, b""
