"""The start and stop that the stock workers have in common: settings, and an open index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.datasets.validation import disable_validation
from gateway.settings import ArchiveSettings
from workers.archive.opening import archive_settings, open_index

if TYPE_CHECKING:
    from gateway.sdk import Worker
    from workers.archive.index import Index


class IndexedWorker:
    """The state of a worker from its start to its stop: settings and an open index."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._index: Index | None = None
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
        self._index = open_index(context.data_dir, self.settings, durable=context.durable)

    def stop(self) -> None:
        """Close the index."""
        if self._index is not None:
            self._index.close()
            self._index = None
