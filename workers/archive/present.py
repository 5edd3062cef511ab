"""Whether the file of an instance is where the index says."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from workers.archive.index import IndexEntry


def defect(path: str | Path, entry: IndexEntry) -> str:
    """Return why the file of an instance cannot be given out; empty if it can."""
    try:
        found = os.lstat(path)
    except OSError:
        return f"the file {entry.path} is gone"
    is_whole = stat.S_ISREG(found.st_mode) and found.st_size == entry.start + entry.size
    return "" if is_whole else f"the file {entry.path} is not the one that was stored"
