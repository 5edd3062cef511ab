"""The intake of instances that workers transform before they are kept (EVT_STORE_TRANSFORM).

It fails closed: what no worker has answered for soundly is not kept. What was received is noted in
the index together with the file that will be kept, before that file has its final name. So after a
crash at any point

- there is no such file, and the same instance is asked about again;
- or there is one without a row: it is indexed, at the next start or with the next attempt;
- or there is a row: the same instance is success and one copy, and no worker is asked.

The received data set is in the spool until the peer has its answer, and then deleted there.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.sdk import (
    Arrival,
    DatasetError,
    GatewayError,
    InstanceFile,
    NotTransformed,
    SpoolError,
    matches,
)
from workers.archive import layout
from workers.archive.arrival import Receipt, Taken
from workers.archive.completeness import Incomplete, check_complete
from workers.archive.index import IndexFailure
from workers.archive.index.originals import Original
from workers.archive.intake import Mismatch, check_identity
from workers.archive.recovery import Recovery

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.sdk import Event, WorkerContext
    from gateway.settings import ArchiveSettings
    from workers.archive.index import Index
    from workers.archive.instance_store import InstanceStore
    from workers.archive.intake import Intake

log = logging.getLogger("workers.archive")

_OUTCOMES = "Instances that a worker was asked to transform, by what became of them."


class ReceivedInstance:
    """An arrival that is to be transformed, until it has a result."""

    is_incomplete = False
    """Whether it arrived without a UID that it needs, so that the fault is not the worker's."""

    def __init__(self, event: Event, arrival: Arrival, place: str) -> None:
        self.event = event
        self.arrival = self.kept = arrival
        """`kept` is what is to be kept in its place, once the workers have been asked."""
        self.place = place
        """The name of the file that will be kept."""
        self.result: Receipt | Exception | None = None

    @property
    def original(self) -> Original:
        arrival, claim = self.arrival, self.arrival.claim
        uids = arrival.sop_instance_uid, arrival.sop_class_uid, arrival.transfer_syntax_uid
        return Original(*uids, claim.size, claim.digest)

    def file(self) -> InstanceFile:
        """Return it as workers are asked about it."""
        arrival, assoc = self.arrival, self.event.assoc
        return InstanceFile(
            arrival.claim,
            arrival.data,
            *(arrival.sop_class_uid, arrival.sop_instance_uid, arrival.transfer_syntax_uid),
            calling_ae_title=assoc.requestor.ae_title,
            called_ae_title=assoc.acceptor.ae_title,
            acceptor=assoc.acceptor_name,
            association=assoc.id,
        )

    def take_file(self, file: InstanceFile) -> None:
        """Let a worker's result be what is kept."""
        uids = file.sop_class_uid, file.sop_instance_uid, file.transfer_syntax_uid
        self.kept = Arrival(file.claim, file.data, self.arrival.attempt, *uids)


