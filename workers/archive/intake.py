"""How an instance comes into the archive: kept, indexed, and compared with what stands already.

Theory of operation. The index decides who comes first: a file gets its final name, durably, then
its row is committed, and only the row makes it the instance. Whoever finds another row under his
UID - now or, if two come at the same moment, when his own is to be committed - holds a second copy,
which goes, or another content, which the policy deals with. A file is never deleted before the row
of the one that stands in its place is on disk. A crash leaves a file without row, which the next
start adopts.

Arrivals come in batches, and go through the stages together: one look into the index, one sync of
each folder, one transaction for all of them.
"""

from __future__ import annotations

import logging
import threading
import time
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from gateway.sdk import GatewayError, SpoolError
from workers.archive import header
from workers.archive.archive import Offer
from workers.archive.index import Entry, IndexFailure, Outcome
from workers.archive.opening import guard_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from gateway.sdk import Claim
    from workers.archive.archive import Archive
    from workers.archive.header import Header
    from workers.archive.index import Index
    from workers.archive.settings import ArchiveSettings

log = logging.getLogger("workers.archive")

_GUARDED = 1.0
"""Seconds for which the volume counts as mounted once it was seen to be."""


class Mismatch(GatewayError):  # noqa: N818 - the peer's fault, told to it as A900
    """Command and data set do not speak of the same instance."""


class NotMounted(GatewayError):  # noqa: N818 - a state, not only an error
    """The volume of the archive is not there."""


class Taken(Enum):
    """What became of an arrival."""

    STORED = "stored"
    SAME = "same"
    """It stands already."""
    REPLACED = "replaced"
    SET_ASIDE = "set aside"
    REJECTED = "rejected"


class Arrival(NamedTuple):
    """What came, and what its command said of it."""

    claim: Claim
    data: bytes | None
    """The whole file, if the claim has no path."""
    attempt: int
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


class Receipt(NamedTuple):
    """What became of it, and where it is."""

    taken: Taken
    entry: Entry
    before: Entry | None = None
    """What stood there already."""


class _Case:
    """One arrival on its way through the stages, until it has a result."""

    def __init__(self, arrival: Arrival) -> None:
        self.arrival = arrival
        self.result: Receipt | Exception | None = None
        self.entry: Entry
        self.texts: Mapping[str, str]

    @property
    def offer(self) -> Offer:
        return Offer(self.arrival.claim, self.arrival.data, self.arrival.attempt)


