"""A file of the spool while it is written.

All disk operations run in the threads of the spool, one chunk at a time and without the global
interpreter lock; the event loop only copies. A thread writes a chunk, asks the kernel to write it
back, and computes its digest meanwhile. So little is left to do when the data set ends, whatever
its size.
"""

from __future__ import annotations

import asyncio
import errno
import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from gateway.spool.digest import running_digest
from gateway.spool.disk import start_write_back, write_all
from gateway.spool.threads import Strand

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.spool.chunks import Chunks
    from gateway.spool.threads import Threads


class SpoolFile:
    """A file that is written once, and then sealed or dropped.

    Its digest starts at byte `offset`; with None there is no digest. Public methods run in the
    thread of the event loop, all others in a thread of the spool.
    """

    def __init__(self, path: str, offset: int | None, chunks: Chunks, threads: Threads) -> None:
        self._fd = -1
        self._path = path
        self._chunks = chunks
        self._threads, self._strand = threads, Strand(threads)
        self.handed_in = 0
        """Bytes passed to `write`; counted by the event loop."""
        self._written = 0
        """Bytes that were written or discarded; counted by the threads."""
        self._digest = None if offset is None else running_digest()
        self._undigested = offset or 0
        """Bytes to skip before the digest starts."""
        self._dropped = False
        self.error: OSError | None = None
        """The first error; the file was then deleted."""

    @property
    def backlog(self) -> int:
        """Bytes that wait to be written."""
        return self.handed_in - self._written

    def write(self, chunk: memoryview, length: int) -> None:
        """Append the first `length` bytes of a chunk, and release the chunk."""
        self.handed_in += length
        self._strand.submit(partial(self._write, chunk, length, last=False))

    def caught_up(self) -> asyncio.Future[None]:
        """Return a future that is done when everything so far has been written or has failed."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(_: object) -> None:
            if not future.done():  # cancelled
                future.set_result(None)

        self._strand.perform(lambda: None, done)
        return future

    def seal(
        self,
        chunk: memoryview,
        length: int,
        target: str,
        *,
        sync: bool,
        done: Callable[[bytes | Exception], None],
    ) -> None:
        """Append the last chunk, sync the data if `sync`, rename the file to `target`, close it.

        Then the event loop calls `done` with the digest, empty without one; or with the error if
        any step or an earlier write failed: the file must then be dropped. A failed sync is not
        repeated, because the second one can report success for pages that the kernel has discarded.
        """
        self.handed_in += length
        self._strand.perform(partial(self._seal, chunk, length, target, sync=sync), done)

    def give_way(self) -> None:
        """Fail as if the disk were full, and delete the file: its space is needed for others."""
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._strand.submit(partial(self._give_up, full))

    def drop(self, target: str) -> None:
        """Delete the file under either name."""
        self._dropped = True
        self._strand.submit(partial(self._drop, target))

    def _write(self, chunk: memoryview, length: int, *, last: bool) -> None:
        try:
            if self.error is None and not self._dropped:
                self._append(chunk[:length], last=last)
        except OSError as error:
            self._give_up(error)
        finally:
            self._written += length
            self._chunks.give(chunk)

    def _append(self, data: memoryview, *, last: bool) -> None:
        if self._fd < 0:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._fd = os.open(self._path, flags, 0o600)
        write_all(self._fd, data)
        if not last:  # the last chunk is synced, or not, right after this
            with self._threads.waiting():
                start_write_back(self._fd, self._written, len(data))
        if self._digest is not None:
            self._digest.update(data[self._undigested :])
            self._undigested = max(0, self._undigested - len(data))

    def _give_up(self, error: OSError) -> None:
        """Free the disk space at once: the message may continue for a long time."""
        self.error = error
        with suppress(OSError):
            os.unlink(self._path)
        if self._fd >= 0:
            with suppress(OSError):
                os.ftruncate(self._fd, 0)

    def _seal(self, chunk: memoryview, length: int, target: str, *, sync: bool) -> bytes:
        self._write(chunk, length, last=True)
        if self.error is not None:
            raise self.error
        if not self._dropped:
            if os.fstat(self._fd).st_size != self.handed_in:
                text = "the spool file is not as long as what was written to it"
                raise OSError(errno.EIO, text)
            if sync:
                with self._threads.waiting():
                    os.fdatasync(self._fd)
            os.rename(self._path, target)
            self._close()
        return self._digest.digest() if self._digest is not None else b""

    def _drop(self, target: str) -> None:
        for name in (self._path, target):
            with suppress(OSError):
                os.unlink(name)
        self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)
