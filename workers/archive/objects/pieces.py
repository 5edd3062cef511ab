"""Pieces of bytes: read before they are asked for, or read as a file."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")

_AHEAD = 1
"""Pieces that are read before they are asked for, beside the one that is being read."""
_LOOK = 1.0
"""Seconds after which the thread looks whether it is still needed."""


def read_ahead(read: Callable[[T], bytes], parts: Sequence[T]) -> Iterator[bytes]:
    """Yield what `read` returns for each part; a thread reads the next ones meanwhile.

    An OSError that it raises comes after the pieces before it. The thread ends soon after the
    generator is closed.
    """
    reader = _ReadAheadThread(read, parts)
    reader.start()
    try:
        while (piece := reader.pieces.get()) is not None:
            if isinstance(piece, OSError):
                raise piece
            yield piece
    finally:
        reader.is_over = True


class _ReadAheadThread(threading.Thread):
    """Reads parts one after the other into a short queue."""

    def __init__(self, read: Callable[[T], bytes], parts: Sequence[T]) -> None:
        super().__init__(name="read ahead", daemon=True)
        self.pieces: queue.Queue[bytes | OSError | None] = queue.Queue(_AHEAD)
        self.is_over = False
        self._work = [partial(read, part) for part in parts]

    def run(self) -> None:
        try:
            for work in self._work:
                if not self._put(work()):
                    return
            self._put(None)
        except OSError as error:
            self._put(error)

    def _put(self, piece: bytes | OSError | None) -> bool:
        """Return False if nobody waits for it any more."""
        while not self.is_over:
            with suppress(queue.Full):
                self.pieces.put(piece, timeout=_LOOK)
                return True
        return False


class PieceReader(BytesIO):
    """Pieces of bytes, to be read as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._rest = b""

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = -1 if size is None else size
        while wanted < 0 or len(self._rest) < wanted:
            piece = next(self._pieces, b"")
            if not piece:
                break
            self._rest += piece
        end = len(self._rest) if wanted < 0 else wanted
        data, self._rest = self._rest[:end], self._rest[end:]
        return data
