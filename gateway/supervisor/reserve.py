"""A megabyte and some files that are given up if the disk is full when the gateway starts.

With nothing left at all not even reading can begin: SQLite makes two small files before it reads an
index, and each acceptor its sockets. With this room, in bytes and in inodes, the gateway starts,
answers queries, and refuses to store.
"""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.free_space import free_space

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 1 << 20
FILES = 32
"""Empty files, for the inodes."""
PLENTY = 64 * SIZE
"""Free bytes from which on the file is made again."""

_log = logging.getLogger("gateway.supervisor")


class Reserve:
    """The file `DATA/reserve`, and the folder `DATA/reserve-files`."""

    def __init__(self, data: Path) -> None:
        self._path = data / "reserve"
        self._files = data / "reserve-files"
        self._folder = data

    def give_up_if_full(self) -> None:
        """Delete the files if there is no room for the small files of a start."""
        with suppress(OSError):
            space = free_space(self._folder)
            if space.is_spent and self._path.exists():
                self._path.unlink()
                _log.error("%s: the reserve of %d bytes is given up", space, SIZE)
                shutil.rmtree(self._files, ignore_errors=True)

    def keep(self) -> None:
        """Make the files, if they are missing and there is plenty of room."""
        with suppress(OSError):
            space = free_space(self._folder)
            if self._path.exists() or space.free < PLENTY or space.has_few_files:
                return
            self._files.mkdir(mode=0o700, exist_ok=True)
            for number in range(FILES):
                (self._files / str(number)).touch(mode=0o600)
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, SIZE)
            finally:
                os.close(fd)
