"""The file of a queued instance, wherever it is."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from gateway.datasets import Instance
from workers.archive.layout import is_object
from workers.forward.outcomes import SendOutcome, SendVerdict

if TYPE_CHECKING:
    from pathlib import Path

    from workers.archive.fetching import Fetcher
    from workers.archive.index import Index, IndexEntry
    from workers.archive.outbox_rows import QueuedInstance
    from workers.archive.stored_files import StoredFiles
    from workers.archive.temporary_copies import TemporaryCopies


@dataclass(slots=True)
class Opener:
    """Finds the file of an instance: here, or at the gateway that has it."""

    index: Index
    files: StoredFiles
    holder: str
    is_shared: bool
    fetcher: Fetcher | None = None
    copies: TemporaryCopies | None = None
    """For objects that a worker is to transform: it is given a file."""
    _lent: deque[Path] = field(default_factory=deque)

    def open(self, row: QueuedInstance) -> Instance | SendOutcome:
        """Return the instance to send; or what becomes of it. Raises IndexFailure, StoreFailure.

        An instance whose file is not there any more is looked up in the index: it may have another
        file with the same content. One with other content has a row of its own in the outbox.
        """
        is_within_reach = self.is_shared or self.files.is_in_store(row.entry.path)
        if row.entry.holder != self.holder and not is_within_reach:
            return self._fetched(row)
        why = self._stored(row, row.entry)
        if isinstance(why, Instance):
            return why
        now = self.index.find(row.entry.sop_instance_uid)
        if now is None:
            return SendOutcome(SendVerdict.GONE, "it was removed from the archive")
        if not now.holds_the_same(row.entry):
            return SendOutcome(SendVerdict.GONE, "it was replaced by other content")
        if now.path != row.entry.path:
            why = self._stored(row, now)
            if isinstance(why, Instance):
                return why
        return SendOutcome(SendVerdict.AGAIN, why)

    def _stored(self, row: QueuedInstance, entry: IndexEntry) -> Instance | str:
        """Return what is stored here, or why it cannot be given out."""
        if not (row.transform and self.copies and is_object(entry.path)):
            return self.files.instance(entry)
        if why := self.files.defect(entry):
            return why
        path = self.copies.add(partial(self.files.copy_to, entry.path))
        uids = entry.sop_class_uid, entry.sop_instance_uid, entry.transfer_syntax_uid
        return Instance(*uids, entry.size, path, entry.start)

    def _fetched(self, row: QueuedInstance) -> Instance | SendOutcome:
        if self.fetcher is None:
            return SendOutcome(SendVerdict.AGAIN, f"the file is at {row.entry.holder}")
        now = self.index.find(row.entry.sop_instance_uid)
        if now is None or not now.holds_the_same(row.entry):
            return SendOutcome(SendVerdict.GONE, "it was removed from the archive, or replaced")
        found = self.fetcher.fetch([now], self._lent)[row.entry.sop_instance_uid]
        return SendOutcome(SendVerdict.AGAIN, found) if isinstance(found, str) else found
