"""The storage worker: answers C-STORE by storing the instance in the archive (PS3.4 annex B).

Success means durable: the data, the directory entry of the file and of the directories above it,
and the row in the index are on disk.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import secrets
import threading
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from gateway.datasets.element_steps import UnreadableDataSet
from gateway.sdk import (
    Arrival,
    DatasetError,
    GatewayError,
    NotTransformed,
    Unavailable,
    Worker,
    evt,
    status,
    status_with_comment,
)
from gateway.uid import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
from workers.archive import Archive
from workers.archive.arrival import Taken
from workers.archive.completeness import Incomplete
from workers.archive.file_system import is_full, not_writable
from workers.archive.gateways import SharedIndexMember
from workers.archive.index import IndexFailure, SqliteIndex
from workers.archive.indexed_worker import IndexedWorker, describe
from workers.archive.intake import Intake, Mismatch, PatientMismatch
from workers.archive.layout import FOLDER
from workers.archive.object_archive import ObjectArchive
from workers.archive.object_upkeep import ObjectUpkeep
from workers.archive.objects.store_failure import StoreFailure
from workers.archive.opening import open_store
from workers.archive.patient_mismatch import publish_mismatch
from workers.archive.recovery import Recovery
from workers.archive.store_identity import enter_store
from workers.archive.store_watch import StoreWatch
from workers.archive.transformed_intake import TransformedIntake

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import TypeAlias

    from pydicom.dataset import Dataset

    from gateway.sdk import Event
    from workers.archive.arrival import Receipt
    from workers.archive.instance_store import InstanceStore

    Answers: TypeAlias = list[int | Dataset | Exception]

log = logging.getLogger("workers.storage")

CONFLICT_SET_ASIDE = status.COERCION_OF_DATA_ELEMENTS
"""The only general warning of the service (PS3.4 B.2.3); the comment says what it means."""

BATCH = 64
"""The maximum number of instances that are made durable together."""
LARGE = 4 << 20
"""Bytes of a data set, inflated, above which it is not stored together with others: to read it to
its end may take seconds."""
_CALLS = 4
"""Calls at a time: for many instances together, and for one that may take long; two of each while
one of them waits for its commit."""
INFLATES = 1032
"""How many times as long a deflate stream may become."""

_STORED, _STORED_TOPIC = Taken.STORED, evt.EVT_INSTANCE_STORED.name

worker = Worker("storage", concurrency=BATCH)


class Storage(IndexedWorker):
    """The handler of the storage worker."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker)
        self._archive: InstanceStore | None = None
        self._upkeep: ObjectUpkeep | None = None
        self._intake: Intake | None = None
        self._transformed: TransformedIntake | None = None
        """None: instances are kept as they are."""
        self._storing = threading.BoundedSemaphore(_CALLS)
        self._is_reconciled = False
        self._store_watch: StoreWatch | None = None
        self._membership: SharedIndexMember | None = None

    @property
    def archive(self) -> InstanceStore:
        """The open archive; raises RuntimeError before the worker is started."""
        if self._archive is None:
            raise RuntimeError("the storage worker is not started")
        return self._archive

    @property
    def intake(self) -> Intake:
        """The intake of the archive; raises RuntimeError before the worker is started."""
        if self._intake is None:
            raise RuntimeError("the storage worker is not started")
        return self._intake

    def start(self) -> None:
        """Open archive and index, and reconcile them; raises ConfigError or Unavailable."""
        super().start()
        context = worker.context
        try:
            if self.index.names_holders:
                self._membership = SharedIndexMember(self.index, self.settings, context)
                self._membership.enter()
            self._archive = archive = self._open_archive()
            self._is_reconciled = self._reconcile()
            if self._upkeep is not None:
                self._upkeep.start()
        except BaseException:
            self.stop()
            raise
        self._intake = Intake(archive, self.index, self.settings, context.data_dir, context.metrics)
        if self.settings.transform:
            self._transformed = TransformedIntake(
                *(self._intake, archive, self.index, self.settings, context)
            )
        if not context.durable:
            log.warning("durability=written: instances are not synced to disk")
        if archive.swept:
            log.warning("unfinished files deleted=%d", archive.swept)

    def stop(self) -> None:
        """Close archive and index."""
        if self._upkeep is not None:
            self._upkeep.stop()
        if self._archive is not None:
            self._archive.close()
        super().stop()
        self._archive = self._intake = self._membership = self._transformed = None
        self._upkeep = self._store_watch = None

    def store(self, events: list[Event]) -> Generator[None, None, Answers]:
        """Store and index the instances; return a status for each.

        If the index is in another process, the files of the next batch are written and synced while
        this one is committed. An exception in place of a status is a bug of this program.
        """
        with self._storing:
            if (trouble := self.trouble or self._unreconciled()) != "":
                return [_failure(status.OUT_OF_RESOURCES, event, trouble) for event in events]
            arrivals = [_arrival(event) for event in events]
            if self._transformed is None:
                cases = self.intake.keep([a for a in arrivals if isinstance(a, Arrival)])
                if self.index.commits_elsewhere:
                    yield
                taken = self.intake.add(cases)
            else:
                pairs = zip(events, arrivals, strict=True)
                taken = self._transformed.take([(e, a) for e, a in pairs if isinstance(a, Arrival)])
            return self._answers(events, arrivals, taken)

    def look(self) -> None:
        """Let the gateways that share the index know that this one is alive."""
        super().look()
        if self._membership is not None and (why := self._membership.beat()):
            self.leave(why)
        if self._store_watch is not None:
            self._store_watch.look()

    def _open_archive(self) -> InstanceStore:
        """Return the archive: a directory, or objects in the store that the settings name."""
        context, settings = self._worker.context, self.settings
        files = Archive(context.data_dir / FOLDER, context.durable)
        try:
            store = open_store(settings, is_hasty=bool(settings.stage))
            prompt = open_store(settings, is_hasty=True)
            enter = partial(enter_store, self.index, store, settings)
            if store is None or prompt is None:
                enter()
                return files
            archive = ObjectArchive(files, store, settings.stage_max if settings.stage else 0)
            self._upkeep = ObjectUpkeep(archive, prompt, self.index, settings)
            watch = StoreWatch(archive, context, enter, lambda why: self.leave(why))
            try:
                prompt.check()
                store.check_writing(f"probe-{secrets.token_hex(8)}")
                watch.enter()
            except StoreFailure as failure:
                if not archive.stage_max:
                    raise Unavailable(str(failure)) from None
                archive.note(failure)
        except BaseException:
            files.close()
            raise
        self._store_watch = watch
        return archive

    def mend(self) -> None:
        """Write the index anew after its file was deleted; nothing is stored from then on."""
        with ExitStack() as nothing_is_stored:
            for _ in range(_CALLS):
                nothing_is_stored.enter_context(self._storing)
            if isinstance(self.index, SqliteIndex):
                self.index.write_anew()

    def _unreconciled(self) -> str:
        """Return why nothing can be stored yet: the start found a full disk, and it still is."""
        if not self._is_reconciled:
            try:
                self._is_reconciled = self._reconcile()
            except (GatewayError, OSError) as error:
                return f"the archive cannot be reconciled with its index: {error}"
        return "" if self._is_reconciled else self._worker.context.troubles["disk"]

    def _reconcile(self) -> bool:
        """Reconcile archive and index; False if the disk is full, so that reading goes on."""
        troubles = self._worker.context.troubles
        try:
            self._recover(self.archive)
        except (GatewayError, OSError) as error:
            if not is_full(self.archive.root):
                raise
            troubles["disk"] = str(
                not_writable(self.archive.root, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
            )
            log.error("nothing is stored: %s (%s)", troubles["disk"], error)  # noqa: TRY400
            return False
        troubles.pop("disk", None)
        return True

    def _answers(
        self,
        events: list[Event],
        arrivals: list[Arrival | Exception],
        taken: list[Receipt | Exception],
    ) -> Answers:
        """Return the answers; `taken` has the results of those that are arrivals."""
        self._note_failures(taken)
        receipts = iter(taken)
        return [
            self._answer(event, next(receipts)) if isinstance(arrival, Arrival) else arrival
            for event, arrival in zip(events, arrivals, strict=True)
        ]

    def _note_failures(self, taken: Sequence[Receipt | Exception]) -> None:
        """Let `dicom-gateway status` show that the index fails, until something is stored."""
        troubles = self._worker.context.troubles
        failure = next((one for one in taken if isinstance(one, IndexFailure)), None)
        if failure is not None:
            troubles["storing"] = describe(failure)
        elif troubles and any(not isinstance(one, Exception) for one in taken):
            troubles.pop("storing", None)

    def _recover(self, archive: InstanceStore) -> None:
        """Reconcile archive and index; one process at a time, because members start together.

        The archive may be shared with other gateways, which are not waited for.
        """
        place = self._worker.context.data_dir
        fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            Recovery(archive, self.index, self.settings).run().report()
        finally:
            os.close(fd)

    def _answer(self, event: Event, receipt: Receipt | Exception) -> int | Dataset | Exception:
        if isinstance(receipt, Exception):
            return _exception_status(event, receipt)
        if receipt.taken is _STORED and not receipt.patients:  # mostly
            if event.is_watched(_STORED_TOPIC):
                _publish(event, receipt, self.archive)
            return status.SUCCESS
        return self._answer_unusual(event, receipt)

    def _answer_unusual(self, event: Event, receipt: Receipt) -> int | Dataset:
        """Return the status of an instance that was there before, or whose patients differ."""
        path = receipt.entry.path
        if receipt.patients:
            log.warning(
                "association=%s study under several Patient IDs path=%s", event.assoc_name, path
            )
            publish_mismatch(event, "stored", receipt.study_instance_uid, receipt.patients)
        match receipt.taken:
            case Taken.REJECTED:
                why = "Different content is stored under this UID"
                return _failure(status.DUPLICATE_SOP_INSTANCE, event, why)
            case Taken.SET_ASIDE:
                log.warning("association=%s conflict set aside path=%s", event.assoc_name, path)
                _publish(event, receipt, self.archive, conflict=True)
                fails = self.settings.conflict == "failure"
                comment = "Different content is stored under this UID; this was set aside"
                code = status.DUPLICATE_SOP_INSTANCE if fails else CONFLICT_SET_ASIDE
                return status_with_comment(code, comment)
            case Taken.OTHERWISE_ENCODED | Taken.OTHER_TRANSFER_SYNTAX:
                _tell_not_kept(event, receipt, self.archive)
            case Taken.SAME if event.attempt == 1:
                pass
            case _:
                _publish(event, receipt, self.archive)
        return status.SUCCESS


def may_take_long(event: Event) -> bool:
    """Return whether to read the data set to its end may take much longer than usual."""
    arrival = event.arrival
    size = arrival.claim.size
    if size * INFLATES <= LARGE or size > LARGE:  # mostly the first
        return size > LARGE
    return arrival.transfer_syntax_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN


def _arrival(event: Event) -> Arrival | Exception:
    try:
        return event.arrival
    except Exception as error:  # fails this request only
        return error


def _exception_status(event: Event, error: Exception) -> Dataset | Exception:
    match error:
        case PatientMismatch():
            publish_mismatch(event, "refused", error.study_instance_uid, error.patients)
            return _failure(status.DATA_SET_DOES_NOT_MATCH, event, str(error), error.tag)
        case Mismatch() | Incomplete():
            return _failure(status.DATA_SET_DOES_NOT_MATCH, event, str(error), error.tag)
        case UnreadableDataSet():
            return _failure(status.CANNOT_UNDERSTAND, event, str(error), error.tag)
        case DatasetError():
            return _failure(status.CANNOT_UNDERSTAND, event, f"Cannot understand: {error}")
        case OSError() | GatewayError():
            return _out_of_resources(event, error)
        case _:
            return error


def _out_of_resources(event: Event, error: OSError | GatewayError) -> Dataset:
    if isinstance(error, NotTransformed) and error.kind == "refused":
        return _refusal(event, error)
    why = str(error) if isinstance(error, GatewayError) else error.strerror
    why = f"Out of resources: {why or 'input/output error'}"
    return _failure(status.OUT_OF_RESOURCES, event, why)


def _refusal(event: Event, error: NotTransformed) -> Dataset:
    """Return the status with which a worker has refused an instance before it was kept."""
    answer = _failure(error.status, event, str(error))
    for keyword, value in error.elements.items():
        setattr(answer, keyword, value)
    return answer


def _failure(code: int, event: Event, why: str, *offending: int) -> Dataset:
    log.error(
        "association=%s instance not stored token=%s status=0x%04X error=%s",
        *(event.assoc_name, event.claim.token, code, why),
    )
    return status_with_comment(code, why, *offending)


def _publish(
    event: Event, receipt: Receipt, archive: InstanceStore, *, conflict: bool = False
) -> None:
    """Publish a notification about an instance that is now durable."""
    topic = evt.EVT_INSTANCE_CONFLICT if conflict else evt.EVT_INSTANCE_STORED
    if event.is_watched(topic):
        event.publish(topic, receipt.entry.body(archive.path(receipt.entry.path)))


def _tell_not_kept(event: Event, receipt: Receipt, archive: InstanceStore) -> None:
    """Log, and for another transfer syntax publish, that a stored instance arrived again."""
    entry, arrived = receipt.entry, str(event.context.transfer_syntax)
    if receipt.taken is Taken.OTHERWISE_ENCODED:
        log.info(
            "association=%s instance is stored already, encoded otherwise path=%s",
            *(event.assoc_name, entry.path),
        )
        return
    log.warning(
        "association=%s instance is stored already in transfer syntax %s path=%s; that in %s is "
        "not kept",
        *(event.assoc_name, entry.transfer_syntax_uid, entry.path, arrived),
    )
    if event.is_watched(evt.EVT_INSTANCE_NOT_KEPT):
        body = entry.body(archive.path(entry.path))
        event.publish(evt.EVT_INSTANCE_NOT_KEPT, {**body, "arrived_transfer_syntax_uid": arrived})


storage = Storage(worker)
worker.on_start(storage.start)
worker.on_stop(storage.stop)
worker.bind(
    evt.EVT_C_STORE, storage.store, redeliver=True, durable=True, batch=BATCH, alone=may_take_long
)
