"""The files of the archive: taken from the spool or written, and durable when a call returns.

Files are stored in buckets, directories that many instances share, so that one sync of a directory
serves all instances of a batch (`bucket_folders`). How the files themselves are stored is said in
`batch_writer`.
"""

from __future__ import annotations

import os
import stat
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

from workers.archive.batch_writer import BatchWriter, folder_of, place_of
from workers.archive.bucket_folders import BucketFolders
from workers.archive.file_system import not_writable, rename_new, sync_folder
from workers.archive.layout import CONFLICTS
from workers.archive.unfinished_files import UnfinishedFiles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from gateway.sdk import Claim
    from workers.archive.batch_writer import Offer, Refusal


class Archive:
    """The files below `root`; safe for several threads and processes.

    Names of files and directories are relative to `root`. Raises ConfigError if it is
    not writable for this user, and Unavailable if the disk is full or fails.
    """

    notes_buckets = False

    def __init__(self, root: Path, durable: bool) -> None:
        self.root = root.absolute()
        """The directory of the archive."""
        self._durable = durable
        self._folders = BucketFolders(self.root)
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._unfinished = UnfinishedFiles(self.root / "tmp")
            if durable:
                self._folders.sync_root()
            self._writer = BatchWriter(self._folders, self._unfinished, durable)
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

    @property
    def unfinished(self) -> Path:
        """The directory for files that this process has not finished; emptied at its end."""
        return self._unfinished.path

    def place(self, claim: Claim, *, aside: bool = False) -> str:
        """Return the final name of a claim's file, which depends on its token only.

        Raises SpoolError for an invalid token.
        """
        return place_of(claim, aside=aside)

    def path(self, name: str) -> str:
        """Return the absolute path of a file or directory."""
        return self._folders.path(name)

    def file_of(self, claim: Claim) -> str:
        """Return the file with the data set of a claim, which may be stored already."""
        final, aside = (self.path(self.place(claim, aside=aside)) for aside in (False, True))
        return next((path for path in (claim.path or "", final) if os.path.exists(path)), aside)

    def readable(self, name: str) -> AbstractContextManager[str]:
        """The path of a file, for a `with` statement."""
        return nullcontext(self.path(name))

    def keep(self, offers: Sequence[Offer], *, aside: bool = False) -> list[str | Refusal]:
        """Store instances under their final names; return the names when all are durable.

        An exception in place of a name says why that instance is not stored; the others are. This
        may be called again for a claim that another attempt has stored, or is storing: there is one
        file at the end. If only the sync of the directory failed, the complete file stays, because
        another attempt may have acknowledged it.

        With `aside` the names are those of files that are not stored as instances.
        """
        kept = self._writer.keep(offers, aside=aside)
        if not self._durable:
            return kept
        folders = {folder_of(name) for name in kept if isinstance(name, str)}
        failed: dict[str, OSError] = {}
        for folder in folders:
            try:
                self._folders.sync(folder)
            except OSError as error:
                failed[folder] = error
        if failed:
            return [failed.get(folder_of(n), n) if isinstance(n, str) else n for n in kept]
        return kept

    def set_aside(self, name: str) -> str:
        """Move a file to the conflicts, durably; return its new name."""
        new = f"{CONFLICTS}/{name}"
        folder = os.path.dirname(new)
        self._folders.make(folder)
        with suppress(FileExistsError):
            rename_new(self.path(name), self.path(new))
        if self._durable:
            self._folders.sync(folder)
            sync_folder(self.path(os.path.dirname(name)))
        return new

    def discard(self, name: str) -> None:
        """Delete a file, if it exists. The deletion need not be durable."""
        with suppress(FileNotFoundError):
            os.unlink(self.path(name))

    def exists(self, name: str) -> bool:
        """Return whether there is a file of this name."""
        return os.path.exists(self.path(name))

    def settle(self, bucket: str) -> None:
        """Sync the directory of a bucket whose files were found after a restart."""
        if self._durable:
            self._folders.sync(bucket)

    def holds(self, name: str, size: int) -> bool:
        """Return whether there is a regular file of this size."""
        try:
            found = os.lstat(self.path(name))
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == size

    def close(self) -> None:
        """Stop the threads, and delete the unfinished files of this process."""
        self._writer.close()
        self._unfinished.close()
