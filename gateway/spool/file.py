"""One file of the spool while it is written.

Everything slow happens on a strand of the spool's threads. The digest reads the file back from the
page cache and trails behind the writer, a megabyte at a time, and each step asks the kernel to
begin writing back what was digested: little is left to do when the data set ends, whatever its
size.

If the disk cannot follow, `writev` itself begins to block. Once that was seen, the bytes are copied
and the strand writes them, for a while. One who goes on writing with `LIMIT` bytes waiting is made
to wait, so memory stays bounded.
"""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from gateway.spool.disk import start_write_back
from gateway.spool.strand import Strand

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future, ThreadPoolExecutor

    from gateway.spool.disk import Buffer, Disk

STEP = 1024 * 1024
"""Bytes that the digest stays behind the writer."""
LIMIT = 4 * 1024 * 1024
"""Bytes waiting for a thread at which the writer must wait, too."""

_READ = 256 * 1024


class SpoolFile:
    """A file that is written once, digested from byte `offset` on, and sealed or dropped.

    `offset` None: it is not digested.
    Its methods belong to the loop's thread, those with an underscore in front partly to the strand.
    Raises OSError if it cannot be made.
    """

    def __init__(self, path: str, offset: int | None, disk: Disk, pool: ThreadPoolExecutor) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600)
        self._path = path
        self._disk = disk
        self._strand = Strand(pool)
        self._queued = 0
        """Bytes handed in."""
        self._written = 0
        """Bytes in the page cache. The loop counts these up while the strand writes nothing, the
        strand otherwise."""
        self._last_write: Future[None] | None = None
        self._sha256 = None if offset is None else hashlib.sha256()
        self._digested = offset or 0
        self._asked = offset or 0
        """Where the digest will be after the last step that was asked for."""
        self._dropped = False
        self.error: OSError | None = None
        """The write that failed; the file is gone since then."""

    @property
    def backlog(self) -> int:
        """Bytes that wait for a thread."""
        return self._queued - self._written

    def write(self, views: Sequence[Buffer]) -> None:
        """Append the views, which may change as soon as this returns."""
        queue = self.backlog or self._disk.is_slow
        self._queued += sum(map(len, views))
        if queue:
            self._last_write = self._strand.submit(partial(self._write, [b"".join(views)]))
            if self.backlog > LIMIT:
                self._last_write.result()
        else:
            self._write(views)
        if self._queued - self._asked >= STEP:
            self._asked = self._queued
            self._strand.submit(self._digest)

    def caught_up(self) -> Future[None] | None:
        """Done when what was handed in so far is in the page cache; None: it is already."""
        return self._last_write if self.backlog else None

    def seal(self, target: str, *, sync: bool) -> Future[bytes]:
        """Digest the rest, sync the data if told to, rename the file to `target`, close it.

        Gives the digest, empty if none was wanted. The future raises OSError if any of it failed, a
        write before included; the file must be dropped then. A sync that failed is not tried again:
        the next one may report success for pages that the kernel has thrown away.
        """
        return self._strand.submit(partial(self._seal, target, sync=sync))

    def drop(self, target: str) -> None:
        """Delete the file under either name."""
        self._dropped = True
        with suppress(OSError):
            os.unlink(self._path)
        self._strand.submit(partial(self._close, target))

    def _write(self, views: Sequence[Buffer]) -> None:
        if self.error is not None or self._dropped:
            self._written = self._queued
            return
        try:
            self._written += self._disk.write(self._fd, views)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Give the space back at once: the message may go on for long."""
        with suppress(OSError):
            os.unlink(self._path)
        with suppress(OSError):
            os.ftruncate(self._fd, 0)
        self.error = error
        self._written = self._queued

    def _digest(self) -> None:
        begun, end = self._digested, self._written
        if self._dropped or end <= begun:
            return
        start_write_back(self._fd, begun, end - begun)
        if self._sha256 is None:
            self._digested = end
            return
        buffer = memoryview(bytearray(min(_READ, end - begun)))
        while self._digested < end:
            wanted = buffer[: end - self._digested]
            got = os.preadv(self._fd, [wanted], self._digested)
            if not got:
                raise OSError(errno.EIO, "the spool file is shorter than what was written to it")
            self._sha256.update(wanted[:got])
            self._digested += got

    def _seal(self, target: str, *, sync: bool) -> bytes:
        self._digest()
        if self.error is not None:
            raise self.error
        if sync:
            os.fdatasync(self._fd)
        os.rename(self._path, target)
        self._close_fd()
        return self._sha256.digest() if self._sha256 is not None else b""

    def _close(self, target: str) -> None:
        with suppress(OSError):
            os.unlink(target)
        self._close_fd()

    def _close_fd(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)
