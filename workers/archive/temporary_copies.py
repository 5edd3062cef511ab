"""Copies of objects in files, for what can only read a file; they are deleted after a while."""

from __future__ import annotations

import os
import secrets
import shutil
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_KEPT = 60.0
"""Seconds for which a copy stays that may still be read."""


class TemporaryCopies:
    """The files below a folder of this process alone; safe for several threads."""

    def __init__(self, root: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._root, self._clock = root, clock
        self._made: deque[tuple[float, Path]] = deque()
        self._lock = threading.Lock()
        shutil.rmtree(root, ignore_errors=True)

    def add(self, write: Callable[[int], None]) -> Path:
        """Return a new file, which `write` has filled by its descriptor; raises what that does."""
        self.sweep()
        self._root.mkdir(mode=0o700, exist_ok=True)
        path = self._root / secrets.token_hex(12)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            write(fd)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)
        with self._lock:
            self._made.append((self._clock() + _KEPT, path))
        return path

    def sweep(self) -> None:
        """Delete the copies of long ago."""
        with self._lock:
            while self._made and self._made[0][0] < self._clock():
                self._made.popleft()[1].unlink(missing_ok=True)

    def close(self) -> None:
        """Delete all of them."""
        shutil.rmtree(self._root, ignore_errors=True)
