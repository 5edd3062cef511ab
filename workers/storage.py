"""The storage worker: answers each C-STORE (PS3.4 annex B) by keeping the instance.

Success means durable: the data on disk, under its final name, and the folders that lead there.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset

from gateway.sdk import SpoolError, Worker, evt
from workers.archive import Archive

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.sdk import Event

log = logging.getLogger("workers.storage")

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
"""PS3.4 B.2.3."""

worker = Worker("storage", concurrency=16)


class Storage:
    """What the handler works with from the worker's start to its end."""

    def __init__(self) -> None:
        self._archive: Archive | None = None

    @property
    def archive(self) -> Archive:
        """RuntimeError before the worker is started."""
        if self._archive is None:
            raise RuntimeError("the storage worker is not started")
        return self._archive

    def start(self) -> None:
        """Open the archive; raises ConfigError."""
        context = worker.context
        self._archive = Archive(context.data_dir / "archive", context.durable)
        if not context.durable:
            log.warning("durability=written: success does not mean that an instance is on disk")
        if self._archive.swept:
            log.warning("unfinished files deleted=%d", self._archive.swept)

    def stop(self) -> None:
        """Close the archive."""
        self.archive.close()
        self._archive = None

    def store(self, event: Event) -> int | Dataset:
        """Keep the instance; A700 if it cannot be kept."""
        claim = event.claim
        try:
            kept = self.archive.keep(claim, event.claim_data, event.attempt)
        except OSError as error:
            return _failure(claim.token, error.strerror or "input/output error")
        except SpoolError as error:
            return _failure(claim.token, str(error))
        _tell(event, kept)
        return SUCCESS


def _failure(token: str, why: str) -> Dataset:
    log.error("instance not kept token=%s error=%s", token, why)
    answer = Dataset()
    answer.Status = OUT_OF_RESOURCES
    answer.ErrorComment = f"Out of resources: {why}"[:64]
    return answer


def _tell(event: Event, kept: Path) -> None:
    """The instance is durable: who keeps count of instances is told here."""
    claim, request = event.claim, event.request
    event.publish(
        evt.EVT_INSTANCE_STORED,
        {
            "sop_class_uid": str(request.AffectedSOPClassUID),
            "sop_instance_uid": str(request.AffectedSOPInstanceUID),
            "transfer_syntax_uid": str(event.context.transfer_syntax),
            "size": claim.size,
            "sha256": claim.sha256.hex(),
            "path": str(kept),
        },
    )


storage = Storage()
worker.on_start(storage.start)
worker.on_stop(storage.stop)
worker.bind(evt.EVT_C_STORE, storage.store, redeliver=True, durable=True)
