"""The worklist worker: SCP of the Modality Worklist Information Model (PS3.4 annex K).

It is not started until the configuration has a table for it, which names one source of items:

    [workers.worklist]
    options = {folder = "/srv/worklist"}   # or database = {...}, or hook = "module:function"
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.datasets.validation import disable_validation
from gateway.sdk import (
    DatasetError,
    Unavailable,
    Worker,
    evt,
    status,
    status_with_comment,
)
from gateway.sop_class import ModalityWorklistInformationFind
from workers.archive.identifier import not_understood
from workers.archive.matching import BadIdentifier
from workers.worklist.worklist_database import database_of
from workers.worklist.worklist_folder import WorklistFolder
from workers.worklist.worklist_hook import WorklistHook
from workers.worklist.worklist_match import WorklistQuery
from workers.worklist.worklist_options import WorklistOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydicom.dataset import Dataset

    from gateway.sdk import Event
    from workers.worklist.worklist_source import WorklistSource

log = logging.getLogger("workers.worklist")

worker = Worker("worklist", concurrency=8)


class Scheduler:
    """The handlers of the worklist worker."""

    _source: WorklistSource | None = None
    _passed_over = 0

    def start(self) -> None:
        """Open the source; raises ConfigError, or Unavailable and can then be called again."""
        disable_validation()
        source = source_of(worker.context.options, worker.context.data_dir)
        source.check()
        self._source = source
        self._tell()

    def find(self, event: Event) -> Iterator[tuple[int | Dataset, Dataset | None]]:
        """Yield a pending response for each scheduled procedure step that matches."""
        source = self._source
        assert source is not None
        try:
            identifier = event.identifier
            query = WorklistQuery(identifier)
            for found in self._responses(event, query, source.items(query, identifier)):
                if event.is_cancelled:
                    yield status.CANCEL, None
                    return
                if found is not None:
                    yield status.PENDING, found
        except BadIdentifier as error:
            yield status_with_comment(status.DATA_SET_DOES_NOT_MATCH, str(error), error.tag), None
        except DatasetError as error:
            log.warning("association=%s C-FIND refused: %s", event.assoc_name, error)
            yield not_understood(error), None
        except Unavailable as error:
            log.warning("association=%s C-FIND failed: %s", event.assoc_name, error)
            self._tell(str(error))
            yield status_with_comment(status.OUT_OF_RESOURCES, "The worklist is away"), None
        else:
            self._tell()

    def _responses(
        self, event: Event, query: WorklistQuery, items: Iterable[Dataset]
    ) -> Iterator[Dataset | None]:
        """Yield the responses for all items, and None for one without any."""
        for item in items:
            yield None
            try:
                yield from query.responses(item)
            except BadIdentifier as error:  # an element of the item that is not what it should be
                self._passed_over += 1
                log.warning("association=%s an item is passed over: %s", event.assoc_name, error)

    def _tell(self, failure: str = "") -> None:
        """Let `dicom-gateway status` show how many items there are, and what is wrong."""
        source, context = self._source, worker.context
        assert source is not None
        passed_over = {"passed_over": self._passed_over} if self._passed_over else {}
        context.facts["worklist"] = {**source.facts(), **passed_over}
        if trouble := failure or source.trouble:
            context.troubles["worklist"] = trouble
        else:
            context.troubles.pop("worklist", None)


def source_of(options: dict[str, Any], data_dir: Path) -> WorklistSource:
    """Return the source that the options of the worker name; raises ConfigError."""
    wanted = WorklistOptions.of(options)
    if wanted.database is not None:
        return database_of(wanted.database, options, data_dir)
    if wanted.hook:
        return WorklistHook(wanted.hook)
    return WorklistFolder(Path(wanted.folder))


scheduler = Scheduler()
worker.on_start(scheduler.start)
worker.bind(evt.EVT_C_FIND, scheduler.find, sop_classes=[ModalityWorklistInformationFind])
