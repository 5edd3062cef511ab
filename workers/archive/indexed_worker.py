"""The start and stop that the stock workers have in common: settings, and an open index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.datasets.validation import disable_validation
from gateway.settings import ArchiveSettings
from workers.archive.archive_watch import ArchiveWatch
from workers.archive.layout import FOLDER, INDEX
from workers.archive.opening import archive_settings, open_index

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.sdk import Worker
    from workers.archive.index import Index


class IndexedWorker:
    """The state of a worker from its start to its stop: settings and an open index."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._index: Index | None = None
        self._watch: ArchiveWatch | None = None
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
        self._watch.on_look = self._tell
        self._watch.start()
        self._tell()

    mend: Callable[[], None] | None = None
    """Writes an index anew that was deleted under way; None: this worker does not."""

    @property
    def trouble(self) -> str:
        """What is wrong with the archive at present, in words; empty: nothing."""
        return self._watch.trouble if self._watch is not None else ""

    def _tell(self) -> None:
        """Let `dicom-gateway status` show how the index is."""
        context, trouble = self._worker.context, self.trouble
        place = context.data_dir / FOLDER / INDEX if self.index.is_file else "PostgreSQL"
        context.facts["index"] = {"place": str(place), "state": trouble or "ok"}
        if trouble:
            context.troubles["archive"] = trouble
        else:
            context.troubles.pop("archive", None)

    def stop(self) -> None:
        """Close the index."""
        if self._watch is not None:
            self._watch.stop()
            self._watch = None
        if self._index is not None:
            self._index.close()
            self._index = None