class TransformedIntake:
    """Has workers transform arrivals, and puts what they make of them into the archive."""

    def __init__(
        self,
        intake: Intake,
        archive: InstanceStore,
        index: Index,
        settings: ArchiveSettings,
        context: WorkerContext,
    ) -> None:
        self._intake = intake
        self._archive = archive
        self._index = index
        self._settings = settings
        self._context = context
        self._counter = context.metrics.counter(
            "dicom_gateway_transforms_total", _OUTCOMES, "worker", "outcome"
        )

    def take(self, arrivals: Sequence[tuple[Event, Arrival]]) -> list[Receipt | Exception]:
        """Transform, store and index arrivals; return as `Intake.take` does.

        NotTransformed in place of a receipt has the status for the peer.
        """
        received = [
            ReceivedInstance(event, arrival, self._archive.place(arrival.claim))
            for event, arrival in arrivals
        ]
        stages = (self._inspect, self._find, self._ask, self._note, self._keep)
        for stage in stages:
            if unfinished := [one for one in received if one.result is None]:
                _guarded(stage, unfinished)
        self._note_moved(received)
        return [one.result or LookupError("no result") for one in received]

    # stages

    def _inspect(self, received: list[ReceivedInstance]) -> None:
        """Refuse what is refused without a transform, so that the peer hears its own faults."""
        for one in received:
            try:
                _check_claim(one.arrival)
                found = self._intake.header_of(one.arrival)
                if found.fault is not None:
                    raise found.fault
                check_identity(one.arrival, found)
                keeps = self._settings.incomplete == "keep"
                check_complete(one.arrival.sop_class_uid, found, keeps=keeps)
            except Incomplete:  # a worker may mend it
                one.is_incomplete = True
            except (GatewayError, OSError) as error:
                one.result = error

    def _find(self, received: list[ReceivedInstance]) -> None:
        """Find what was received before; adopt files of an attempt that did not get further."""
        self._find_kept(received)
        unindexed = [
            one.place for one in received if one.result is None and self._archive.exists(one.place)
        ]
        if unindexed:
            noted = {
                known.path
                for known in self._index.originals([one.original[0] for one in received])
                if known.holder == self._settings.holder_of_files
            }
            self._adopt([place for place in unindexed if place in noted])
            self._find_kept(received)
            for one in received:
                if one.result is None and self._archive.exists(one.place):
                    one.result = SpoolError("a file of an attempt before is in the way")

    def _find_kept(self, received: list[ReceivedInstance]) -> None:
        known = {
            one.original: one.entry
            for one in self._index.originals([one.original[0] for one in received])
            if one.entry is not None
        }
        for one in received:
            entry = known.get(one.original)
            if entry is not None and self._intake.exists(entry):
                taken = Taken.SET_ASIDE if layout.is_aside(entry.path) else Taken.SAME
                one.result = Receipt(taken, entry, entry)

    def _adopt(self, places: list[str]) -> None:
        """Index files that an earlier attempt has kept and not indexed."""
        for place in places:
            self._archive.settle(os.path.dirname(place))
        Recovery(self._archive, self._index, self._settings).adopt_named(places)

    def _ask(self, received: list[ReceivedInstance]) -> None:
        context, settings = self._context, self._settings
        with context.waiting([one.event for one in received]):
            files = [one.file() for one in received]
            outcomes = context.transform(
                settings.transform, files, self._archive.unfinished, limit=settings.transform_limit
            )
        for one, file, outcome in zip(received, files, outcomes, strict=True):
            if isinstance(outcome, NotTransformed):
                self._fail(one, outcome)
            elif outcome is not file:
                one.take_file(outcome)

    def _note(self, received: list[ReceivedInstance]) -> None:
        holder = self._settings.holder_of_files
        self._index.note_originals((one.original, (holder, one.place)) for one in received)

    def _keep(self, received: list[ReceivedInstance]) -> None:
        try:
            results = self._intake.take([one.kept for one in received])
        finally:
            for one in received:
                _discard(one)
        for one, result in zip(received, results, strict=True):
            one.result = result
            if _is_fault_of_worker(one, result):
                why = f"what it made cannot be kept: {result}"
                worker = self._settings.transform[-1]
                self._fail(one, NotTransformed(worker, why, kind="invalid"))
            elif isinstance(result, Receipt):
                self._succeed("unchanged" if one.kept is one.arrival else "changed")

    def _note_moved(self, received: list[ReceivedInstance]) -> None:
        """Note where what is kept is, if it is not in the file that was noted before."""
        moved = [
            (one.original, (one.result.entry.holder, one.result.entry.path))
            for one in received
            if isinstance(one.result, Receipt) and one.result.entry.path != one.place
        ]
        if moved:
            try:
                self._index.note_originals(moved)
            except IndexFailure as error:  # then it is asked about again
                log.warning("what was received of %d instances is not noted: %s", len(moved), error)

    def _fail(self, one: ReceivedInstance, error: NotTransformed) -> None:
        one.result = error
        self._counter.add(1, error.worker, error.kind)
        if error.kind == "unanswered":
            self._context.troubles["transform"] = str(error)

    def _succeed(self, outcome: str) -> None:
        self._counter.add(1, ",".join(self._settings.transform), outcome)
        self._context.troubles.pop("transform", None)


def _guarded(
    stage: Callable[[list[ReceivedInstance]], None], received: list[ReceivedInstance]
) -> None:
    """Perform a stage; what fails it fails all that have no result yet."""
    try:
        stage(received)
    except (GatewayError, OSError) as error:
        for one in received:
            if one.result is None:
                one.result = error
                _discard(one)


def _check_claim(arrival: Arrival) -> None:
    """Raise SpoolError if the claim has no digest, or another one than the bytes beside it."""
    claim, data = arrival.claim, arrival.data
    if not claim.digest:
        raise SpoolError("the claim has no digest")
    if data is not None and not matches(memoryview(data)[claim.offset :], claim.digest):
        raise SpoolError("the data set is not the one that was claimed")


def _discard(one: ReceivedInstance) -> None:
    """Delete the file of a worker's result, if it is still where the worker has written it."""
    path = one.kept.claim.path
    if one.kept is not one.arrival and path is not None:
        with suppress(OSError):
            os.unlink(path)


def _is_fault_of_worker(one: ReceivedInstance, result: Receipt | Exception) -> bool:
    if one.kept is one.arrival:
        return False
    if isinstance(result, Incomplete):
        return not one.is_incomplete
    return isinstance(result, Mismatch | DatasetError)
