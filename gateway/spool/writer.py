"""Writes a data set as it arrives: to memory while it is small, then to a file of the spool."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from gateway.errors import SpoolError
from gateway.spool.claim import Claim, Sealed
from gateway.spool.digest import digest_of
from gateway.spool.directory import PART
from gateway.spool.file import SpoolFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.spool.chunks import Chunks
    from gateway.spool.disk import Disk
    from gateway.spool.threads import Threads

SHORT = 12 * 1024
"""Bytes of a first fragment that is nearly always the whole data set: less than the usual PDU."""
BEHIND = 3 * 1024 * 1024
"""Bytes in the queue for the disk at which reading from the peer should pause."""


@dataclass(frozen=True, slots=True)
class SpoolContext:
    """The common part of a spool's writers: directories, disk, buffers and threads."""

    incoming: str
    ready: str
    inline_max: int
    disk: Disk
    chunks: Chunks
    threads: Threads
    long: dict[SpoolFile, None] = field(default_factory=dict)
    """The files of data sets of more than a chunk that are still arriving."""


class Writer:
    """Writes one data set. `Spool.create` makes it; `Spool.seal` or `discard` ends it.

    Fragments are copied into a chunk, and full chunks are written by a thread. A short data set
    that comes in one piece is copied only once, and needs no chunk. If a write fails,
    `failed` says so, the file is deleted at once, and further fragments are counted and discarded,
    because the association must go on. That also happens to the longest of the data sets that are
    arriving when the disk has less than `min_free`: one without end must not take it from all.
    """

    def __init__(
        self, token: str, meta: bytes, context: SpoolContext, *, digest: bool = True
    ) -> None:
        self.token = token
        self.offset = len(meta)
        """Bytes of the file before the data set."""
        self.size = 0
        """Bytes of the data set so far."""
        self._context = context
        self._digest = digest
        self._head = meta
        """Bytes of the file that are to be the first ones in a chunk."""
        self._chunk: memoryview | None = None
        """The chunk that is being filled; None: there is none."""
        self._filled = 0
        """Bytes in the chunk."""
        self._file: SpoolFile | None = None
        self._ended = False

    @property
    def failed(self) -> SpoolError | None:
        """Why the data set cannot be spooled; None if it can."""
        if self._file is None or self._file.error is None:
            return None
        return _spool_error(self._file.error)

    @property
    def behind(self) -> bool:
        """Whether the disk is too slow, so that reading should pause until it `caught_up`."""
        if self._file is None:
            return False
        return self._file.backlog >= (1 if self._context.chunks.are_scarce else BEHIND)

    async def caught_up(self) -> None:
        """Wait until everything so far has been written or has failed."""
        if self._file is not None:
            await self._file.caught_up()

    def write(self, fragment: memoryview) -> None:
        """Copy the next bytes of the data set; the view may change afterwards."""
        length = len(fragment)
        self.size += length
        if self._ended or (self._file is not None and self._file.error is not None):
            return
        chunk = self._chunk
        if chunk is None:
            if self.size == length <= SHORT and length <= self._context.inline_max:
                self._head += fragment
                return
            chunk = self._begin()
        end = self._filled + length
        if end <= self._context.chunks.size:
            chunk[self._filled : end] = fragment
            self._filled = end
        else:
            self._overflow(chunk, fragment)

    def relieve(self) -> None:
        """Write and release the chunk early if buffers are scarce."""
        full = self._filled > self.offset + self._context.inline_max or self._file is not None
        if full and self._chunk is not None and self._context.chunks.are_scarce:
            chunk, self._chunk = self._chunk, None
            self._hand_over(chunk)

    def discard(self) -> None:
        """Delete the data set, unless it is sealed."""
        if self._ended:
            return
        self._ended = True
        if self._chunk is not None:
            self._context.chunks.give(self._chunk)
            self._chunk = None
        if self._file is not None:
            self._context.long.pop(self._file, None)
            self._file.drop(self._ready)

    @property
    def is_inline(self) -> bool:
        """The data set, as far as it has come, is small enough to travel inline."""
        return self._file is None and self.size <= self._context.inline_max

    def seal(self, *, sync: bool, done: Callable[[Sealed | Exception], None]) -> None:
        """Complete the data set, and call `done` with it, or with the error, in the event loop.

        Once it is discarded, nothing is called.
        """
        if self.is_inline:
            done(self._sealed_inline())
            return
        chunk, context = self._chunk or self._begin(), self._context
        self._chunk = None
        context.disk.count(self._filled)
        file = self._opened()
        context.long.pop(file, None)
        file.seal(
            chunk, self._filled, self._ready, sync=sync, done=partial(self._sealed, sync, done)
        )

    def _sealed_inline(self) -> Sealed:
        data = self._head if self._chunk is None else bytes(self._chunk[: self._filled])
        if self._chunk is not None:
            self._context.chunks.give(self._chunk)
            self._chunk = None
        self._ended = True
        # Up to 64 KiB the digest takes less time than a call in a thread.
        digest = digest_of(memoryview(data)[self.offset :]) if self._digest else b""
        return Sealed(Claim(self.token, None, self.offset, self.size, digest), data)

    def _sealed(
        self, sync: bool, done: Callable[[Sealed | Exception], None], outcome: bytes | Exception
    ) -> None:
        if self._ended:
            return
        if isinstance(outcome, Exception):
            self.discard()
            done(_spool_error(outcome) if isinstance(outcome, OSError) else outcome)
            return
        self._ended = True
        claim = Claim(self.token, self._ready, self.offset, self.size, outcome, sync)
        done(Sealed(claim, None))

    @property
    def _ready(self) -> str:
        return f"{self._context.ready}/{self.token}"

    def _begin(self) -> memoryview:
        """Start a new chunk; the first one begins with the file meta information."""
        chunk = self._chunk = self._context.chunks.take()
        head, self._head = self._head, b""
        chunk[: len(head)] = head
        self._filled = len(head)
        return chunk

    def _overflow(self, chunk: memoryview, fragment: memoryview) -> None:
        """Copy a fragment that does not fit, and write the chunks that are full."""
        while len(fragment):
            if (room := len(chunk) - self._filled) == 0:
                self._hand_over(chunk)
                chunk = self._begin()
                continue
            piece, fragment = fragment[:room], fragment[room:]
            chunk[self._filled : self._filled + len(piece)] = piece
            self._filled += len(piece)

    def _hand_over(self, chunk: memoryview) -> None:
        context, file = self._context, self._opened()
        context.disk.count(self._filled)
        context.long[file] = None
        file.write(chunk, self._filled)
        if context.disk.is_to_be_relieved():
            longest = max(context.long, key=lambda one: one.handed_in)
            del context.long[longest]
            longest.give_way()

    def _opened(self) -> SpoolFile:
        if self._file is None:
            path = f"{self._context.incoming}/{self.token}{PART}"
            begin = self.offset if self._digest else None
            self._file = SpoolFile(path, begin, self._context.chunks, self._context.threads)
        return self._file


def _spool_error(error: OSError) -> SpoolError:
    return SpoolError(f"the data set cannot be written to the spool: {error.strerror}")
