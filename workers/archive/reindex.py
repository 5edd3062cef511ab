"""Build the index anew from the files of the archive.

Files are read in several processes, a bucket at a time, and indexed in one transaction for each
bucket, in the order of the buckets. The index notes which buckets are done. So a reindex that was
interrupted continues where it was.

An SQLite index is built beside the one in use, which it replaces at the end. In PostgreSQL each
gateway forgets and indexes only the files that it holds.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import sqlite3
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from gateway.sdk import ConfigError, Unavailable
from workers.archive import layout
from workers.archive.archive import Archive
from workers.archive.assignments import read_assignments
from workers.archive.file_system import sync_folder
from workers.archive.index import SqliteIndex
from workers.archive.index.carrying_over import carry_over, pass_over, readers_before
from workers.archive.index.sqlite import open_mark
from workers.archive.index.store_note import noted_store
from workers.archive.layout import FOLDER, INDEX
from workers.archive.object_archive import ObjectArchive
from workers.archive.object_examination import examine_object
from workers.archive.objects.listing import AGREES, own_buckets
from workers.archive.opening import check_guard
from workers.archive.recovery import Examined, Found, Recovery, examine_all
from workers.archive.store_identity import check_store, difference
from workers.archive.stored_files import StoredFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from gateway.settings import ArchiveSettings
    from workers.archive.index import Index
    from workers.archive.instance_store import InstanceStore
    from workers.archive.layout import Bucket, Content
    from workers.archive.objects.object_store import ObjectStore

_AHEAD = 2
"""Buckets that each process may be ahead of the index."""


class Reindex:
    """A rebuild of the index of the archive below `data_dir`; iterate over it to perform it.

    Yields the number of files that are done, after each bucket. `anew` starts from the beginning
    although an earlier one was interrupted. Raises ConfigError if a gateway has the index open.
    """

    def __init__(
        self,
        data_dir: Path,
        settings: ArchiveSettings,
        *,
        processes: int | None = None,
        anew: bool = False,
    ) -> None:
        check_guard(data_dir, settings)
        self._root = data_dir.absolute() / FOLDER
        self._files = StoredFiles.of(data_dir, settings)
        if not self._root.is_dir():
            raise ConfigError(
                f"there is no archive {self._root}: give the data directory with --data"
            )
        self._settings = settings
        self._holder = settings.holder_of_files
        self._processes = processes or os.cpu_count() or 1
        self._anew = anew
        self.found = Found()
        self.continued = 0
        """Files that an earlier, interrupted reindex has indexed."""
        self._count = 0

    def __iter__(self) -> Iterator[int]:
        if self._settings.dsn:
            from workers.archive.index.postgres import PostgresIndex

            with PostgresIndex(self._settings.dsn, anew=True) as index:
                check_store(index, self._files.objects, self._settings)
                readers = index.ask(lambda execute: readers_before(execute, f" {self._holder}"))
                yield from self._fill(index)
                index.change(lambda execute: pass_over(execute, readers))
            return
        path = self._root / INDEX
        new = path.with_name(f"{INDEX}.new")
        with _exclusive(path):
            self._check_store(path)
            try:
                with _opened(new, anew=self._anew) as sqlite:
                    yield from self._fill(sqlite)
                    if path.exists():
                        carry_over(path, sqlite)
                _put_in_place(new, path)
            except Exception:  # an interrupted one stays, and is continued
                _delete(new)
                raise

    def _check_store(self, path: Path) -> None:
        """Raise ConfigError if the index before has its objects in another store."""
        if not path.exists():
            return
        with suppress(sqlite3.Error):  # damaged, or of an earlier version
            uri = f"{path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True)) as before:
                noted = noted_store(before.execute, self._holder)
            if why := difference(noted, self._files.objects):
                raise ConfigError(why)

    def _fill(self, index: Index) -> Iterator[int]:
        directory = Archive(self._root, durable=True)
        store = self._files.objects
        archive = directory if store is None else ObjectArchive(directory, store)
        try:
            index.begin_rebuild(self._holder, anew=self._anew)
            index.restore_assignments(read_assignments(self._root))
            recovery = Recovery(archive, index, self._settings)
            self.found = recovery.found
            yield from self._index_buckets(archive, index, recovery)
            if store is not None:
                yield from self._index_objects(store, index, recovery)
            self.found.foreign += layout.strangers(self._root)
            index.end_rebuild(self._holder)
        finally:
            archive.close()

    def _index_objects(self, store: ObjectStore, index: Index, recovery: Recovery) -> Iterator[int]:
        """Index the objects of this gateway, which several threads read."""
        done = index.buckets(self._holder)
        count = self._count
        for bucket, found in own_buckets(store):
            own = [one for one in found if layout.is_archive_name(one.path)]
            self.found.foreign += [one.path for one in found if one not in own]
            count += len(own)
            if done.get(bucket) == AGREES:
                self.continued += len(own)
            else:
                work = partial(examine_object, self._files, holder=self._holder)
                recovery.adopt(self._files.map(work, own))
                index.note_buckets(self._holder, {bucket: AGREES})
            yield count

    def _index_buckets(
        self, archive: InstanceStore, index: Index, recovery: Recovery
    ) -> Iterator[int]:
        done = index.buckets(self._holder)
        buckets = sorted(layout.buckets(self._root), key=lambda b: (b.is_aside, b.name))
        left: list[tuple[Bucket, Content]] = []
        for bucket in buckets:
            content = layout.content(self._root, bucket.name)
            self.found.foreign += content.foreign
            if done.get(bucket.name) == bucket.changed:
                self.continued += len(content.files)
            else:
                left.append((bucket, content))
        count = self._count = self.continued
        yield count
        paths = (sorted(content.files) for _, content in left)
        for (bucket, content), files in zip(left, self._examined(paths, len(left)), strict=True):
            archive.settle(bucket.name)
            recovery.adopt(files)
            index.note_buckets(self._holder, {bucket.name: bucket.changed})
            count += len(content.files)
            self._count = count
            yield count

    def _examined(self, buckets: Iterable[list[str]], number: int) -> Iterator[list[Examined]]:
        """Yield what the files of each bucket are, as read by several processes."""
        work = partial(_examine, self._root, holder=self._holder)
        processes = min(self._processes, number)
        if processes <= 1:
            yield from map(work, buckets)
            return
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            yield from _in_order(pool, work, buckets, _AHEAD * processes)


def _examine(root: Path, paths: list[str], *, holder: str) -> list[Examined]:
    return examine_all(root, paths, holder)


def _in_order(
    pool: ProcessPoolExecutor,
    work: Callable[[list[str]], list[Examined]],
    buckets: Iterable[list[str]],
    ahead: int,
) -> Iterator[list[Examined]]:
    """Yield results in order, of which only so many are in memory."""
    pending: deque[Future[list[Examined]]] = deque()
    try:
        for paths in buckets:
            pending.append(pool.submit(work, paths))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


def _opened(new: Path, *, anew: bool) -> SqliteIndex:
    """Return the index that is being built: that of an interrupted reindex, or a new one."""
    if not anew and new.exists():
        with suppress(ConfigError, Unavailable):  # damaged, or of another version
            index = SqliteIndex(new, create=False)
            if index.is_rebuilt(""):
                return index
            index.close()
    _delete(new)
    index = SqliteIndex(new)
    index.begin_journal_at(int(time.time() * 1000))
    return index


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
