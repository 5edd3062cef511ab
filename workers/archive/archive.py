"""Instances come in: taken from the spool or written down, durable before this returns."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.sdk import ConfigError, SpoolError
from workers.archive.files import FolderSyncs, rename_new, sync_file, write_new
from workers.archive.layout import CONFLICTS
from workers.archive.workshop import Workshop

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.sdk import Claim

_MAX_KNOWN = 64
"""Buckets that are remembered as durable."""


class Archive:
    """The files below `root`, which several threads and processes may add to at once.

    Raises ConfigError, in one line, if it cannot be written to.
    """

    def __init__(self, root: Path, durable: bool) -> None:
        self._root = root.absolute()
        self._durable = durable
        self._syncs = FolderSyncs()
        self._known: dict[Path, None] = {}
        self._lock = threading.Lock()
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

    def place(self, claim: Claim, *, aside: bool = False) -> Path:
        """The final name: a function of the token alone, whoever asks, and when."""
        above = self._root / CONFLICTS if aside else self._root
        return above.joinpath(*claim.bucket, f"{claim.token}.dcm")

    def keep(
        self, claim: Claim, data: bytes | None, attempt: int = 1, *, aside: bool = False
    ) -> Path:
        """Put the instance under its final name; gives that name once it is durable.

        `data` is the whole Part 10 file if the claim has no path. Safe to be called again for a
        claim that another attempt kept, or keeps at this very moment: there is one file at the end.

        `aside`: under the name for a file that must not stand among the instances.

        Raises OSError or SpoolError if it could not be kept. What is unfinished is gone then. If
        only the last step failed, the sync of the folder, the complete file stays: another attempt
        may have vouched for it.
        """
        final = self.place(claim, aside=aside)
        self._make_folder(final.parent)
        if not (attempt > 1 and self._is_kept(final, claim)):
            if claim.path is None:
                self._write(claim, data, self._workshop.unfinished(claim.token, attempt), final)
            else:
                self._take(claim, claim.path, final)
        if self._durable:
            self._sync_folders(final.parent)
        return final

    def set_aside(self, path: str) -> str:
        """Move a file to where conflicts are, durably; gives its new name below the root."""
        new = f"{CONFLICTS}/{path}"
        final = self._root / new
        self._make_folder(final.parent)
        with suppress(FileExistsError):
            rename_new(self._root / path, final)
        if self._durable:
            self._sync_folders(final.parent)
            self._syncs.sync(((self._root / path).parent,))
        return new

    def discard(self, path: str) -> None:
        """Delete a file; it may be gone already. Nobody needs to know when it is."""
        (self._root / path).unlink(missing_ok=True)

    def settle(self, bucket: str) -> None:
        """Sync the entries of a bucket whose files were found after a restart."""
        if self._durable:
            self._sync_folders(self._root / bucket)

    def holds(self, path: str, size: int) -> bool:
        """Is there a regular file of this size?"""
        try:
            found = os.lstat(self._root / path)
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == size

    def close(self) -> None:
        """Let go of what this process holds."""
        self._workshop.close()

    def _sync_root(self) -> None:
        """Whoever made the folders above may have died before he synced them."""
        self._syncs.sync((self._root, self._root.parent))
        with suppress(PermissionError):  # above our own data we may not be allowed to read
            self._syncs.sync((self._root.parent.parent,))

    def _make_folder(self, bucket: Path) -> None:
        if bucket not in self._known:
            for folder in reversed(self._above(bucket)[:-1]):
                folder.mkdir(mode=0o700, exist_ok=True)
            bucket.mkdir(mode=0o700, exist_ok=True)

    def _sync_folders(self, bucket: Path) -> None:
        """Sync the bucket; the first time in this process also what leads to it.

        Who made the folders does not matter: he may have died before he synced them.
        """
        if bucket in self._known:
            self._syncs.sync((bucket,))
            return
        self._syncs.sync((bucket, *self._above(bucket)))
        with self._lock:
            self._known[bucket] = None
            if len(self._known) > _MAX_KNOWN:
                del self._known[next(iter(self._known))]

    def _above(self, bucket: Path) -> list[Path]:
        """The folders that lead to the bucket, the nearest first and the root last."""
        above = list(bucket.relative_to(self._root).parents)
        return [self._root / part for part in above]

    def _take(self, claim: Claim, path: str, final: Path) -> None:
        try:
            _check(path, claim)
            if self._durable and not claim.synced:
                sync_file(path)
            rename_new(path, final)
        except (FileNotFoundError, FileExistsError):
            # Another attempt took it; one whose gateway was started anew meanwhile finds nothing.
            if not self._is_kept(final, claim):
                raise

    def _write(self, claim: Claim, data: bytes | None, unfinished: Path, final: Path) -> None:
        _check_data(claim, data)
        try:
            write_new(unfinished, data or b"", sync=self._durable)
            rename_new(unfinished, final)
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink()
            if not isinstance(error, FileExistsError) or not self._is_kept(final, claim):
                raise

    def _is_kept(self, final: Path, claim: Claim) -> bool:
        try:
            _check(final, claim)
        except FileNotFoundError:
            return False
        return True


def _check(path: str | Path, claim: Claim) -> None:
    """Raise OSError unless a file of the claim's size is there."""
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode) or found.st_size != claim.offset + claim.size:
        raise OSError(errno.EIO, "this is not the file that was claimed", os.fspath(path))


def _check_data(claim: Claim, data: bytes | None) -> None:
    if data is None:
        raise SpoolError("the claim came without its data set")
    body = memoryview(data)[claim.offset :]
    if len(data) != claim.offset + claim.size or hashlib.sha256(body).digest() != claim.sha256:
        raise SpoolError("the data set is not the one that was claimed")
