"""The intake of instances: stored, indexed, and compared with what is stored already.

Two instances with one UID can arrive at the same time, in two processes, and a crash can come at
any point. So the index decides which is the instance. A file first gets its final name, durably.
Then its row is committed, and only the row makes the file the instance. If there is another row for
the UID, before or when the own row is committed, the file is a second copy, which is deleted, or it
is different content, for which the policy decides (`duplicates`). A file is never deleted before
the row of the file that replaces it is on disk. A crash can leave a file without a row; the next
start adds the row.

Arrivals come in batches that pass through the stages together: one query of the index, one sync of
each directory, and one transaction for all.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from gateway import spans
from gateway.metrics import Metrics
from gateway.sdk import GatewayError, SpoolError
from workers.archive import header, layout
from workers.archive.arrival import Case, Receipt, Taken
from workers.archive.attributes import BY_KEYWORD
from workers.archive.completeness import check_complete
from workers.archive.duplicates import Duplicates
from workers.archive.index import NEWLY_ADDED, AddOutcome, AddResult, IndexEntry, IndexFailure
from workers.archive.opening import guard_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from gateway.sdk import Arrival
    from gateway.settings import ArchiveSettings
    from workers.archive.header import HeaderValues
    from workers.archive.index import Index
    from workers.archive.instance_store import InstanceStore

log = logging.getLogger("workers.archive")

_NOTED = 64
"""Buckets that are remembered as noted."""
_GUARDED = 1.0
"""Seconds for which the volume is considered mounted after a check."""


class Mismatch(GatewayError):  # noqa: N818 - an error of the peer, answered with A900
    """Command set and data set name different SOP classes or instances; `tag` is which."""

    def __init__(self, keyword: str) -> None:
        what = keyword.removeprefix("SOP").removesuffix("UID").lower()
        super().__init__(f"SOP {what} of command and data set disagree")
        self.tag = BY_KEYWORD[keyword].tag


class PatientMismatch(GatewayError):  # noqa: N818 - a refusal, answered with A900
    """The study is stored under other Patient IDs, and the settings refuse that."""

    tag = BY_KEYWORD["PatientID"].tag

    def __init__(self, study_instance_uid: str, patients: tuple[str, ...]) -> None:
        super().__init__("the study is stored under another Patient ID")
        self.study_instance_uid = study_instance_uid
        self.patients = patients


class NotMounted(GatewayError):  # noqa: N818 - a state, not only an error
    """The volume of the archive is not mounted."""


class Intake:
    """Puts arrivals into an archive and its index; safe for several threads and processes."""

    def __init__(
        self,
        archive: InstanceStore,
        index: Index,
        settings: ArchiveSettings,
        data_dir: Path,
        metrics: Metrics | None = None,
    ) -> None:
        self._archive = archive
        self._index = index
        self._settings = settings
        self._holder = settings.holder_of_files
        self._keeps_incomplete = settings.incomplete == "keep"
        self._notes_buckets = settings.shared or archive.notes_buckets
        self._guard = Guard(guard_of(data_dir, settings))
        self._duplicates = Duplicates(archive, index, settings)
        self._noted: set[str] = set()
        metrics = metrics or Metrics()
        self._keeping = metrics.histogram(
            "dicom_gateway_storage_sync_seconds",
            "Time in which the files of a batch were put into the archive and synced.",
        ).distribution()
        self._committing = metrics.histogram(
            "dicom_gateway_storage_commit_seconds",
            "Time in which the rows of a batch were committed to the index.",
        ).distribution()

    def take(self, arrivals: Sequence[Arrival]) -> list[Receipt | Exception]:
        """Store and index arrivals; return a receipt for each when all are durable.

        DatasetError, Mismatch, Incomplete, NotMounted, SpoolError, IndexFailure or OSError in place
        of a receipt says why that arrival is not stored; the others are.
        """
        return self.add(self.keep(arrivals))

    def keep(self, arrivals: Sequence[Arrival]) -> list[Case]:
        """Put the files of arrivals into the archive, durably; `add` makes instances of them."""
        cases = unfinished = [Case(arrival) for arrival in arrivals]
        for stage in (self._examine_all, self._compare_all, self._keep_all):
            if unfinished:
                stage(unfinished)
            unfinished = [case for case in unfinished if case.result is None]
        return cases

    def add(self, cases: Sequence[Case]) -> list[Receipt | Exception]:
        """Index what `keep` has put into the archive; return as `take` does."""
        if unfinished := [case for case in cases if case.result is None]:
            self._add_all(unfinished)
        return [case.result or LookupError("no result") for case in cases]

    # stages

    def _examine_all(self, cases: list[Case]) -> None:
        try:
            self._guard.check()
        except NotMounted as error:
            _fail(cases, error)
            return
        for case in cases:
            try:
                self._examine(case)
            except Exception as error:  # fails this arrival only
                case.result = error

    def _compare_all(self, cases: list[Case]) -> None:
        """Compare with what is stored already, which need not be stored again."""
        try:
            stored = self._index.find_all([case.entry.sop_instance_uid for case in cases])
        except IndexFailure as error:
            _fail(cases, error)
            return
        if not stored:  # mostly
            return
        for case in cases:
            before = stored.get(case.entry.sop_instance_uid)
            case.is_absent = before is None
            if before is not None and before.path != case.entry.path:
                self._attempt(case, partial(self._duplicates.compare, before=before))

    def _keep_all(self, cases: list[Case]) -> None:
        if self._notes_buckets:
            try:
                self._note_buckets(cases)
            except IndexFailure as error:
                _fail(cases, error)
                return
        began = time.monotonic()
        kept = self._archive.keep([case.offer for case in cases])
        self._keeping.observe(time.monotonic() - began)
        if spans.recorder is not None:
            spans.recorder.stage("sync", began)
        for case, name in zip(cases, kept, strict=True):
            if isinstance(name, Exception):
                case.result = name
        if self._archive.notes_buckets:
            _rename(cases, kept)

    def _note_buckets(self, cases: list[Case]) -> None:
        """Note whose the buckets are, before anything is there: for other gateways, and a start."""
        names = {os.path.dirname(case.entry.path) for case in cases} - self._noted
        if names:
            aside = {layout.aside(name) for name in names}
            self._index.note_buckets(
                self._settings.holder_of_files, dict.fromkeys(names | aside, 0)
            )
            self._noted = names | (self._noted if len(self._noted) < _NOTED else set())

    def _add_all(self, cases: list[Case]) -> None:
        began = time.monotonic()
        try:
            added = self._add(cases)
        except IndexFailure as error:
            _fail(cases, error)
            return
        self._committing.observe(time.monotonic() - began)
        if spans.recorder is not None:
            spans.recorder.stage("commit", began)
        for case, result in zip(cases, added, strict=True):
            if result is NEWLY_ADDED:  # mostly
                case.result = Receipt(Taken.STORED, case.entry)
            elif isinstance(result, Exception):
                case.result = result
            else:
                self._settle(case, result)

    def _settle(self, case: Case, result: AddResult) -> None:
        """Set the result of a stored file by what was in the index, or in its study, before."""
        if result.outcome is AddOutcome.MISMATCH:
            self._archive.discard(case.entry.path)
            case.result = PatientMismatch(case.texts["StudyInstanceUID"], result.patients)
        elif result.outcome is AddOutcome.ADDED or result.before is None:
            case.result = Receipt(Taken.STORED, case.entry)
        else:
            before, outcome = result.before, result.outcome
            self._attempt(case, partial(self._duplicates.resolve, before=before, outcome=outcome))
        if isinstance(case.result, Receipt):
            case.result = _with_patients(case.result, case, result)

    def _add(self, cases: list[Case]) -> list[AddResult | Exception]:
        add = partial(
            self._index.add_all,
            [(case.entry, case.texts) for case in cases],
            replace=self._settings.duplicates == "replace",
            refuse=self._settings.patient_mismatch == "refuse",
            absent=frozenset(case.entry.sop_instance_uid for case in cases if case.is_absent),
        )
        try:
            return add()
        except IndexFailure as failure:
            if not failure.is_outage:
                raise
        return add()  # the first may have been committed: then these are the same instances

    def exists(self, entry: IndexEntry) -> bool:
        """Return whether the file of an entry exists; one of another gateway is assumed to."""
        return self._duplicates.exists(entry)

    def _attempt(self, case: Case, work: Callable[[Case], Receipt | None]) -> None:
        try:
            case.result = work(case)
        except Exception as error:  # fails this arrival only
            case.result = error

    # one arrival

    def _examine(self, case: Case) -> None:
        arrival = case.arrival
        claim, _, _, sop_class_uid, sop_instance_uid, transfer_syntax_uid = arrival
        if not claim.digest:  # a request for an earlier owner of the event, which needed none
            raise SpoolError("the claim has no digest")
        place = self._archive.place(claim)
        found = self.header_of(arrival)
        if found.fault is not None:
            raise found.fault
        for note in found.notes:
            log.info("token=%s kept although it has %s", claim.token, note)
        check_identity(arrival, found)
        check_complete(sop_class_uid, found, keeps=self._keeps_incomplete)
        case.texts = found
        case.entry = IndexEntry(
            sop_instance_uid,
            sop_class_uid,
            transfer_syntax_uid,
            place,
            claim.offset,
            claim.size,
            claim.digest,
            self._holder,
            claim.received or layout.received(place),
        )

    def header_of(self, arrival: Arrival) -> HeaderValues:
        """Return the values of an arrival that the index has; raises OSError, DatasetError."""
        claim, syntax = arrival.claim, arrival.transfer_syntax_uid
        if arrival.data is not None:
            return header.scan(memoryview(arrival.data)[claim.offset :], syntax)
        try:
            return header.read(claim.path or "", claim.offset, syntax)
        except FileNotFoundError:  # an earlier attempt has moved it
            return header.read(self._archive.file_of(claim), claim.offset, syntax)


def _with_patients(receipt: Receipt, case: Case, result: AddResult) -> Receipt:
    if not result.patients:
        return receipt
    study = case.texts["StudyInstanceUID"]
    return receipt._replace(study_instance_uid=study, patients=result.patients)


def _rename(cases: list[Case], kept: Sequence[str | Exception]) -> None:
    """Set the paths of what was stored under another name than expected."""
    for case, name in zip(cases, kept, strict=True):
        if isinstance(name, str):
            case.entry = case.entry._replace(path=name)


def _fail(cases: list[Case], error: Exception) -> None:
    for case in cases:
        case.result = error


class Guard:
    """Checks whether the volume of the archive is mounted."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen = float("-inf")
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raise NotMounted if the volume is not mounted."""
        if self._path is None:
            return
        with self._lock:
            now = time.monotonic()
            if now - self._seen < _GUARDED:
                return
            if not self._path.exists():
                raise NotMounted("the archive's volume is not mounted")
            self._seen = now


def check_identity(arrival: Arrival, found: HeaderValues) -> None:
    """Raise Mismatch if the data set has another UID than the command; it may have none."""
    sop_class, instance = arrival.sop_class_uid, arrival.sop_instance_uid
    if found["SOPClassUID"] == sop_class and found["SOPInstanceUID"] == instance:  # mostly
        return
    for keyword, told in (("SOPClassUID", sop_class), ("SOPInstanceUID", instance)):
        own = found[keyword]
        if own != told and own and own != told.strip("\0 \t\r\n"):
            raise Mismatch(keyword)
