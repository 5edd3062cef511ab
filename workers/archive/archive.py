"""Instances come in: taken from the spool or written down, durable before this returns."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gateway.sdk import ConfigError, SpoolError, digest_of
from workers.archive.files import rename_new, sync_file, sync_folder, write_new
from workers.archive.layout import CONFLICTS
from workers.archive.threads import Threads
from workers.archive.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gateway.sdk import Claim

_MAX_KNOWN = 64
"""Buckets that are remembered as durable."""
_SLOW = 0.001
"""Seconds that a file takes on a disk whose syncs are worth waiting for side by side."""
_SIDE_BY_SIDE = 8

Refusal: TypeAlias = OSError | SpoolError


class Offer(NamedTuple):
    """A claim, and the whole Part 10 file if it has no path."""

    claim: Claim
    data: bytes | None = None
    attempt: int = 1


class Archive:
    """The files below `root`, which several threads and processes may add to at once.

    Names of files and folders are below `root`, without a slash at their end. Raises ConfigError,
    in one line, if it cannot be written to.
    """

    def __init__(self, root: Path, durable: bool) -> None:
        self._root = root.absolute()
        self._base = str(self._root)
        self._durable = durable
        self._known: dict[str, None] = {}
        self._lock = threading.Lock()
        self._threads = Threads(_SIDE_BY_SIDE, "disk")
        self._is_slow = False
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._workshop = Workshop(self._root / "tmp")
            if durable:
                self._sync_root()
        except OSError as error:
            raise ConfigError(
                f"cannot write to {self._root}: {error.strerror}; let user {os.geteuid()} write "
                f"there, or set data_dir to a directory that it owns"
            ) from None

    @property
    def swept(self) -> int:
        """Unfinished files of dead processes that were deleted at the start."""
        return self._workshop.swept

    @property
    def root(self) -> Path:
        """The folder that names of files are below of."""
        return self._root

    @property
    def is_alone(self) -> bool:
        """No other process adds files."""
        return self._workshop.is_alone

    def place(self, claim: Claim, *, aside: bool = False) -> str:
        """The final name: a function of the token alone, whoever asks, and when.

        Raises SpoolError for a token that is none.
        """
        date, bucket = claim.bucket
        name = f"{date}/{bucket}/{claim.token}.dcm"
        return f"{CONFLICTS}/{name}" if aside else name

    def path(self, name: str) -> str:
        """The whole path of a file or folder."""
        return f"{self._base}/{name}"

    def keep(self, offers: Sequence[Offer], *, aside: bool = False) -> list[str | Refusal]:
        """Put instances under their final names; gives those names once all are durable.

        Safe to be called again for a claim that another attempt kept, or keeps at this very moment:
        there is one file at the end. What cannot be kept has the reason in the place of its name,
        and harms no other. What is unfinished of it is gone then. If only the last step failed, the
        sync of the folder, the complete file stays: another attempt may have vouched for it.

        `aside`: under the names for files that must not stand among the instances.
        """
        times: list[float] = []
        if self._is_slow and len(offers) > 1:
            kept = self._threads.map(lambda offer: self._keep(offer, aside, times), offers)
        else:
            kept = [self._keep(offer, aside, times) for offer in offers]
        if not self._durable:
            return kept
        if times:
            self._is_slow = min(times) > _SLOW
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
        """Move a file to where conflicts are, durably; gives its new name."""
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
        """Delete a file; it may be gone already. Nobody needs to know when it is."""
        with suppress(FileNotFoundError):
            os.unlink(self.path(name))

    def settle(self, bucket: str) -> None:
        """Sync the entries of a bucket whose files were found after a restart."""
        if self._durable:
            self._sync_folders(bucket)

    def holds(self, name: str, size: int) -> bool:
        """Is there a regular file of this size?"""
        try:
            found = os.lstat(self.path(name))
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == size

    def close(self) -> None:
        """Let go of what this process holds."""
        self._threads.close()
        self._workshop.close()

    def _sync_root(self) -> None:
        """Whoever made the folders above may have died before he synced them."""
        sync_folder(self._base)
        sync_folder(os.path.dirname(self._base))
        with suppress(PermissionError):  # above our own data we may not be allowed to read
            sync_folder(os.path.dirname(os.path.dirname(self._base)))

    def _make_folder(self, folder: str) -> None:
        if folder not in self._known:
            for one in (*reversed(self._above(folder)), folder):
                with suppress(FileExistsError):
                    os.mkdir(self.path(one), 0o700)

    def _sync_folders(self, folder: str) -> None:
        """Sync the folder; the first time in this process also what leads to it.

        Who made the folders does not matter: he may have died before he synced them.
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
        """The folders between it and the root, the nearest first."""
        above = []
        while folder := os.path.dirname(folder):
            above.append(folder)
        return above

    def _keep(self, offer: Offer, aside: bool, times: list[float]) -> str | Refusal:
        """Everything but the sync of the folder; notes what a file's own sync took."""
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
            # Another attempt took it; one whose gateway was started anew meanwhile finds nothing.
            if not self._is_kept(final, claim):
                raise

    def _write(self, offer: Offer, final: str) -> None:
        claim, data = offer.claim, _checked_data(offer)
        unfinished = self._workshop.unfinished(claim.token, offer.attempt)
        try:
            write_new(unfinished, data, sync=self._durable)
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
    """Raise OSError unless a file of the claim's size is there."""
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode) or found.st_size != claim.offset + claim.size:
        raise OSError(errno.EIO, "this is not the file that was claimed", path)


def _checked_data(offer: Offer) -> bytes:
    claim, data = offer.claim, offer.data
    if data is None:
        raise SpoolError("the claim came without its data set")
    body = memoryview(data)[claim.offset :]
    if len(data) != claim.offset + claim.size or digest_of(body) != claim.digest:
        raise SpoolError("the data set is not the one that was claimed")
    return data
