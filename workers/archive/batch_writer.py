"""The files of a batch of C-STOREs: written or taken, synced, and given their final names.

The data of all files that a batch writes are synced by one `syncfs` of the file system, where that
is faster (`sync_choice`) and is known to report errors: on ext4, XFS and Btrfs, from Linux 5.8 on.
Elsewhere each file is synced by itself. No file has its final name before its data are on disk.
The directories are synced by the caller, once for all files that are in them.

The final name of a file is a function of its token. So a second attempt to store the same claim, in
another process or after a crash, finds the file of the first.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gateway.sdk import GatewayError, SpoolError, matches
from workers.archive.file_system import (
    opened_folder,
    rename_new,
    reports_unwritten,
    sync_file,
    sync_file_system,
    write_new,
)
from workers.archive.layout import CONFLICTS
from workers.archive.parallel_calls import ParallelCalls
from workers.archive.sync_choice import SyncChoice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.sdk import Claim
    from workers.archive.bucket_folders import BucketFolders
    from workers.archive.unfinished_files import UnfinishedFiles

_SLOW = 0.001
"""Seconds for a file from which on syncs run in several threads."""
_THREADS = 8

Refusal: TypeAlias = OSError | GatewayError


class Offer(NamedTuple):
    """A claim, and the whole Part 10 file if the claim has no path."""

    claim: Claim
    data: bytes | None = None
    attempt: int = 1
    place: str = ""
    """`place_of` the claim, if it is known."""


class _UnsyncedFile(NamedTuple):
    """A file that is written but not synced."""

    name: str
    """Its final name."""
    unfinished: str
    """Its path until then."""


class BatchWriter:
    """Stores the files of batches; safe for several threads and processes.

    `durable`: the data of a file are on disk before it has its final name.
    """

    def __init__(self, folders: BucketFolders, unfinished: UnfinishedFiles, durable: bool) -> None:
        self._folders = folders
        self._unfinished = unfinished
        self._durable = durable
        self._threads = ParallelCalls(_THREADS, "disk")
        self._is_slow = False
        self._choice = SyncChoice()
        self._can_sync_together = durable and reports_unwritten(unfinished.path)

    def keep(self, offers: Sequence[Offer], *, aside: bool) -> list[str | Refusal]:
        """Store instances, without the sync of the directories; return the final names.

        An exception in place of a name says why that instance is not stored.
        """
        start, written = time.monotonic(), sum(offer.claim.path is None for offer in offers)
        if self._can_sync_together and self._choice.is_together(written, start):
            kept, together = self._keep_together(offers, aside), True
        else:
            kept, together = self._keep_each(offers, aside), False
        if self._durable and written == len(offers):
            end = time.monotonic()
            self._choice.took(end - start, written, end, together=together)
        return kept

    def close(self) -> None:
        """Stop the threads."""
        self._threads.close()

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
            name = _name_of(offer, aside)
            self._folders.make(folder_of(name))
            if offer.attempt > 1 and self._is_kept(self._folders.path(name), claim):
                return name
            write_new(unfinished, checked_data(offer), sync=False)
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
            self._rename(begun.unfinished, self._folders.path(begun.name), offer.claim)
        except OSError as error:
            return error
        return begun.name

    def _keep(self, offer: Offer, aside: bool, times: list[float]) -> str | Refusal:
        """Store one instance, without the sync of the directory; append its time to `times`."""
        claim, start = offer.claim, time.monotonic()
        try:
            name = _name_of(offer, aside)
            final = self._folders.path(name)
            self._folders.make(folder_of(name))
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
        claim, data = offer.claim, checked_data(offer)
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


def place_of(claim: Claim, *, aside: bool = False) -> str:
    """Return the final name of a claim's file, which depends on its token only.

    Raises SpoolError for an invalid token.
    """
    date, bucket = claim.bucket
    name = f"{date}/{bucket}/{claim.token}.dcm"
    return f"{CONFLICTS}/{name}" if aside else name


def _name_of(offer: Offer, aside: bool) -> str:
    return place_of(offer.claim, aside=aside) if aside or not offer.place else offer.place


def folder_of(name: str) -> str:
    """Return the directory that a name is in."""
    return name.rpartition("/")[0]


def _check(path: str, claim: Claim) -> None:
    """Raise OSError unless there is a regular file of the claim's size."""
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode) or found.st_size != claim.offset + claim.size:
        raise OSError(errno.EIO, "this is not the file that was claimed", path)


def checked_data(offer: Offer) -> bytes:
    """Return the file of an offer; raises SpoolError if it is not the one that was claimed."""
    claim, data = offer.claim, offer.data
    if data is None:
        raise SpoolError("the claim has no data set")
    body = memoryview(data)[claim.offset :]
    if len(data) != claim.offset + claim.size or not matches(body, claim.digest):
        raise SpoolError("the data set is not the one that was claimed")
    return data
