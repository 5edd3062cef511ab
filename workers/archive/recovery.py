"""What a start finds: files and rows are made to agree again, or what cannot be is reported.

Only buckets that changed since they were last seen to agree are looked at, so a start takes no
longer with the years. What is not ours - other names, links, folders - is named in the log, never
followed, never deleted.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.requestor import identify
from gateway.sdk import Digest, GatewayError
from workers.archive import header, layout
from workers.archive.index import Entry, Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from workers.archive.archive import Archive
    from workers.archive.index import Index
    from workers.archive.layout import Bucket

log = logging.getLogger("workers.archive")

_SETTLED = 2_000_000_000
"""Nanoseconds after which a change of a folder cannot have the same time as the one before."""
_PIECE = 1 << 20


@dataclass(slots=True)
class Found:
    """What a start, or a reindex, came upon; paths below the archive's folder."""

    indexed: list[str] = field(default_factory=list)
    """Files without row, which have one now."""
    duplicates: list[str] = field(default_factory=list)
    """Second copies of an instance, deleted."""
    conflicts: list[str] = field(default_factory=list)
    """Other contents of an instance, set aside."""
    deleted: list[str] = field(default_factory=list)
    """Files that were to be deleted before the crash."""
    missing: list[str] = field(default_factory=list)
    """Rows without file."""
    damaged: list[str] = field(default_factory=list)
    """Files that are not what their row says, or cannot be read."""
    foreign: list[str] = field(default_factory=list)
    """What is not the archive's."""

    def report(self) -> None:
        """A line in the log for each kind, and for each path that wants somebody's eye."""
        for kind in ("indexed", "duplicates", "conflicts", "deleted"):
            if paths := getattr(self, kind):
                log.warning("after the last run: %s=%d first=%s", kind, len(paths), paths[0])
        for kind in ("missing", "damaged", "foreign"):
            for path in getattr(self, kind):
                log.error("archive %s path=%r", kind, path)


class Recovery:
    """Goes over the buckets of one holder."""

    def __init__(self, archive: Archive, index: Index, holder: str) -> None:
        self._archive = archive
        self._index = index
        self._holder = holder
        self.found = Found()

    def run(self) -> Found:
        """Look at what changed since the last time; raises IndexFailure or OSError."""
        self._delete_doomed()
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

    def _delete_doomed(self) -> None:
        doomed = self._index.doomed(self._holder)
        for path in doomed:
            if layout.is_name_of_ours(path):
                self._archive.discard(path)
                self.found.deleted.append(path)
        if doomed:
            self._index.absolve(self._holder, doomed)

    def _reconcile(self, bucket: str) -> bool:
        """Compare one bucket with the index; True: nothing changed, and they agree."""
        content = layout.content(self._archive.root, bucket)
        rows = {
            kept.entry.path: kept.entry
            for kept in self._index.below(bucket)
            if kept.entry.holder == self._holder
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
        if path.startswith(f"{layout.CONFLICTS}/"):
            self._index.set_aside(entry)
            self.found.indexed.append(path)
            return
        standing = self._index.add(entry, found)
        before = standing.before
        if standing.outcome is Outcome.ADDED or before is None or before.path == path:
            self.found.indexed.append(path)
        elif not self._stands(before):
            self._replace(entry, found, before)
        elif not self._archive.is_alone:
            pass  # it may be in another process's hands, which knows what to do with it
        elif standing.outcome is Outcome.SAME:
            self._archive.discard(path)
            self.found.duplicates.append(path)
        else:
            aside = entry._replace(path=self._archive.set_aside(path))
            self._index.set_aside(aside)
            self.found.conflicts.append(aside.path)

    def _stands(self, before: Entry) -> bool:
        return before.holder != self._holder or self._archive.holds(
            before.path, before.start + before.size
        )

    def _replace(self, entry: Entry, found: header.Header, before: Entry) -> None:
        """The row has lost its file, but here is one."""
        if before.holds_the_same(entry):
            self._index.relocate(entry)
        else:
            self._index.add(entry, found, replace=True)
        self.found.indexed.append(entry.path)


def examine(root: Path, path: str, holder: str) -> tuple[Entry, header.Header]:
    """What a file of the archive holds, by its own account.

    Raises GatewayError or OSError if it is no whole file.
    """
    whole = root / path
    instance = identify(whole)
    found = header.read(whole, instance.offset, instance.transfer_syntax_uid)
    size, digest = measure(whole, instance.offset)
    entry = Entry(
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
    """Bytes of the data set that begins at `start`, and their digest."""
    size, digest = 0, Digest()
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
    return size, digest.digest()


def _is_settled(bucket: Bucket) -> bool:
    return time.time_ns() - bucket.changed > _SETTLED
