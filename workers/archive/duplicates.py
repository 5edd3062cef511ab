"""The duplicates policy: what happens to an instance under a UID that is stored already.

The same content is stored once, whatever its encoding: routers encode anew what they pass on.
Where digests are equal, the bytes are compared, because digests can be forged. Where they differ,
elements are compared (`gateway.datasets.comparison`). For different content
the setting `duplicates` decides: the stored instance stays and the new one is set aside
(`keep_first`), or replaces it (`replace`), or is refused (`reject`). A stored instance whose file
is missing is replaced, whatever the policy.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gateway.datasets.comparison import Likeness, compare
from gateway.datasets.encoded import opened_file
from workers.archive.arrival import Receipt, Taken, arrived_bytes, opened
from workers.archive.index import AddOutcome
from workers.archive.same_bytes import open_data_set, same_bytes

if TYPE_CHECKING:
    from gateway.settings import ArchiveSettings
    from workers.archive.arrival import Case
    from workers.archive.index import Index, IndexEntry
    from workers.archive.instance_store import InstanceStore

log = logging.getLogger("workers.archive")

_TAKEN = {
    Likeness.SAME: Taken.OTHERWISE_ENCODED,
    Likeness.OTHER_PIXEL_ENCODING: Taken.OTHER_TRANSFER_SYNTAX,
}


class Duplicates:
    """Decides on arrivals for whose UID the index has a row."""

    def __init__(self, archive: InstanceStore, index: Index, settings: ArchiveSettings) -> None:
        self._archive = archive
        self._index = index
        self._settings = settings

    def compare(self, case: Case, before: IndexEntry) -> Receipt | None:
        """Return the receipt of an instance that need not be stored; None: store it."""
        if not self.exists(before):
            return None
        if (same := self._same(case, before)) is not None:
            return same
        if self._settings.duplicates == "replace":
            return None
        return self._conflict(case, before)

    def resolve(self, case: Case, before: IndexEntry, outcome: AddOutcome) -> Receipt:
        """Return the receipt of a stored file for whose UID there is a row already."""
        entry = case.entry
        if before.path == entry.path:
            return Receipt(Taken.SAME, before, before)
        if outcome is AddOutcome.REPLACED:
            if before.holder == entry.holder:
                self._archive.discard(before.path)
                self._index.deleted(before.holder, [before.path])
            return Receipt(Taken.REPLACED, entry, before)
        if not self.exists(before):
            return self._replace_lost(case, before)
        if (same := self._same(case, before)) is not None:
            self._archive.discard(entry.path)
            return same
        return self._conflict(case, before)

    def _same(self, case: Case, before: IndexEntry) -> Receipt | None:
        """Return the receipt of an instance that is stored already; None if it is another one."""
        if before.may_hold_the_same(case.entry) and self._has_its_bytes(case, before):
            return Receipt(Taken.SAME, before, before)
        taken = _TAKEN.get(self._likeness(case, before))
        return None if taken is None else Receipt(taken, before, before)

    def _has_its_bytes(self, case: Case, before: IndexEntry) -> bool:
        """Compare the bytes of an arrival with the file of an entry; by digest, if out of reach."""
        if not self._archive.holds(before.path, before.start + before.size):
            return before.holds_the_same(case.entry)
        with (
            arrived_bytes(case.arrival, self._archive) as arrived,
            self._archive.readable(before.path) as path,
            open_data_set(path, before.start) as stored,
        ):
            return same_bytes(stored, arrived)

    def _likeness(self, case: Case, before: IndexEntry) -> Likeness:
        """Compare an arrival with the file of an entry; a file out of reach is different."""
        if not self._archive.holds(before.path, before.start + before.size):
            return Likeness.DIFFERENT
        with (
            opened(case.arrival, self._archive) as arrived,
            self._archive.readable(before.path) as path,
            opened_file(path, before.start, before.transfer_syntax_uid, before.size) as stored,
        ):
            return compare(stored, arrived)

    def _replace_lost(self, case: Case, before: IndexEntry) -> Receipt:
        """Replace a file that is missing by the one that has arrived."""
        entry = case.entry
        log.error("file of instance missing path=%s replaced by path=%s", before.path, entry.path)
        if before.holds_the_same(entry):
            self._index.relocate(entry)
            return Receipt(Taken.STORED, entry, before)
        self._index.add(entry, case.texts, replace=True)
        return Receipt(Taken.REPLACED, entry, before)

    def _conflict(self, case: Case, before: IndexEntry) -> Receipt:
        """Reject or set aside different content under the UID of a stored instance."""
        entry = case.entry
        if self._settings.duplicates == "reject":
            self._archive.discard(entry.path)
            return Receipt(Taken.REJECTED, entry, before)
        if (earlier := self._set_aside_before(case)) is not None:
            self._archive.discard(entry.path)
            return Receipt(Taken.SET_ASIDE, earlier, before)
        conflict = entry._replace(path=self._keep_aside(case))
        self._index.set_aside(conflict)
        return Receipt(Taken.SET_ASIDE, conflict, before)

    def _keep_aside(self, case: Case) -> str:
        entry = case.entry
        if self._archive.holds(entry.path, entry.start + entry.size):
            return self._archive.set_aside(entry.path)
        (kept,) = self._archive.keep([case.offer], aside=True)
        if isinstance(kept, Exception):
            raise kept
        return kept

    def _set_aside_before(self, case: Case) -> IndexEntry | None:
        """Return the entry of the same content if it was set aside before, as for a retry."""
        for conflict in self._index.conflicts_of(case.entry.sop_instance_uid):
            if self.exists(conflict) and self._same(case, conflict) is not None:
                return conflict
        return None

    def exists(self, before: IndexEntry) -> bool:
        """Return whether the file of an entry exists; one of another gateway is assumed to."""
        if before.holder != self._settings.holder_of_files:
            return True
        return self._archive.holds(before.path, before.start + before.size)
