"""The start and stop that the stock workers have in common: settings, and an open index."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from gateway.datasets.validation import disable_validation
from gateway.settings import ArchiveSettings
from workers.archive.archive_watch import ArchiveWatch
from workers.archive.index.records import IndexFailure
from workers.archive.index.sqlite import REBUILD
from workers.archive.layout import FOLDER, INDEX
from workers.archive.opening import archive_settings, open_index

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.sdk import Worker
    from workers.archive.index import Index

OUTAGE = 20.0
"""Seconds without a database for which requests wait, which is less than their deadline. After that
the process is replaced by one that waits for the database, and until then peers are turned away."""


class IndexedWorker:
    """The state of a worker from its start to its stop: settings and an open index."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._index: Index | None = None
        self._watch: ArchiveWatch | None = None
        self._away_since: float | None = None
        self.settings = ArchiveSettings()

    @property
    def index(self) -> Index:
        """The open index; raises RuntimeError before the worker is started."""
        if self._index is None:
            raise RuntimeError(f"the {self._worker.name} worker is not started")
        return self._index

    def start(self) -> None:
        """Open the index; raises ConfigError, or Unavailable and can then be called again."""
        disable_validation()
        context = self._worker.context
        self.settings = archive_settings(context.options)
        self._index = index = open_index(context.data_dir, self.settings, durable=context.durable)
        self._watch = ArchiveWatch(context.data_dir, index, self.mend)
        self._watch.on_look = self.look
        self._watch.start()
        self.look()
        index.patience = OUTAGE

    mend: Callable[[], None] | None = None
    """Writes an index anew that was deleted under way; None: this worker does not."""

    @property
    def trouble(self) -> str:
        """What is wrong with the archive at present, in words; empty: nothing."""
        return self._watch.trouble if self._watch is not None else ""

    def look(self) -> None:
        """Let `dicom-gateway status` show whether archive and index can be used."""
        if (index := self._index) is None:
            return
        context, failure = self._worker.context, _failure(index)
        self._leave_after_outage(index, failure)
        for name, trouble in (("archive", self.trouble), ("index", failure)):
            if trouble:
                context.troubles[name] = trouble
            else:
                context.troubles.pop(name, None)
        place = context.data_dir / FOLDER / INDEX if index.is_file else "PostgreSQL"
        state = self.trouble or failure or "ok"
        known: dict[str, Any] = {"place": str(place), "state": state}
        if not failure:
            known["conflicts"] = _conflicts(index)
        context.facts["index"] = known

    def leave(self, why: str) -> None:
        """Have this process replaced by one that waits for what is out of reach."""
        if self._watch is not None:
            self._watch.leave(why)

    def _leave_after_outage(self, index: Index, failure: str) -> None:
        now = time.monotonic()
        self._away_since = (self._away_since or now) if failure and not index.is_file else None
        if self._away_since and now - self._away_since >= OUTAGE:
            self.leave(f"the index was out of reach for {OUTAGE:.0f} s ({failure})")

    def stop(self) -> None:
        """Close the index."""
        if self._watch is not None:
            self._watch.stop()
            self._watch = None
        if self._index is not None:
            self._index.close()
            self._index = None


def _conflicts(index: Index) -> int:
    """Return how many instances were set aside; 0 if that cannot be read."""
    try:
        return index.conflict_count()
    except IndexFailure:
        return 0


def _failure(index: Index) -> str:
    """Return why the index cannot be read at present; empty: it can."""
    try:
        index.check()
    except IndexFailure as failure:
        return describe(failure)
    return ""


def describe(failure: IndexFailure) -> str:
    """Return a failure in one line, with what to do if the index is damaged."""
    text = (str(failure).splitlines() or [""])[0][:200]
    damaged = "malformed" in text or "not a database" in text
    return f"{text}; {REBUILD}" if damaged else text
