"""The directories of the archive: made when they are needed, and durable when a call returns."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from workers.archive.file_system import sync_folder

if TYPE_CHECKING:
    from pathlib import Path

_MAX_KNOWN = 64
"""Directories that are remembered as durable."""


class BucketFolders:
    """The directories below `root`, by names that are relative to it; safe for several threads."""

    def __init__(self, root: Path) -> None:
        self._base = str(root)
        self._known: dict[str, None] = {}
        self._lock = threading.Lock()

    def path(self, name: str) -> str:
        """Return the absolute path of a file or directory."""
        return f"{self._base}/{name}"

    def make(self, folder: str) -> None:
        """Make a directory and those above it, if they do not exist; raises OSError."""
        if folder not in self._known:
            for one in (*reversed(_above(folder)), folder):
                with suppress(FileExistsError):
                    os.mkdir(self.path(one), 0o700)

    def sync(self, folder: str) -> None:
        """Sync a directory and, the first time in this process, the directories above it.

        Those too, because the process that made them may have died before it synced them. Raises
        OSError.
        """
        if folder in self._known:
            sync_folder(self.path(folder))
            return
        for one in (folder, *_above(folder)):
            sync_folder(self.path(one))
        sync_folder(self._base)
        with self._lock:
            self._known[folder] = None
            if len(self._known) > _MAX_KNOWN:
                del self._known[next(iter(self._known))]

    def sync_root(self) -> None:
        """Sync the directories above: the process that made them may have died before it did."""
        sync_folder(self._base)
        sync_folder(os.path.dirname(self._base))
        with suppress(PermissionError):  # a directory of another user may not be readable
            sync_folder(os.path.dirname(os.path.dirname(self._base)))


def _above(folder: str) -> list[str]:
    """Return the directories between a directory and the root, the nearest first."""
    above = []
    while folder := os.path.dirname(folder):
        above.append(folder)
    return above