class Intake:
    """Takes arrivals into an archive and its index; safe for several threads and processes."""

    def __init__(
        self, archive: Archive, index: Index, settings: ArchiveSettings, data_dir: Path
    ) -> None:
        self._archive = archive
        self._index = index
        self._settings = settings
        self._guard = Guard(guard_of(data_dir, settings))

    def take(self, arrivals: Sequence[Arrival]) -> list[Receipt | Exception]:
        """Return once all that is taken is durable and indexed: what became of each.

        HeaderError, Mismatch, NotMounted, SpoolError, IndexFailure or OSError in the place of a
        receipt: it is not taken. What one of them cannot do does not harm the others.
        """
        cases = [_Case(arrival) for arrival in arrivals]
        for stage in (self._examine_all, self._compare_all, self._keep_all, self._add_all):
            going_on = [case for case in cases if case.result is None]
            if going_on:
                stage(going_on)
        return [case.result or LookupError("no result") for case in cases]

    # stages

    def _examine_all(self, cases: list[_Case]) -> None:
        try:
            self._guard.check()
        except NotMounted as error:
            _fail(cases, error)
            return
        for case in cases:
            self._attempt(case, self._examine)

    def _compare_all(self, cases: list[_Case]) -> None:
        """What stands already need not be kept."""
        try:
            standing = self._index.find_all([case.entry.sop_instance_uid for case in cases])
        except IndexFailure as error:
            _fail(cases, error)
            return
        for case in cases:
            before = standing.get(case.entry.sop_instance_uid)
            if before is not None and before.path != case.entry.path:
                self._attempt(case, partial(self._compare, before=before))

    def _keep_all(self, cases: list[_Case]) -> None:
        kept = self._archive.keep([case.offer for case in cases])
        for case, name in zip(cases, kept, strict=True):
            if isinstance(name, Exception):
                case.result = name

    def _add_all(self, cases: list[_Case]) -> None:
        news = [(case.entry, case.texts) for case in cases]
        try:
            standings = self._index.add_all(news, replace=self._settings.duplicates == "replace")
        except IndexFailure as error:
            _fail(cases, error)
            return
        for case, standing in zip(cases, standings, strict=True):
            if isinstance(standing, Exception):
                case.result = standing
            elif standing.outcome is Outcome.ADDED or standing.before is None:
                case.result = Receipt(Taken.STORED, case.entry)
            else:
                before = standing.before
                self._attempt(case, partial(self._meet, before=before, outcome=standing.outcome))

    def _attempt(self, case: _Case, work: Callable[[_Case], Receipt | None]) -> None:
        try:
            case.result = work(case)
        except Exception as error:  # whatever is wrong with one, the others go on
            case.result = error

    # one arrival

    def _examine(self, case: _Case) -> None:
        arrival = case.arrival
        claim = arrival.claim
        if not claim.digest:  # of a request for an owner before us, who did not want one
            raise SpoolError("the claim came without its digest")
        place = self._archive.place(claim)
        found = self._header(arrival, place)
        _check(arrival, found)
        case.texts = found
        case.entry = Entry(
            arrival.sop_instance_uid,
            arrival.sop_class_uid,
            arrival.transfer_syntax_uid,
            place,
            claim.offset,
            claim.size,
            claim.digest,
            self._settings.holder_of_files,
        )

    def _header(self, arrival: Arrival, place: str) -> Header:
        """What an earlier attempt has moved is read from where it is now."""
        claim, syntax = arrival.claim, arrival.transfer_syntax_uid
        if arrival.data is not None:
            return header.scan(memoryview(arrival.data)[claim.offset :], syntax)
        for path in (claim.path or "", self._archive.path(place)):
            try:
                return header.read(path, claim.offset, syntax)
            except FileNotFoundError:
                continue
        aside = self._archive.place(claim, aside=True)
        return header.read(self._archive.path(aside), claim.offset, syntax)

    def _stands(self, before: Entry) -> bool:
        """Is its file there? That of another gateway is taken to be."""
        if before.holder != self._settings.holder_of_files:
            return True
        return self._archive.holds(before.path, before.start + before.size)

    def _compare(self, case: _Case, before: Entry) -> Receipt | None:
        if not self._stands(before):
            return None
        if before.holds_the_same(case.entry):
            return Receipt(Taken.SAME, before, before)
        if self._settings.duplicates == "replace":
            return None
        return self._deal_with(case, before)

    def _meet(self, case: _Case, before: Entry, outcome: Outcome) -> Receipt:
        """It is kept, but there is a row under its UID."""
        entry = case.entry
        if before.path == entry.path:
            return Receipt(Taken.SAME, before, before)
        if outcome is Outcome.REPLACED:
            if before.holder == entry.holder:
                self._archive.discard(before.path)
                self._index.absolve(before.holder, [before.path])
            return Receipt(Taken.REPLACED, entry, before)
        if not self._stands(before):
            return self._heal(case, before)
        if outcome is Outcome.SAME:
            self._archive.discard(entry.path)
            return Receipt(Taken.SAME, before, before)
        return self._deal_with(case, before)

    def _heal(self, case: _Case, before: Entry) -> Receipt:
        """The row has lost its file; this one takes its place."""
        entry = case.entry
        log.error("instance had lost its file path=%s replaced by path=%s", before.path, entry.path)
        if before.holds_the_same(entry):
            self._index.relocate(entry)
            return Receipt(Taken.STORED, entry, before)
        self._index.add(entry, case.texts, replace=True)
        return Receipt(Taken.REPLACED, entry, before)

    def _deal_with(self, case: _Case, before: Entry) -> Receipt:
        """Another content under the UID of one that stands, which goes on to."""
        entry = case.entry
        if self._settings.duplicates == "reject":
            self._archive.discard(entry.path)
            return Receipt(Taken.REJECTED, entry, before)
        if (earlier := self._set_aside_before(entry)) is not None:
            self._archive.discard(entry.path)
            return Receipt(Taken.SET_ASIDE, earlier, before)
        conflict = entry._replace(path=self._keep_aside(case))
        self._index.set_aside(conflict)
        return Receipt(Taken.SET_ASIDE, conflict, before)

    def _keep_aside(self, case: _Case) -> str:
        entry = case.entry
        if self._archive.holds(entry.path, entry.start + entry.size):
            return self._archive.set_aside(entry.path)
        (kept,) = self._archive.keep([case.offer], aside=True)
        if isinstance(kept, Exception):
            raise kept
        return kept

    def _set_aside_before(self, entry: Entry) -> Entry | None:
        """A retry of a conflict makes no further copy."""
        for conflict in self._index.conflicts_of(entry.sop_instance_uid):
            if conflict.holds_the_same(entry) and self._stands(conflict):
                return conflict
        return None


def _fail(cases: list[_Case], error: Exception) -> None:
    for case in cases:
        case.result = error


class Guard:
    """Tells whether the archive's volume is mounted."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen = float("-inf")
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raise NotMounted if it is not."""
        if self._path is None:
            return
        with self._lock:
            now = time.monotonic()
            if now - self._seen < _GUARDED:
                return
            if not self._path.exists():
                raise NotMounted("the archive's volume is not mounted")
            self._seen = now


def _check(arrival: Arrival, found: Header) -> None:
    """What the data set does not say cannot disagree."""
    for name, ours, theirs in (
        ("class", found["SOPClassUID"], arrival.sop_class_uid),
        ("instance", found["SOPInstanceUID"], arrival.sop_instance_uid),
    ):
        if ours and ours != theirs:
            raise Mismatch(f"SOP {name} of command and data set disagree")
