"""How an instance comes into the archive: kept, indexed, and compared with what stands already.

Theory of operation. The index decides who comes first: a file gets its final name, durably, then
its row is committed, and only the row makes it the instance. Whoever finds another row under his
UID - now or, if two come at the same moment, when his own is to be committed - holds a second copy,
which goes, or another content, which the policy deals with. A file is never deleted before the row
of the one that stands in its place is on disk. A crash leaves a file without row, which the next
start adopts.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from gateway.sdk import GatewayError, SpoolError
from workers.archive import header
from workers.archive.index import Entry, Outcome
from workers.archive.opening import guard_of

if TYPE_CHECKING:
    from collections.abc import Mapping
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


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came, and what its command said of it."""

    claim: Claim
    data: bytes | None
    """The whole file, if the claim has no path."""
    attempt: int
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of it, and where it is."""

    taken: Taken
    entry: Entry
    before: Entry | None = None
    """What stood there already."""


class Intake:
    """Takes arrivals into an archive and its index; safe for several threads and processes."""

    def __init__(
        self, archive: Archive, index: Index, settings: ArchiveSettings, data_dir: Path
    ) -> None:
        self._archive = archive
        self._index = index
        self._settings = settings
        self._guard = Guard(guard_of(data_dir, settings))

    def take(self, arrival: Arrival) -> Receipt:
        """Return once it is durable and indexed, or refused by the policy.

        Raises HeaderError, Mismatch, NotMounted, SpoolError, IndexFailure or OSError: it is not
        taken then.
        """
        self._guard.check()
        if not arrival.claim.sha256:  # of a request for an owner before us, who did not want one
            raise SpoolError("the claim came without its digest")
        found = self._header(arrival)
        _check(arrival, found)
        entry = self._entry(arrival)
        before = self._index.find(entry.sop_instance_uid)
        if before is not None and before.path != entry.path and self._stands(before):
            if before.holds_the_same(entry):
                return Receipt(Taken.SAME, before, before)
            if self._settings.duplicates != "replace":
                return self._deal_with(arrival, entry, before)
        self._archive.keep(arrival.claim, arrival.data, arrival.attempt)
        return self._add(arrival, entry, found)

    def _header(self, arrival: Arrival) -> Header:
        """What an earlier attempt has moved is read from where it is now."""
        claim, syntax = arrival.claim, arrival.transfer_syntax_uid
        if arrival.data is not None:
            return header.scan(memoryview(arrival.data)[claim.offset :], syntax)
        aside = self._archive.place(claim, aside=True)
        for path in (claim.path or "", self._archive.place(claim)):
            try:
                return header.read(path, claim.offset, syntax)
            except FileNotFoundError:
                continue
        return header.read(aside, claim.offset, syntax)

    def _entry(self, arrival: Arrival) -> Entry:
        claim = arrival.claim
        return Entry(
            arrival.sop_instance_uid,
            arrival.sop_class_uid,
            arrival.transfer_syntax_uid,
            os.path.relpath(self._archive.place(claim), self._archive.root),
            claim.offset,
            claim.size,
            claim.sha256,
            self._settings.holder_of_files,
        )

    def _stands(self, before: Entry) -> bool:
        """Is its file there? That of another gateway is taken to be."""
        if before.holder != self._settings.holder_of_files:
            return True
        return self._archive.holds(before.path, before.start + before.size)

    def _add(self, arrival: Arrival, entry: Entry, found: Header) -> Receipt:
        kept, replacing = found.texts, self._settings.duplicates == "replace"
        standing = self._index.add(entry, kept, replace=replacing)
        before = standing.before
        if standing.outcome is Outcome.ADDED or before is None:
            return Receipt(Taken.STORED, entry)
        if before.path == entry.path:
            return Receipt(Taken.SAME, before, before)
        if standing.outcome is Outcome.REPLACED:
            if before.holder == entry.holder:
                self._archive.discard(before.path)
                self._index.absolve(before.holder, [before.path])
            return Receipt(Taken.REPLACED, entry, before)
        if not self._stands(before):
            return self._heal(entry, before, kept)
        if standing.outcome is Outcome.SAME:
            self._archive.discard(entry.path)
            return Receipt(Taken.SAME, before, before)
        return self._deal_with(arrival, entry, before)

    def _heal(self, entry: Entry, before: Entry, kept: Mapping[str, str]) -> Receipt:
        """The row has lost its file; this one takes its place."""
        log.error("instance had lost its file path=%s replaced by path=%s", before.path, entry.path)
        if before.holds_the_same(entry):
            self._index.relocate(entry)
            return Receipt(Taken.STORED, entry, before)
        self._index.add(entry, kept, replace=True)
        return Receipt(Taken.REPLACED, entry, before)

    def _deal_with(self, arrival: Arrival, entry: Entry, before: Entry) -> Receipt:
        """Another content under the UID of one that stands, which goes on to."""
        if self._settings.duplicates == "reject":
            self._archive.discard(entry.path)
            return Receipt(Taken.REJECTED, entry, before)
        if (earlier := self._set_aside_before(entry)) is not None:
            self._archive.discard(entry.path)
            return Receipt(Taken.SET_ASIDE, earlier, before)
        if self._archive.holds(entry.path, entry.start + entry.size):
            aside = self._archive.set_aside(entry.path)
        else:
            path = self._archive.keep(arrival.claim, arrival.data, arrival.attempt, aside=True)
            aside = os.path.relpath(path, self._archive.root)
        conflict = replace(entry, path=aside)
        self._index.set_aside(conflict)
        return Receipt(Taken.SET_ASIDE, conflict, before)

    def _set_aside_before(self, entry: Entry) -> Entry | None:
        """A retry of a conflict makes no further copy."""
        for conflict in self._index.conflicts_of(entry.sop_instance_uid):
            if conflict.holds_the_same(entry) and self._stands(conflict):
                return conflict
        return None


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
