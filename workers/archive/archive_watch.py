"""Notices within seconds that the archive's directory or its index was taken away under way.

SQLite goes on with a file that was deleted: what is stored is acknowledged, and lost when the last
process closes it. So the storage worker stops storing, writes the index anew from the file that it
still has open, and starts again; the other workers follow. If the directory itself is gone, or
another one is in its place, nothing is written until it is back: perhaps a volume was unmounted.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.sdk import GatewayError
from workers.archive.layout import FOLDER, INDEX

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workers.archive.index import Index

LOOK = 1.0
"""Seconds between two looks."""

log = logging.getLogger("workers.archive")

Identity = tuple[int, int]


class ArchiveWatch:
    """Looks at the places of an open archive; `trouble` is what is wrong, in words, or empty.

    `mend` is called once if the index was deleted; None: another process does that. `restart` has
    the process replaced, which opens what is there then.
    """

    def __init__(
        self,
        data_dir: Path,
        index: Index,
        mend: Callable[[], None] | None,
        *,
        restart: Callable[[], None] | None = None,
    ) -> None:
        self._root = data_dir.absolute() / FOLDER
        self._file = self._root / INDEX if index.is_file else None
        self._mend = mend
        self._restart = restart or _restart
        self._known = self._look_at_places()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="archive watch", daemon=True)
        self.trouble = ""
        self.on_look: Callable[[], None] = lambda: None
        """Called at each look."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()

    def look(self) -> None:
        """Compare the places with what they were at the start; mend what can be mended."""
        root, file = self._look_at_places()
        if root != self._known[0]:
            if root is not None and self._file is not None and file is not None:
                self.leave(f"another directory is at {self._root}")
            else:
                self._tell(f"the directory {self._root} is gone, or another one is in its place")
        elif file == self._known[1]:
            self._tell("")
        elif file is not None:
            self.leave(f"another file is at {self._file}")
        elif self._mend is None:
            self._tell(f"the index {self._file} is gone")
        else:
            self._tell(f"the index {self._file} is gone: it is written anew from the open file")
            self._mend_once()

    def _mend_once(self) -> None:
        assert self._mend is not None
        try:
            self._mend()
        except (GatewayError, OSError) as error:
            self._tell(f"the index {self._file} is gone and cannot be written anew: {error}")
        else:
            self.leave(f"the index {self._file} was written anew")

    def _tell(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            log.error("%s", trouble)
        elif self.trouble and not trouble:
            log.warning("the archive is as it was")
        self.trouble = trouble

    def leave(self, why: str) -> None:
        """Have this process replaced, for a reason that is logged."""
        self._tell(f"{why}: this process is replaced")
        self._ended.set()
        self._restart()

    def _look_at_places(self) -> tuple[Identity | None, Identity | None]:
        return _identity(self._root), _identity(self._file)

    def _run(self) -> None:
        while not self._ended.wait(LOOK):
            self.look()
            self.on_look()


def _identity(path: Path | None) -> Identity | None:
    with suppress(OSError):
        if path is not None:
            found = path.stat()
            return found.st_dev, found.st_ino
    return None


def _restart() -> None:
    """End this process as an operator would; its supervisor starts another."""
    os.kill(os.getpid(), signal.SIGTERM)
