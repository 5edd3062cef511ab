"""Maintenance of an archive: verify it against the index, rebuild the index, remove instances."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from gateway.sdk import ConfigError
from workers.archive import layout
from workers.archive.archive import Archive
from workers.archive.attributes import UNIQUE, Level
from workers.archive.file_system import sync_folder
from workers.archive.index import SqliteIndex
from workers.archive.index.interface import one_of
from workers.archive.index.search import Query
from workers.archive.index.sqlite import open_mark
from workers.archive.layout import FOLDER, INDEX
from workers.archive.opening import check_guard, open_index
from workers.archive.recovery import Found, Recovery, measure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.settings import ArchiveSettings
    from workers.archive.index import Index, IndexEntry

_LEVELS = (Level.STUDY, Level.SERIES, Level.IMAGE)


@dataclass(frozen=True, slots=True)
class Problem:
    """A difference between files and index."""

    kind: str
    """missing, damaged, no row or foreign."""
    path: str
    """Relative to the archive."""
    sop_instance_uid: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One comparison, and the problem that it found."""

    size: int = 0
    problem: Problem | None = None


def verify(root: Path, index: Index, holder: str) -> Iterator[Step]:
    """Compare every row with its file, and every file with the rows; yield each comparison."""
    for entry in chain(index.everything(), index.conflicts()):
        if entry.holder == holder:
            yield _compare(root, entry)
    for bucket in list(layout.buckets(root)):
        content = layout.content(root, bucket.name)
        rows = {known.entry.path for known in index.below(bucket.name)}
        # A file that has just arrived may not have its row yet.
        for path in sorted(set(content.files) - rows):
            yield Step(problem=Problem("no row", path, text="the file is not in the index"))
        for path in content.foreign:
            yield Step(problem=_foreign(path))
    for path in layout.strangers(root):
        yield Step(problem=_foreign(path))


def _foreign(path: str) -> Problem:
    return Problem("foreign", path, text="not part of the archive")


def _compare(root: Path, entry: IndexEntry) -> Step:
    path, uid = root / entry.path, entry.sop_instance_uid
    if path.is_symlink() or not path.is_file():
        return Step(problem=Problem("missing", entry.path, uid, "the file is missing"))
    try:
        size, digest = measure(path, entry.start)
    except OSError as error:
        return Step(problem=Problem("damaged", entry.path, uid, f"cannot be read: {error}"))
    if size != entry.size:
        text = f"its data set has {size} bytes instead of {entry.size}"
        return Step(problem=Problem("damaged", entry.path, uid, text))
    if digest != entry.digest:
        return Step(problem=Problem("damaged", entry.path, uid, "its digest has changed"))
    return Step(size)


def matching(index: Index, uids: list[str]) -> dict[str, IndexEntry]:
    """Return the instances of these studies, series and instances, by UID."""
    found: dict[str, IndexEntry] = {}
    for level in _LEVELS:
        condition = one_of(level, UNIQUE[level].column, uids)
        query = Query(Level.IMAGE, conditions=(condition,))
        found |= {entry.sop_instance_uid: entry for entry in index.instances(query)}
    return found


def incomplete(index: Index) -> list[IndexEntry]:
    """Return the instances without a Study or Series Instance UID: queries do not reach them."""
    found: dict[str, IndexEntry] = {}
    for level in (Level.STUDY, Level.SERIES):
        query = Query(Level.IMAGE, conditions=(one_of(level, UNIQUE[level].column, [""]),))
        found |= {entry.sop_instance_uid: entry for entry in index.instances(query)}
    return list(found.values())


def remove(root: Path, index: Index, holder: str, entries: list[IndexEntry]) -> None:
    """Remove instances: first their rows, then their files, so that a crash leaves no row."""
    removed = index.remove(entry.sop_instance_uid for entry in entries)
    own = [entry.path for entry in removed if entry.holder == holder]
    for path in own:
        if layout.is_archive_name(path):
            (root / path).unlink(missing_ok=True)
    index.deleted(holder, own)


def count_files(root: Path) -> int:
    """Return the number of files in the archive."""
    return sum(len(layout.content(root, b.name).files) for b in layout.buckets(root))


def reindex(data_dir: Path, settings: ArchiveSettings) -> Iterator[Found]:
    """Rebuild the index from the files; yield what was found so far after each file.

    Raises ConfigError if a gateway has the index open.
    """
    check_guard(data_dir, settings)
    root = data_dir.absolute() / FOLDER
    if not root.is_dir():
        raise ConfigError(f"there is no archive {root}: give the data directory with --data")
    if settings.dsn:
        with open_index(data_dir, settings) as index:
            _forget_all(index, settings.holder_of_files)
            yield from _fill(root, index, settings.holder_of_files)
        return
    with _exclusive(root / INDEX):
        new = root / f"{INDEX}.new"
        _delete(new)
        with SqliteIndex(new) as index:
            index.begin_journal_at(int(time.time() * 1000))
            yield from _fill(root, index, settings.holder_of_files)
        _put_in_place(new, root / INDEX)


def _fill(root: Path, index: Index, holder: str) -> Iterator[Found]:
    archive = Archive(root, durable=True)
    try:
        recovery = Recovery(archive, index, holder)
        for bucket in sorted(layout.buckets(root), key=lambda b: (b.is_aside, b.name)):
            content = layout.content(root, bucket.name)
            recovery.found.foreign += content.foreign
            archive.settle(bucket.name)
            for path in sorted(content.files):
                recovery.adopt(path)
                yield recovery.found
        recovery.found.foreign += layout.strangers(root)
        yield recovery.found
    finally:
        archive.close()


def _forget_all(index: Index, holder: str) -> None:
    for entry in list(index.everything()):
        if entry.holder == holder:
            index.forget(entry.sop_instance_uid)


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    fd = open_mark(path)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError("a gateway runs on this archive: stop it first") from None
        yield
    finally:
        os.close(fd)


def _delete(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", ".lock", ".open"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _put_in_place(new: Path, path: Path) -> None:
    """Replace the index; its write-ahead log must not be applied to the new one."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    with new.open("rb") as file:
        os.fsync(file.fileno())
    new.replace(path)
    with suppress(OSError):
        for suffix in (".lock", ".open"):
            new.with_name(new.name + suffix).unlink(missing_ok=True)
    sync_folder(path.parent)
