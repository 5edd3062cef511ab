"""The spool of one acceptor: creates writers, and releases or quarantines claims."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from gateway.errors import SpoolError
from gateway.spool.chunks import CHUNK, Chunks
from gateway.spool.claim import Sealed, Tokens
from gateway.spool.directory import lock, make_private, make_root, sweep
from gateway.spool.disk import Disk, write_all
from gateway.spool.threads import Threads
from gateway.spool.writer import SpoolContext, Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.settings import SpoolSettings
    from gateway.spool.claim import Claim

log = logging.getLogger("gateway.spool")

THREADS = 16
"""Threads for files. Many syncs at the same time are fast: the file system groups them."""
META_MAX = 4096
"""Bytes; the file meta information is always shorter."""


class Spool:
    """The spool of acceptor `index`.

    Creating it creates and locks the directories, and deletes what its predecessor left. Raises
    ConfigError if the spool is not writable, and SpoolError if another acceptor has the same
    number.
    """

    def __init__(
        self,
        root: Path,
        index: int,
        settings: SpoolSettings,
        *,
        durable: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = root = make_root(root)
        incoming, ready = root / f"incoming/{index}", root / "ready"
        self._incoming, self._quarantine = incoming, root / "quarantine"
        self._folders = (root / "incoming", incoming, ready, self._quarantine)
        for folder in self._folders:
            make_private(folder)
        self._lock_fd = lock(incoming)
        self.swept = swept = sweep(incoming, ready, index)
        if any((swept.partial, swept.sealed, swept.foreign)):
            log.warning(
                "spool swept acceptor=%d partial=%d sealed=%d foreign=%d",
                *(index, swept.partial, swept.sealed, swept.foreign),
            )
        self._context = SpoolContext(
            str(incoming),
            str(ready),
            settings.inline_max,
            disk=Disk(root, settings.min_free, clock),
            chunks=Chunks(max(CHUNK, settings.inline_max + META_MAX)),
            threads=Threads(THREADS, "spool"),
        )
        self._tokens = Tokens(index)
        self.inline_max = settings.inline_max
        """Bytes of a data set, at most, that travels with its claim."""
        self._durable = durable
        self.failures = 0
        """The number of data sets that could not be spooled."""

    def restore(self) -> bool:
        """Make the directories again if they were deleted under way; return whether they were.

        Data sets that were arriving fail. Raises ConfigError, or SpoolError if another acceptor has
        the same number.
        """
        if all(folder.is_dir() for folder in self._folders):
            return False
        is_locked = self._incoming.is_dir()
        make_root(self._root)
        for folder in self._folders:
            make_private(folder)
        if not is_locked:
            fd = lock(self._incoming)
            os.close(self._lock_fd)
            self._lock_fd = fd
        return True

    def admit(self) -> None:
        """Raise SpoolError if there is not enough free space for another data set."""
        self._context.disk.check_room()

    def create(self, meta: bytes, *, digest: bool = True) -> Writer:
        """Return a writer for a data set whose file begins with `meta`.

        With `digest` the claim will have the digest of the data set.
        """
        return Writer(self._tokens.draw(), meta, self._context, digest=digest)

    def draw_token(self) -> str:
        """Return the token of a data set that is inline without a writer."""
        return self._tokens.draw()

    def seal(
        self, writer: Writer, *, sync: bool, done: Callable[[Sealed | Exception], None]
    ) -> None:
        """Complete a data set, sync its data if `sync`, and call `done` with it.

        One that travels inline is complete at once. If it could not be spooled, its file is
        deleted, and `done` gets a SpoolError. Once the writer is discarded, nothing is called.
        """
        told = partial(self._sealed, writer.token, done)
        writer.seal(sync=sync and self._durable, done=told)

    def _sealed(
        self, token: str, done: Callable[[Sealed | Exception], None], outcome: Sealed | Exception
    ) -> None:
        if isinstance(outcome, SpoolError):
            self.failures += 1
            log.error("data set not spooled token=%s error=%s", token, outcome)
        done(outcome)

    def release(self, claim: Claim) -> None:
        """Delete the file if no worker took it."""
        if claim.path is None or not os.access(claim.path, os.F_OK):
            return
        try:
            # Freeing a large file takes long: a thread closes the descriptor and so frees it.
            fd = os.open(claim.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        except OSError:
            pass  # such as too many open files: the file is deleted here
        else:
            self._context.threads.submit(partial(os.close, fd))
        try:
            with suppress(FileNotFoundError):
                os.unlink(claim.path)
        except OSError as error:
            # The response is not affected, and the next start deletes the file.
            log.error("cannot release token=%s error=%s", claim.token, error.strerror)  # noqa: TRY400

    def quarantine(self, claim: Claim, data: bytes | None) -> None:
        """Keep a data set with which two workers died, for an operator to examine.

        Nothing reads it again. A file that a worker took before it died stays where it is.
        """
        parked = self._quarantine / f"{claim.token}.dcm"
        try:
            if claim.path is not None:
                os.rename(claim.path, parked)
            elif data is not None:
                _write_new(parked, data)
        except FileNotFoundError:
            log.warning("nothing to quarantine token=%s: a worker took it", claim.token)
        except OSError as error:
            log.error("cannot quarantine token=%s error=%s", claim.token, error.strerror)  # noqa: TRY400
        else:
            log.error("data set quarantined file=%s", parked)

    async def close(self) -> None:
        """Wait for the threads, and unlock the directories."""
        await asyncio.to_thread(self._context.threads.close)
        os.close(self._lock_fd)


def _write_new(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(path, flags, 0o600)
    try:
        write_all(fd, data)
    finally:
        os.close(fd)
