"""The storage worker: answers each C-STORE (PS3.4 annex B) by keeping the instance.

Success means durable: the data on disk, under its final name, the folders that lead there, and the
row in the index.
"""

from __future__ import annotations

import fcntl
import logging
import os
from typing import TYPE_CHECKING

from gateway.datasets.validation import disable_validation
from gateway.sdk import ConfigError, GatewayError, Worker, evt, status, status_with_comment
from workers.archive import Archive
from workers.archive.header import HeaderError
from workers.archive.intake import Arrival, Intake, Mismatch, Taken
from workers.archive.opening import open_index
from workers.archive.recovery import Recovery
from workers.archive.settings import ArchiveSettings

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from gateway.sdk import Event
    from workers.archive.index import Index
    from workers.archive.intake import Receipt

log = logging.getLogger("workers.storage")

CONFLICT_SET_ASIDE = status.COERCION_OF_DATA_ELEMENTS
"""The only general warning of the service (PS3.4 B.2.3); the comment says what it means."""

BATCH = 64
"""Instances that are made durable together, at the most: as many as are in hand."""

worker = Worker("storage", concurrency=BATCH)


class Storage:
    """What the handler works with from the worker's start to its end."""

    def __init__(self) -> None:
        self._archive: Archive | None = None
        self._index: Index | None = None
        self._intake: Intake | None = None
        self._settings = ArchiveSettings()

    @property
    def archive(self) -> Archive:
        """RuntimeError before the worker is started."""
        if self._archive is None:
            raise RuntimeError("the storage worker is not started")
        return self._archive

    @property
    def intake(self) -> Intake:
        """RuntimeError before the worker is started."""
        if self._intake is None:
            raise RuntimeError("the storage worker is not started")
        return self._intake

    def start(self) -> None:
        """Open archive and index, and make them agree; raises ConfigError."""
        disable_validation()
        context = worker.context
        self._settings = settings = ArchiveSettings.of(context.options)
        index = open_index(context.data_dir, settings, durable=context.durable)
        try:
            archive = Archive(context.data_dir / "archive", context.durable)
        except ConfigError:
            index.close()
            raise
        self._index, self._archive = index, archive
        self._intake = Intake(archive, index, settings, context.data_dir)
        if not context.durable:
            log.warning("durability=written: success does not mean that an instance is on disk")
        if archive.swept:
            log.warning("unfinished files deleted=%d", archive.swept)
        self._recover(archive, index)

    def stop(self) -> None:
        """Close archive and index."""
        self.archive.close()
        if self._index is not None:
            self._index.close()
        self._archive = self._index = self._intake = None

    def store(self, events: list[Event]) -> list[int | Dataset | Exception]:
        """Keep and index the instances; a failure status for each with which that cannot be done.

        An exception in the place of an answer is a mistake of this program's.
        """
        arrivals = [_arrival(event) for event in events]
        receipts = iter(self.intake.take([a for a in arrivals if isinstance(a, Arrival)]))
        return [
            self._answer(event, next(receipts)) if isinstance(arrival, Arrival) else arrival
            for event, arrival in zip(events, arrivals, strict=True)
        ]

    def _recover(self, archive: Archive, index: Index) -> None:
        """One process at a time: members start together."""
        fd = os.open(archive.root / "tmp", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            Recovery(archive, index, self._settings.holder_of_files).run().report()
        finally:
            os.close(fd)

    def _answer(self, event: Event, receipt: Receipt | Exception) -> int | Dataset | Exception:
        if isinstance(receipt, Exception):
            return _refusal(event, receipt)
        path = receipt.entry.path
        match receipt.taken:
            case Taken.REJECTED:
                why = "Another content stands under this UID"
                return _failure(status.DUPLICATE_SOP_INSTANCE, event, why)
            case Taken.SET_ASIDE:
                log.warning("association=%s conflict set aside path=%s", event.assoc_id, path)
                _tell(event, receipt, self.archive, conflict=True)
                fails = self._settings.conflict == "failure"
                comment = "Another content stands under this UID; this one was set aside"
                return status_with_comment(
                    status.DUPLICATE_SOP_INSTANCE if fails else CONFLICT_SET_ASIDE, comment
                )
            case Taken.SAME if event.attempt == 1:
                return status.SUCCESS
            case _:
                _tell(event, receipt, self.archive)
                return status.SUCCESS


def _arrival(event: Event) -> Arrival | Exception:
    try:
        request = event.request
        return Arrival(
            event.claim,
            event.claim_data,
            event.attempt,
            str(request.AffectedSOPClassUID),
            str(request.AffectedSOPInstanceUID),
            str(event.context.transfer_syntax),
        )
    except Exception as error:  # of this request: the others go on
        return error


def _refusal(event: Event, error: Exception) -> Dataset | Exception:
    match error:
        case Mismatch():
            return _failure(status.DATA_SET_DOES_NOT_MATCH, event, str(error))
        case HeaderError():
            return _failure(status.CANNOT_UNDERSTAND, event, f"Cannot understand: {error}")
        case OSError():
            why = error.strerror or "input/output error"
            return _failure(status.OUT_OF_RESOURCES, event, f"Out of resources: {why}")
        case GatewayError():
            return _failure(status.OUT_OF_RESOURCES, event, f"Out of resources: {error}")
        case _:
            return error


def _failure(code: int, event: Event, why: str) -> Dataset:
    token = event.claim.token
    log.error("instance not kept token=%s status=0x%04X error=%s", token, code, why)
    return status_with_comment(code, why)


def _tell(event: Event, receipt: Receipt, archive: Archive, *, conflict: bool = False) -> None:
    """The instance is durable: who keeps count of instances is told here."""
    topic = evt.EVT_INSTANCE_CONFLICT if conflict else evt.EVT_INSTANCE_STORED
    if event.is_watched(topic):
        event.publish(topic, receipt.entry.body(archive.path(receipt.entry.path)))


storage = Storage()
worker.on_start(storage.start)
worker.on_stop(storage.stop)
worker.bind(evt.EVT_C_STORE, storage.store, redeliver=True, durable=True, batch=BATCH)
