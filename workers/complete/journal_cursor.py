"""How far a reader of the journal is, kept in a file of its own."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from workers.archive.file_system import write_new

if TYPE_CHECKING:
    from pathlib import Path

    from workers.archive.index import Index

log = logging.getLogger("workers.complete")


class JournalCursor:
    """The number of the last line that a reader is done with.

    It is not synced: after a power cut an earlier number costs a repetition, never a loss.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._saved = -1

    def load(self, index: Index) -> int:
        """Return the number; where there is none yet, that of the journal's end.

        Raises IndexFailure, or OSError if the file cannot be read.
        """
        try:
            seq = json.loads(self._path.read_bytes())["seq"]
            if isinstance(seq, int):
                return seq
            raise TypeError
        except FileNotFoundError:
            pass
        except (ValueError, TypeError, KeyError):
            log.warning("path=%s is damaged: what comes from now on is told", self._path)
        return index.ask(
            lambda execute: int(execute("SELECT COALESCE(MAX(seq), 0) FROM journal").fetchone()[0])
        )

    def save(self, seq: int) -> None:
        """Keep the number; raises OSError."""
        if seq == self._saved:
            return
        draft = self._path.with_suffix(".part")
        draft.unlink(missing_ok=True)
        write_new(draft, json.dumps({"seq": seq}).encode(), sync=False)
        draft.replace(self._path)
        self._saved = seq
