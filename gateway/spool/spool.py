"""The spool of one acceptor: opened, asked for writers, told what became of its claims."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from gateway.errors import SpoolError
from gateway.spool.chunks import CHUNK, Chunks
from gateway.spool.claim import Claim, Tokens
from gateway.spool.directory import lock, make_private, make_root, sweep
from gateway.spool.disk import Disk, write_all
from gateway.spool.threads import Threads
from gateway.spool.writer import Place, Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.settings import SpoolSettings
    from gateway.spool.directory import Swept

log = logging.getLogger("gateway.spool")

THREADS = 16
"""Files at once. Syncs overlap well: the file system's journal groups them."""
META_MAX = 4096
"""Bytes, more than the file meta information ever has."""


class Sealed(NamedTuple):
    """A data set that can be offered."""

    claim: Claim
    data: bytes | None
    """The whole Part 10 file if it travels inline, with the data set from `claim.offset` on."""


class Spool:
    """Where the data sets of one acceptor wait; `open` makes it."""

    def __init__(
        self,
        place: Place,
        quarantine: Path,
        *,
        lock_fd: int,
        tokens: Tokens,
        durable: bool,
        swept: Swept,
    ) -> None:
        self.swept = swept
        self.failures = 0
        """Data sets that could not be kept since it was opened."""
        self._place = place
        self._quarantine = quarantine
        self._lock_fd = lock_fd
        self._tokens = tokens
        self._durable = durable

    @classmethod
    def open(
        cls,
        root: Path,
        index: int,
        settings: SpoolSettings,
        *,
        durable: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> Spool:
        """Make the folders, lock those of acceptor `index` and delete what its predecessor left.

        Raises ConfigError if the spool cannot be written to, SpoolError if another acceptor has the
        same number; both in one line.
        """
        root = make_root(root)
        incoming, ready, quarantine = (
            root / f"incoming/{index}",
            root / "ready",
            root / "quarantine",
        )
        for folder in (root / "incoming", incoming, ready, quarantine):
            make_private(folder)
        lock_fd = lock(incoming)
        swept = sweep(incoming, ready, index)
        if any((swept.partial, swept.sealed, swept.foreign)):
            log.warning(
                "spool swept acceptor=%d partial=%d sealed=%d foreign=%d",
                *(index, swept.partial, swept.sealed, swept.foreign),
            )
        place = Place(
            incoming,
            ready,
            settings.inline_max,
            disk=Disk(root, settings.min_free, clock),
            chunks=Chunks(max(CHUNK, settings.inline_max + META_MAX)),
            threads=Threads(THREADS, "spool"),
        )
        tokens = Tokens(index)
        return cls(place, quarantine, lock_fd=lock_fd, tokens=tokens, durable=durable, swept=swept)

    def admit(self) -> None:
        """Raise SpoolError if there is no room for another data set; cheap."""
        self._place.disk.check_room()

    def create(self, meta: bytes, *, digest: bool = True) -> Writer:
        """A writer for a data set that stands after `meta` in its file.

        `digest`: its digest is to stand in the claim.
        """
        return Writer(self._tokens.draw(), meta, self._place, digest=digest)

    def seal_inline(self, writer: Writer) -> Sealed | None:
        """End a data set that travels inline and make it ready to be offered.

        Returns None, with nothing changed, for one that needs `seal`.
        """
        return Sealed(*writer.seal_inline()) if writer.is_inline else None

    async def seal(self, writer: Writer, *, sync: bool) -> Sealed:
        """End the data set and make it ready to be offered, its data on disk if `sync`.

        Raises SpoolError if it could not be kept. Nothing is left of it then, nor if this is
        cancelled.
        """
        try:
            return Sealed(*await writer.seal(sync=sync and self._durable))
        except SpoolError as error:
            self.failures += 1
            log.error("data set lost token=%s error=%s", writer.token, error)  # noqa: TRY400
            raise

    def release(self, claim: Claim) -> None:
        """Delete the file if no worker took it."""
        if claim.path is None:
            return
        try:
            # Freeing a big file takes long: its name goes now, its blocks with the descriptor.
            fd = os.open(claim.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        except OSError:
            pass  # out of descriptors, for one: it goes all the same
        else:
            self._place.threads.submit(partial(os.close, fd))
        try:
            with suppress(FileNotFoundError):
                os.unlink(claim.path)
        except OSError as error:
            # What was answered stays so, and the next start sweeps what is left.
            log.error("cannot release token=%s error=%s", claim.token, error.strerror)  # noqa: TRY400

    def quarantine(self, claim: Claim, data: bytes | None) -> None:
        """Park a data set that killed its workers, for an operator to look at.

        Nothing reads it back. A file that a worker had taken before it died is left where it is.
        """
        parked = self._quarantine / f"{claim.token}.dcm"
        try:
            if claim.path is not None:
                os.rename(claim.path, parked)
            elif data is not None:
                _write_new(parked, data)
        except FileNotFoundError:
            log.warning("nothing to park token=%s: a worker took it", claim.token)
        except OSError as error:
            log.error("cannot park token=%s error=%s", claim.token, error.strerror)  # noqa: TRY400
        else:
            log.error("data set parked file=%s", parked)

    async def close(self) -> None:
        """Wait for the threads and let go of the folders."""
        await asyncio.to_thread(self._place.threads.close)
        os.close(self._lock_fd)


def _write_new(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(path, flags, 0o600)
    try:
        write_all(fd, [data])
    finally:
        os.close(fd)
