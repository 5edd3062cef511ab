"""The files of the archive: taken from the spool or written, and durable when a call returns.

Files are stored in buckets, directories that many instances share, so that one sync of a directory
serves all instances of a batch. The data of all files that a batch writes are synced by one
`syncfs` of the file system, where that is faster (`sync_choice`) and is known to report errors:
on ext4, XFS and Btrfs, from Linux 5.8 on. Elsewhere each file is synced by itself.

The final name of a file is a function of its token. So a second attempt to store the same claim, in
another process or after a crash, finds the file of the first.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gateway.sdk import SpoolError, matches
from workers.archive.file_system import (
    not_writable,
    opened_folder,
    rename_new,
    reports_unwritten,
    sync_file,
    sync_file_system,
    sync_folder,
    write_new,
)
from workers.archive.layout import CONFLICTS
from workers.archive.parallel_calls import ParallelCalls
from workers.archive.sync_choice import SyncChoice
from workers.archive.unfinished_files import UnfinishedFiles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gateway.sdk import Claim

_MAX_KNOWN = 64
"""Buckets that are remembered as durable."""
_SLOW = 0.001
"""Seconds for a file from which on syncs run in several threads."""
_THREADS = 8

Refusal: TypeAlias = OSError | SpoolError


class Offer(NamedTuple):
    """A claim, and the whole Part 10 file if the claim has no path."""

    claim: Claim
    data: bytes | None = None
    attempt: int = 1


class _UnsyncedFile(NamedTuple):
    """A file that is written but not synced."""

    name: str
    """Its final name."""
    unfinished: str
    """Its path until then."""


class Archive:
    """The files below `root`; safe for several threads and processes.

    Names of files and directories are relative to `root`. Raises ConfigError if it is
    not writable for this user, and Unavailable if the disk is full or fails.
    """

    def __init__(self, root: Path, durable: bool) -> None:
        self.root = root.absolute()
        """The directory of the archive."""
        self._base = str(self.root)
        self._durable = durable
        self._known: dict[str, None] = {}
        self._lock = threading.Lock()
        self._threads = ParallelCalls(_THREADS, "disk")
        self._is_slow = False
        self._choice = SyncChoice()
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._unfinished = UnfinishedFiles(self.root / "tmp")
            if durable:
                self._sync_root()
            self._can_sync_together = durable and reports_unwritten(self._unfinished.path)
        except OSError as error:
            raise not_writable(self.root, error) from None

    @property
    def swept(self) -> int:
        """The number of unfinished files of dead processes that were deleted at the start."""
        return self._unfinished.swept

    @property
    def is_alone(self) -> bool:
        """Whether no other process adds files."""
        return self._unfinished.is_alone

    def place(self, claim: Claim, *, aside: bool = False) -> str:
        """Return the final name of a claim's file, which depends on its token only.

        Raises SpoolError for an invalid token.
        """
        date, bucket = claim.bucket
        name = f"{date}/{bucket}/{claim.token}.dcm"
        return f"{CONFLICTS}/{name}" if aside else name

    def path(self, name: str) -> str:
        """Return the absolute path of a file or directory."""
        return f"{self._base}/{name}"

    def keep(self, offers: Sequence[Offer], *, aside: bool = False) -> list[str | Refusal]:
        """Store instances under their final names; return the names when all are durable.

        An exception in place of a name says why that instance is not stored; the others are. This
        may be called again for a claim that another attempt has stored, or is storing: there is one
        file at the end. If only the sync of the directory failed, the complete file stays, because
        another attempt may have acknowledged it.

        With `aside` the names are those of files that are not stored as instances.
        """
        kept = self._keep_all(offers, aside)
        if not self._durable:
            return kept
        folders = {_folder(name) for name in kept if isinstance(name, str)}
        failed: dict[str, OSError] = {}
        for folder in folders:
            try:
                self._sync_folders(folder)
            except OSError as error:
                failed[folder] = error
        if failed:
            return [failed.get(_folder(n), n) if isinstance(n, str) else n for n in kept]
        return kept

    def set_aside(self, name: str) -> str:
        """Move a file to the conflicts, durably; return its new name."""
        new = f"{CONFLICTS}/{name}"
        folder = os.path.dirname(new)
        self._make_folder(folder)
        with suppress(FileExistsError):
            rename_new(self.path(name), self.path(new))
        if self._durable:
            self._sync_folders(folder)
            sync_folder(self.path(os.path.dirname(name)))
        return new

    def discard(self, name: str) -> None:
        """Delete a file, if it exists. The deletion need not be durable."""
        with suppress(FileNotFoundError):
            os.unlink(self.path(name))

    def settle(self, bucket: str) -> None:
        """Sync the directory of a bucket whose files were found after a restart."""
        if self._durable:
            self._sync_folders(bucket)

    def holds(self, name: str, size: int) -> bool:
        """Return whether there is a regular file of this size."""
        try:
            found = os.lstat(self.path(name))
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == size

    def close(self) -> None:
        """Stop the threads, and delete the unfinished files of this process."""
        self._threads.close()
        self._unfinished.close()

    def _sync_root(self) -> None:
        """Sync the directories above: the process that made them may have died before it did."""
        sync_folder(self._base)
        sync_folder(os.path.dirname(self._base))
        with suppress(PermissionError):  # a directory of another user may not be readable
            sync_folder(os.path.dirname(os.path.dirname(self._base)))

    def _make_folder(self, folder: str) -> None:
        if folder not in self._known:
            for one in (*reversed(self._above(folder)), folder):
                with suppress(FileExistsError):
                    os.mkdir(self.path(one), 0o700)

    def _sync_folders(self, folder: str) -> None:
        """Sync a directory and, the first time in this process, the directories above it.

        Those too, because the process that made them may have died before it synced them.
        """
        if folder in self._known:
            sync_folder(self.path(folder))
            return
        for one in (folder, *self._above(folder)):
            sync_folder(self.path(one))
        sync_folder(self._base)
        with self._lock:
            self._known[folder] = None
            if len(self._known) > _MAX_KNOWN:
                del self._known[next(iter(self._known))]

    def _above(self, folder: str) -> list[str]:
        """Return the directories between a directory and the root, the nearest first."""
        above = []
        while folder := os.path.dirname(folder):
            above.append(folder)
        return above

    def _keep_all(self, offers: Sequence[Offer], aside: bool) -> list[str | Refusal]:
        """Store the instances, without the sync of the directories."""
        start, written = time.monotonic(), sum(offer.claim.path is None for offer in offers)
        if self._can_sync_together and self._choice.is_together(written, start):
            kept, together = self._keep_together(offers, aside), True
        else:
            kept, together = self._keep_each(offers, aside), False
        if self._durable and written == len(offers):
            end = time.monotonic()
            self._choice.took(end - start, written, end, together=together)
        return kept

    def _keep_each(self, offers: Sequence[Offer], aside: bool) -> list[str | Refusal]:
        """Store the instances, with a sync for each."""
        times: list[float] = []
        if self._is_slow and len(offers) > 1:
            kept = self._threads.map(lambda offer: self._keep(offer, aside, times), offers)
        else:
            kept = [self._keep(offer, aside, times) for offer in offers]
        if times and self._durable:
            self._is_slow = min(times) > _SLOW
        return kept

    def _keep_together(self, offers: Sequence[Offer], aside: bool) -> list[str | Refusal]:
        """Store the instances, with one sync for all that are written here.

        No file gets its final name before the sync, and none of the batch if it fails.
        """
        begun: list[_UnsyncedFile | str | Refusal | None] = []
        try:
            with opened_folder(self._unfinished.path) as fd:  # before the first write
                begun += (self._begin(offer, aside) for offer in offers)
                sync_file_system(fd)
        except OSError as error:
            for one in begun:
                if isinstance(one, _UnsyncedFile):
                    with suppress(OSError):
                        os.unlink(one.unfinished)
            return [error] * len(offers)
        return [self._finish(offer, one, aside) for offer, one in zip(offers, begun, strict=True)]

    def _begin(self, offer: Offer, aside: bool) -> _UnsyncedFile | str | Refusal | None:
        """Write an instance, unsynced; None if it has a file already that only must be moved."""
        claim = offer.claim
        if claim.path is not None:
            return None
        unfinished = self._unfinished.path_for(claim.token, offer.attempt)
        try:
            name = self.place(claim, aside=aside)
            self._make_folder(_folder(name))
            if offer.attempt > 1 and self._is_kept(self.path(name), claim):
                return name
            write_new(unfinished, _checked_data(offer), sync=False)
        except FileExistsError:  # the same claim is in this batch twice
            return None
        except (OSError, SpoolError) as error:
            with suppress(OSError):
                os.unlink(unfinished)
            return error
        return _UnsyncedFile(name, unfinished)

    def _finish(
        self, offer: Offer, begun: _UnsyncedFile | str | Refusal | None, aside: bool
    ) -> str | Refusal:
        """Give a file that is synced its final name."""
        if begun is None:
            return self._keep(offer, aside, [])
        if not isinstance(begun, _UnsyncedFile):
            return begun
        try:
            self._rename(begun.unfinished, self.path(begun.name), offer.claim)
        except OSError as error:
            return error
        return begun.name

    def _keep(self, offer: Offer, aside: bool, times: list[float]) -> str | Refusal:
        """Store one instance, without the sync of the directory; append its time to `times`."""
        claim, start = offer.claim, time.monotonic()
        try:
            name = self.place(claim, aside=aside)
            final = self.path(name)
            self._make_folder(_folder(name))
            if offer.attempt > 1 and self._is_kept(final, claim):
                return name
            if claim.path is None:
                self._write(offer, final)
            else:
                self._take(claim, claim.path, final)
        except (OSError, SpoolError) as error:
            return error
        if not claim.synced:
            times.append(time.monotonic() - start)
        return name

    def _take(self, claim: Claim, path: str, final: str) -> None:
        try:
            _check(path, claim)
            if self._durable and not claim.synced:
                sync_file(path)
            rename_new(path, final)
        except (FileNotFoundError, FileExistsError):
            # Another attempt took it, or the gateway was restarted and deleted it.
            if not self._is_kept(final, claim):
                raise

    def _write(self, offer: Offer, final: str) -> None:
        claim, data = offer.claim, _checked_data(offer)
        unfinished = self._unfinished.path_for(claim.token, offer.attempt)
        try:
            write_new(unfinished, data, sync=self._durable)
        except OSError:
            with suppress(OSError):
                os.unlink(unfinished)
            raise
        self._rename(unfinished, final, claim)

    def _rename(self, unfinished: str, final: str, claim: Claim) -> None:
        """Give a file its final name, if no other attempt has stored the claim."""
        try:
            rename_new(unfinished, final)
        except OSError as error:
            with suppress(OSError):
                os.unlink(unfinished)
            if not isinstance(error, FileExistsError) or not self._is_kept(final, claim):
                raise

    def _is_kept(self, final: str, claim: Claim) -> bool:
        try:
            _check(final, claim)
        except FileNotFoundError:
            return False
        return True


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _check(path: str, claim: Claim) -> None:
    """Raise OSError unless there is a regular file of the claim's size."""
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode) or found.st_size != claim.offset + claim.size:
        raise OSError(errno.EIO, "this is not the file that was claimed", path)


def _checked_data(offer: Offer) -> bytes:
    claim, data = offer.claim, offer.data
    if data is None:
        raise SpoolError("the claim has no data set")
    body = memoryview(data)[claim.offset :]
    if len(data) != claim.offset + claim.size or not matches(body, claim.digest):
        raise SpoolError("the data set is not the one that was claimed")
    return data
