"""Reconcile files and index when the storage worker starts; report what cannot be reconciled.

Only buckets that have changed since they last agreed with the index are compared, so the time of a
start does not grow with the archive. Anything that is not part of the archive - other names, links,
directories - is named in the log, and never followed or deleted.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.requestor import identify
from gateway.sdk import Digest, GatewayError
from workers.archive import header, layout
from workers.archive.index import AddOutcome, IndexEntry

if TYPE_CHECKING:
    from pathlib import Path

    from workers.archive.archive import Archive
    from workers.archive.index import Index
    from workers.archive.layout import Bucket

log = logging.getLogger("workers.archive")

_SETTLED = 2_000_000_000
"""Nanoseconds after which two changes of a directory cannot have the same time stamp."""
_PIECE = 1 << 20


@dataclass(slots=True)
class Found:
    """The findings of a start or a reindex; paths are relative to the archive."""

    indexed: list[str] = field(default_factory=list)
    """Files without a row, for which one was added."""
    duplicates: list[str] = field(default_factory=list)
    """Second copies of an instance, deleted."""
    conflicts: list[str] = field(default_factory=list)
    """Different content of an instance, set aside."""
    deleted: list[str] = field(default_factory=list)
    """Files whose deletion was interrupted by a crash."""
    missing: list[str] = field(default_factory=list)
    """Rows whose file is missing."""
    damaged: list[str] = field(default_factory=list)
    """Files that differ from their row or cannot be read."""
    foreign: list[str] = field(default_factory=list)
    """Anything that is not part of the archive."""

    def report(self) -> None:
        """Log a line for each kind, and one for each path that needs attention."""
        for kind in ("indexed", "duplicates", "conflicts", "deleted"):
            if paths := getattr(self, kind):
                log.warning("after the last run: %s=%d first=%s", kind, len(paths), paths[0])
        for kind in ("missing", "damaged", "foreign"):
            for path in getattr(self, kind):
                log.error("archive %s path=%r", kind, path)


class Recovery:
    """Reconciles the buckets of one holder."""

    def __init__(self, archive: Archive, index: Index, holder: str) -> None:
        self._archive = archive
        self._index = index
        self._holder = holder
        self.found = Found()

    def run(self) -> Found:
        """Reconcile what has changed since the last time; raises IndexFailure or OSError."""
        self._finish_deletions()
        root = self._archive.root
        known = self._index.buckets(self._holder)
        present = {bucket.name: bucket for bucket in layout.buckets(root)}
        agree: dict[str, int] = {}
        for name in sorted({*known, *present}):
            bucket = present.get(name)
            if bucket is not None and known.get(name) == bucket.changed:
                continue
            if self._reconcile(name) and bucket is not None and _is_settled(bucket):
                agree[name] = bucket.changed
        self.found.foreign += layout.strangers(root)
        if agree:
            self._index.note_buckets(self._holder, agree)
        return self.found

    def _finish_deletions(self) -> None:
        to_delete = self._index.to_delete(self._holder)
        for path in to_delete:
            if layout.is_archive_name(path):
                self._archive.discard(path)
                self.found.deleted.append(path)
        if to_delete:
            self._index.deleted(self._holder, to_delete)

    def _reconcile(self, bucket: str) -> bool:
        """Compare a bucket with the index; return whether they already agreed."""
        content = layout.content(self._archive.root, bucket)
        rows = {
            known.entry.path: known.entry
            for known in self._index.below(bucket)
            if known.entry.holder == self._holder
        }
        self.found.foreign += content.foreign
        new = sorted(set(content.files) - set(rows))
        if new:
            self._archive.settle(bucket)
        for path in new:
            self.adopt(path)
        missing = sorted(set(rows) - set(content.files))
        self.found.missing += missing
        wrong = [
            path
            for path, entry in rows.items()
            if path in content.files and content.files[path] != entry.start + entry.size
        ]
        self.found.damaged += wrong
        return not (new or missing or wrong or content.foreign)

    def adopt(self, path: str) -> None:
        """Index a file that has no row."""
        try:
            entry, found = examine(self._archive.root, path, self._holder)
        except (GatewayError, OSError) as error:
            log.warning("archive path=%s cannot be indexed: %s", path, error)
            self.found.damaged.append(path)
            return
        if found.fault is not None:
            log.warning("archive path=%s cannot be read to its end: %s", path, found.fault)
        if path.startswith(f"{layout.CONFLICTS}/"):
            self._index.set_aside(entry)
            self.found.indexed.append(path)
            return
        result = self._index.add(entry, found)
        before = result.before
        if result.outcome is AddOutcome.ADDED or before is None or before.path == path:
            self.found.indexed.append(path)
        elif not self._exists(before):
            self._replace(entry, found, before)
        elif not self._archive.is_alone:
            pass  # another process may be storing it, and will resolve this
        elif result.outcome is AddOutcome.SAME:
            self._archive.discard(path)
            self.found.duplicates.append(path)
        else:
            aside = entry._replace(path=self._archive.set_aside(path))
            self._index.set_aside(aside)
            self.found.conflicts.append(aside.path)

    def _exists(self, before: IndexEntry) -> bool:
        return before.holder != self._holder or self._archive.holds(
            before.path, before.start + before.size
        )

    def _replace(self, entry: IndexEntry, found: header.HeaderValues, before: IndexEntry) -> None:
        """Replace the missing file of a row by this one."""
        if before.holds_the_same(entry):
            self._index.relocate(entry)
        else:
            self._index.add(entry, found, replace=True)
        self.found.indexed.append(entry.path)


def examine(root: Path, path: str, holder: str) -> tuple[IndexEntry, header.HeaderValues]:
    """Return the entry and the values of a file of the archive, as read from the file.

    Raises GatewayError or OSError if it is not a complete file.
    """
    whole = root / path
    instance = identify(whole)
    found = header.read(whole, instance.offset, instance.transfer_syntax_uid)
    size, digest = measure(whole, instance.offset)
    entry = IndexEntry(
        instance.sop_instance_uid,
        instance.sop_class_uid,
        instance.transfer_syntax_uid,
        path,
        instance.offset,
        size,
        digest,
        holder,
    )
    return entry, found


def measure(path: Path, start: int) -> tuple[int, bytes]:
    """Return the size and the digest of the data set that begins at `start`."""
    size, digest = 0, Digest()
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
    return size, digest.digest()


def _is_settled(bucket: Bucket) -> bool:
    return time.time_ns() - bucket.changed > _SETTLED
