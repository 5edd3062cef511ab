"""The worklist worker: SCP of the Modality Worklist Information Model (PS3.4 annex K).

It is not started until the configuration has a table for it:

    [workers.worklist]
    options = {folder = "/srv/worklist"}
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.datasets.validation import disable_validation
from gateway.sdk import (
    ConfigError,
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
from workers.worklist.worklist_folder import WorklistFolder
from workers.worklist.worklist_match import WorklistQuery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataset import Dataset

    from gateway.sdk import Event

log = logging.getLogger("workers.worklist")

worker = Worker("worklist", concurrency=8)


class Scheduler:
    """The handlers of the worklist worker."""

    _folder: WorklistFolder | None = None

    def start(self) -> None:
        """Read the folder; raises ConfigError, or Unavailable and can then be called again."""
        disable_validation()
        folder = worker.context.options.get("folder")
        if not isinstance(folder, str) or not folder:
            raise ConfigError(
                "workers.worklist.options needs a folder: the path of the worklist's files"
            )
        found = WorklistFolder(Path(folder))
        found.items()
        self._folder = found
        self._tell()

    def find(self, event: Event) -> Iterator[tuple[int | Dataset, Dataset | None]]:
        """Yield a pending response for each item that matches."""
        folder = self._folder
        assert folder is not None
        try:
            query = WorklistQuery(event.identifier)
            items = folder.items()
        except BadIdentifier as error:
            yield status_with_comment(status.DATA_SET_DOES_NOT_MATCH, str(error), error.tag), None
            return
        except DatasetError as error:
            log.warning("association=%s C-FIND refused: %s", event.assoc_name, error)
            yield not_understood(error), None
            return
        except Unavailable as error:
            log.warning("association=%s C-FIND failed: %s", event.assoc_name, error)
            worker.context.troubles["worklist"] = str(error)
            yield status_with_comment(status.OUT_OF_RESOURCES, "The worklist is away"), None
            return
        self._tell(items)
        for item in items:
            if event.is_cancelled:
                yield status.CANCEL, None
                return
            try:
                found = query.response(item)
            except BadIdentifier as error:  # an element of the item that is not what it should be
                log.warning("association=%s an item is passed over: %s", event.assoc_name, error)
                continue
            if found is not None:
                yield status.PENDING, found

    def _tell(self, items: list[Any] | None = None) -> None:
        """Let `dicom-gateway status` show how many items there are, and which file is wrong."""
        folder, context = self._folder, worker.context
        assert folder is not None
        context.facts["worklist"] = {"items": len(folder.items() if items is None else items)}
        if folder.trouble:
            context.troubles["worklist"] = folder.trouble
        else:
            context.troubles.pop("worklist", None)


scheduler = Scheduler()
worker.on_start(scheduler.start)
worker.bind(evt.EVT_C_FIND, scheduler.find, sop_classes=[ModalityWorklistInformationFind])
