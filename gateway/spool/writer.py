"""One data set on its way in: in memory while it is small, in a file from then on."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from gateway.errors import SpoolError
from gateway.spool.claim import Claim
from gateway.spool.directory import PART
from gateway.spool.file import SpoolFile

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path

    from gateway.spool.disk import Disk

BEHIND = 1024 * 1024
"""Bytes waiting for the disk at which reading from the peer should pause."""


class Place:
    """What the writers of one spool share: where they write, and with what."""

    def __init__(
        self, incoming: Path, ready: Path, inline_max: int, disk: Disk, pool: ThreadPoolExecutor
    ) -> None:
        self.incoming = str(incoming)
        self.ready = str(ready)
        self.inline_max = inline_max
        self.disk = disk
        self.pool = pool


class Writer:
    """A data set that arrives. `Spool.create` makes it; `Spool.seal` or `discard` ends it.

    A write that fails is remembered in `failed`, the file goes away at once, and what still arrives
    is counted and dropped: it is no reason to end the association.
    """

    def __init__(self, token: str, meta: bytes, place: Place, *, digest: bool = True) -> None:
        self.token = token
        self.offset = len(meta)
        """Bytes of the file before the data set."""
        self.size = 0
        """Bytes of the data set so far."""
        self._place = place
        self._digest = digest
        self._gathered: list[memoryview] = []
        self._memory = bytearray(meta)
        """The whole file, while it may yet travel inline."""
        self._file: SpoolFile | None = None
        self._failed: SpoolError | None = None
        self._ended = False

    @property
    def failed(self) -> SpoolError | None:
        """Why the data set cannot be kept."""
        if self._failed is None and self._file is not None and self._file.error is not None:
            self._failed = _spool_error(self._file.error)
        return self._failed

    @property
    def behind(self) -> bool:
        """The disk does not follow: reading should pause until it `caught_up`."""
        return self._file is not None and self._file.backlog >= BEHIND

    async def caught_up(self) -> None:
        """Return when what was flushed so far is written, or has failed."""
        pending = self._file.caught_up() if self._file is not None else None
        if pending is not None:
            await asyncio.wait([asyncio.wrap_future(pending)])

    def write(self, fragment: memoryview) -> None:
        """Take the next bytes of the data set; the view must stay valid until `flush`."""
        self.size += len(fragment)
        self._gathered.append(fragment)

    def flush(self) -> None:
        """Write what was gathered; the views may die afterwards."""
        views, self._gathered = self._gathered, []
        if not views or self._ended or self.failed is not None:
            return
        if self._file is not None:
            self._file.write(views)
        elif self.size <= self._place.inline_max:
            for view in views:
                self._memory += view
        else:
            self._spill(views)

    def discard(self) -> None:
        """Delete all of it; nothing happens if it is sealed already."""
        self._gathered = []
        self._memory = bytearray()
        if not self._ended:
            self._ended = True
            if self._file is not None:
                self._file.drop(self._ready)

    async def seal(self, *, sync: bool) -> tuple[Claim, bytes | None]:
        """End the data set; gives the claim, and the whole file if it travels inline.

        Raises SpoolError if it could not be kept; nothing is left of it then, nor if this is
        cancelled.
        """
        self.flush()
        try:
            if self.failed is not None:
                raise self.failed
            claim, data = await self._finish(sync=sync)
        except OSError as error:
            self.discard()
            raise _spool_error(error) from error
        except (SpoolError, asyncio.CancelledError):
            self.discard()
            raise
        self._ended = True
        self._memory = bytearray()
        return claim, data

    @property
    def _ready(self) -> str:
        return f"{self._place.ready}/{self.token}"

    def _spill(self, views: list[memoryview]) -> None:
        path = f"{self._place.incoming}/{self.token}{PART}"
        memory, self._memory = self._memory, bytearray()
        try:
            begin = self.offset if self._digest else None
            self._file = SpoolFile(path, begin, self._place.disk, self._place.pool)
        except OSError as error:
            self._failed = _spool_error(error)
        else:
            self._file.write([memory, *views])

    async def _finish(self, *, sync: bool) -> tuple[Claim, bytes | None]:
        if self._file is None:
            data = bytes(self._memory)
            digest = b""
            if self._digest:
                # At 64 KiB the digest is cheaper than the way to a thread and back.
                digest = hashlib.sha256(memoryview(data)[self.offset :]).digest()
            return Claim(self.token, None, self.offset, self.size, digest), data
        digest = await asyncio.wrap_future(self._file.seal(self._ready, sync=sync))
        return Claim(self.token, self._ready, self.offset, self.size, digest, sync), None


def _spool_error(error: OSError) -> SpoolError:
    return SpoolError(f"the spool cannot keep the data set: {error.strerror}")
