"""Reconcile files and index when the storage worker starts; report what cannot be reconciled.

Only buckets that have changed since they last agreed with the index are compared, and in a shared
archive only those of this gateway, so the time of a start does not grow with the archive. Anything
that is not part of the archive - other names, links, directories - is named in the log, and never
followed or deleted.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.requestor import identify
from gateway.sdk import GatewayError, digest_like, running_digest
from workers.archive import header, layout
from workers.archive.assignments import read_assignments
from workers.archive.index import AddOutcome, IndexEntry
from workers.archive.same_bytes import open_data_set, same_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.settings import ArchiveSettings
    from workers.archive.index import AddResult, Index
    from workers.archive.index.records import Texts
    from workers.archive.instance_store import InstanceStore
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
                log.warning(
                    "after the last run kind=%s files=%d first=%s", kind, len(paths), paths[0]
                )
        for kind in ("missing", "damaged", "foreign"):
            for path in getattr(self, kind):
                log.error("archive %s path=%r", kind, path)


class Recovery:
    """Reconciles the buckets of one holder."""

    def __init__(self, archive: InstanceStore, index: Index, settings: ArchiveSettings) -> None:
        self._archive = archive
        self._index = index
        self._holder = settings.holder_of_files
        self._is_shared = settings.shared
        self._newest_wins = settings.duplicates == "replace"
        self.found = Found()

    def run(self) -> Found:
        """Reconcile what has changed since the last time; raises IndexFailure or OSError."""
        self._finish_deletions()
        root = self._archive.root
        self._index.restore_assignments(read_assignments(root))
        known = _of_files(self._index.buckets(self._holder))
        present = {bucket.name: bucket for bucket in layout.buckets(root)}
        if self._is_shared:
            present = self._own(present, known)
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
        self._index.end_rebuild(self._holder)
        return self.found

    def _own(self, present: Mapping[str, Bucket], known: Mapping[str, int]) -> dict[str, Bucket]:
        """Return the buckets of a shared archive that are not another gateway's.

        A gateway notes a bucket before it puts the first file there. One that nobody has noted is
        whose files are in it.
        """
        others = self._index.buckets_of_others(self._holder)
        return {
            name: bucket
            for name, bucket in present.items()
            if name in known
            or (name not in others and self._index.has_only_files_of(self._holder, name))
        }

    def _finish_deletions(self) -> None:
        every = self._index.to_delete(self._holder)
        to_delete = [path for path in every if not layout.is_object(path)]
        for path in to_delete:
            if layout.is_archive_name(path):
                self._archive.discard(path)
                self.found.deleted.append(path)
        if to_delete:
            self._index.deleted(self._holder, to_delete)

    def _reconcile(self, bucket: str) -> bool:
        """Compare a bucket with the index; return whether they already agreed."""
        content = layout.content(self._archive.root, bucket)
        every = [known.entry for known in self._index.below(bucket)]
        rows = {entry.path: entry for entry in every if entry.holder == self._holder}
        others = {entry.path for entry in every if self._is_shared} - set(rows)
        self.found.foreign += content.foreign
        new = sorted(set(content.files) - set(rows) - others)
        if new:
            self._archive.settle(bucket)
        self.adopt(examine_all(self._archive.root, new, self._holder))
        missing = sorted(set(rows) - set(content.files))
        self.found.missing += missing
        wrong = [
            path
            for path, entry in rows.items()
            if path in content.files and content.files[path] != entry.start + entry.size
        ]
        self.found.damaged += wrong
        return not (new or missing or wrong or content.foreign)

    def adopt(self, files: Sequence[Examined]) -> None:
        """Index files that have no row."""
        news: list[tuple[IndexEntry, Texts]] = []
        for file in files:
            if file.entry is None:
                log.warning("archive path=%s cannot be indexed: %s", file.path, file.error)
                self.found.damaged.append(file.path)
                continue
            if file.error:
                log.warning("archive path=%s cannot be read to its end: %s", file.path, file.error)
            if layout.is_aside(file.path):
                self._index.set_aside(file.entry)
                self.found.indexed.append(file.path)
            else:
                news.append((file.entry, file.texts))
        for (entry, texts), result in zip(news, self._index.add_all(news), strict=True):
            if isinstance(result, Exception):
                raise result
            self._resolve(entry, texts, result)

    def adopt_named(self, names: Sequence[str]) -> None:
        """Index files or objects with these names, which have no row."""
        examined = []
        for name in names:
            with self._archive.readable(name) as path:
                examined.append(examine(Path(path), name, self._holder))
        self.adopt(examined)

    def _resolve(self, entry: IndexEntry, texts: Texts, result: AddResult) -> None:
        """Decide between two files of one instance.

        As when they arrived, the first received one is the instance, or the last one if it replaces
        others; the order in which files are found does not matter.
        """
        before = result.before
        if result.outcome is AddOutcome.ADDED or before is None or before.path == entry.path:
            self.found.indexed.append(entry.path)
        elif not self._exists(before):
            self._replace(entry, texts, before)
        elif not self._archive.is_alone:
            pass  # another process may be storing it, and will resolve this
        elif self._is_copy(entry, before):
            self._drop_copy(entry, before)
        elif before.holder == self._holder and self._is_preferred(entry, before):
            self._set_aside(before)
            self._replace(entry, texts, before)
        else:
            self._set_aside(entry)

    def _is_copy(self, entry: IndexEntry, before: IndexEntry) -> bool:
        """Return whether both files have the same data set; by its digest if one is elsewhere."""
        if not before.may_hold_the_same(entry) or before.holder != self._holder:
            return before.holds_the_same(entry)
        readable = self._archive.readable
        with (
            readable(entry.path) as path,
            readable(before.path) as path_before,
            open_data_set(path, entry.start) as one,
            open_data_set(path_before, before.start) as other,
        ):
            return same_bytes(one, other)

    def _is_preferred(self, entry: IndexEntry, before: IndexEntry) -> bool:
        is_older = (entry.received, entry.path) < (before.received, before.path)
        return is_older != self._newest_wins

    def _drop_copy(self, entry: IndexEntry, before: IndexEntry) -> None:
        """Delete the later one of two files with the same content."""
        copy = entry.path
        if before.holder == self._holder and entry.received < before.received:
            self._index.relocate(entry)
            copy = before.path
        self._archive.discard(copy)
        self.found.duplicates.append(copy)

    def _set_aside(self, entry: IndexEntry) -> None:
        aside = entry._replace(path=self._archive.set_aside(entry.path))
        self._index.set_aside(aside)
        self.found.conflicts.append(aside.path)

    def _exists(self, before: IndexEntry) -> bool:
        return before.holder != self._holder or self._archive.holds(
            before.path, before.start + before.size
        )

    def _replace(self, entry: IndexEntry, texts: Texts, before: IndexEntry) -> None:
        """Replace the missing file of a row by this one."""
        if before.holds_the_same(entry):
            self._index.relocate(entry)
        else:
            self._index.add(entry, texts, replace=True)
            self._index.deleted(before.holder, [before.path])
        self.found.indexed.append(entry.path)


@dataclass(frozen=True, slots=True)
class Examined:
    """A file of the archive, as read from the file itself."""

    path: str
    entry: IndexEntry | None = None
    """None: it is not a complete file."""
    texts: Texts = field(default_factory=dict)
    """The values in front of what cannot be read: the instance may be incomplete, but not lost."""
    error: str = ""
    """Why it is not complete, or cannot be read to its end."""


def examine_all(root: Path, paths: Sequence[str], holder: str) -> list[Examined]:
    return [examine(root / path, path, holder) for path in paths]


def examine(whole: Path, path: str, holder: str) -> Examined:
    """Return what a file is that has this path in the archive, as read from the file."""
    try:
        instance = identify(whole)
        size, digest = measure(whole, instance.offset)
        changed = whole.stat().st_mtime_ns
    except (GatewayError, OSError) as error:
        return Examined(path, error=str(error))
    entry = IndexEntry(
        instance.sop_instance_uid,
        instance.sop_class_uid,
        instance.transfer_syntax_uid,
        path,
        instance.offset,
        size,
        digest,
        holder,
        layout.received(path, changed),
    )
    try:
        texts = header.read(whole, instance.offset, instance.transfer_syntax_uid)
    except (GatewayError, OSError) as error:
        return Examined(path, entry, error=str(error))
    return Examined(path, entry, dict(texts), str(texts.fault or ""))


def measure(path: Path, start: int, like: bytes = b"") -> tuple[int, bytes]:
    """Return the size and the digest of the data set that begins at `start`.

    `like`: a digest to compare it with, which says by its algorithm how to compute it. Raises
    SpoolError if that is not possible.
    """
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        return measure_pieces(iter(lambda: file.read(_PIECE), b""), like)


def measure_pieces(pieces: Iterable[bytes], like: bytes = b"") -> tuple[int, bytes]:
    """Return the size and the digest of a data set as `measure` does."""
    size, digest = 0, digest_like(like) if like else running_digest()
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    return size, digest.digest()


def _of_files(buckets: Mapping[str, int]) -> dict[str, int]:
    """Return the buckets that are directories; those of objects reconciles `ObjectUpkeep`."""
    return {name: at for name, at in buckets.items() if not layout.is_object(name)}


def _is_settled(bucket: Bucket) -> bool:
    return time.time_ns() - bucket.changed > _SETTLED
