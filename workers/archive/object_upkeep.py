"""What is done for an object store beside storing: in a thread of one process of each gateway.

- It looks whether the store is out of reach.
- It puts files into the store that wait for it (`stage`).
- It deletes objects whose deletion failed or was interrupted.
- It adds rows for objects that a crash has left without one. These are looked for in the buckets
  that the index has noted and that are not known to agree with it, and only if they are so old that
  nobody can still be storing them. So a start does not wait for it, and it does not read the store.
- It aborts uploads that were never completed.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from gateway.sdk import GatewayError
from workers.archive import layout
from workers.archive.index.relocation import bytes_in_files, in_files
from workers.archive.moving import NotMoved, to_store
from workers.archive.objects.abandoned_uploads import abort_abandoned
from workers.archive.objects.listing import AGREES
from workers.archive.objects.store_failure import StoreFailure
from workers.archive.recovery import Recovery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.settings import ArchiveSettings
    from workers.archive.index import Index
    from workers.archive.index.records import IndexedFile
    from workers.archive.object_archive import ObjectArchive
    from workers.archive.objects.object_store import ObjectStore, StoredObject

log = logging.getLogger("workers.archive")

_LOOK = 2.0
"""Seconds between two looks at the store."""
_RECONCILE = 60.0
_SWEEP = 3600.0
_YOUNG = 600.0
"""Seconds for which an object without a row may still be one that is being stored."""
_OPEN = 7200.0
"""Seconds after its begin after which nothing is put into a bucket any more."""
_PAGE = 64
_LOCK = "objects.lock"


class ObjectUpkeep:
    """Looks after the objects of a gateway until it is stopped.

    `prompt` is a store whose requests are not tried again, to see whether it answers.
    """

    def __init__(
        self, archive: ObjectArchive, prompt: ObjectStore, index: Index, settings: ArchiveSettings
    ) -> None:
        self._archive, self._prompt, self._index = archive, prompt, index
        self._settings = settings
        self._holder = settings.holder_of_files
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="objects", daemon=True)
        self._reconciled = self._swept = float("-inf")
        self._fd = -1
        self._told: set[str] = set()
        """Paths of files that cannot be moved, which were logged."""

    def start(self) -> None:
        """Begin; what waits for the store is counted before this returns."""
        self.count()
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._fd >= 0:
            os.close(self._fd)

    def count(self) -> None:
        """Count the bytes that wait for the store."""
        if self._archive.stage_max:
            self._archive.staged = self._index.ask(partial(bytes_in_files, holder=self._holder))

    def look(self) -> None:
        """Do what there is to do now; raises what a store or an index raises."""
        self._prompt.check()
        self._archive.note(None)
        if not self._is_first():
            return
        self.drain()
        self.delete()
        now = time.monotonic()
        if now - self._reconciled > _RECONCILE:
            self._reconciled = now
            self.reconcile()
        if now - self._swept > _SWEEP:
            self._swept = now
            self.sweep()

    def drain(self) -> None:
        """Put the files that wait into the store."""
        if not self._settings.stage or not self._archive.staged:
            return
        for page in self._waiting():
            self._archive.stored.map(self._put, page)
            if self._ended.is_set():
                return
        self.count()

    def delete(self) -> None:
        """Delete the objects whose rows are gone."""
        undeleted = self._archive.undeleted
        while undeleted:
            self._archive.store.delete(undeleted[0])
            undeleted.popleft()
        paths = [one for one in self._index.to_delete(self._holder) if layout.is_object(one)]
        for path in paths:
            self._archive.stored.delete(path)
        if paths:
            self._index.deleted(self._holder, paths)

    def reconcile(self) -> None:
        """Add rows for the objects that a crash has left without one."""
        for bucket, state in self._index.buckets(self._holder).items():
            if self._ended.is_set():
                return
            if layout.is_object(bucket) and state != AGREES:
                self._reconcile(bucket)

    def sweep(self) -> None:
        """Abort the uploads that were never completed, and delete copies that a crash has left."""
        self._archive.stored.sweep()
        number = abort_abandoned(self._archive.store.place, self._settings.store_ca)
        if number:
            log.warning("abandoned uploads aborted=%d", number)

    def _run(self) -> None:
        while not self._ended.wait(_LOOK):
            try:
                self.look()
            except StoreFailure as failure:
                self._archive.note(failure)
            except (GatewayError, OSError) as error:
                log.warning("the upkeep of objects failed: %s", error)
            except Exception:  # a bug must not end the thread: it is told, and tried again
                log.exception("the upkeep of objects failed")

    def _is_first(self) -> bool:
        """Return whether this process is the one that looks after the objects."""
        if self._fd >= 0:
            return True
        path = self._archive.root / "tmp" / _LOCK
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._fd = fd
        return True

    def _waiting(self) -> Iterator[list[IndexedFile]]:
        after = ""
        while page := self._index.ask(
            partial(in_files, holder=self._holder, after=after, limit=_PAGE)
        ):
            after = page[-1].entry.path
            yield page

    def _put(self, known: IndexedFile) -> None:
        path = known.entry.path
        try:
            to_store(self._archive.stored, self._index, known)
            self._told.discard(path)
        except NotMoved as error:
            if path not in self._told:
                log.error("path=%s waits for the object store: %s", path, error)  # noqa: TRY400
                self._told.add(path)

    def _reconcile(self, bucket: str) -> None:
        rows = {known.entry.path for known in self._index.below(bucket)}
        rows.update(self._index.to_delete(self._holder), self._archive.undeleted)
        found = [
            one
            for one in self._archive.store.listed(bucket)
            if one.path not in rows and layout.is_archive_name(one.path)
        ]
        now = time.time()
        left = [one for one in found if now - one.changed > _YOUNG]
        if left:
            self._adopt(left)
        elif not found and now - layout.begun(bucket) > _OPEN:
            self._index.note_buckets(self._holder, {bucket: AGREES})

    def _adopt(self, objects: list[StoredObject]) -> None:
        recovery = Recovery(self._archive, self._index, self._settings)
        recovery.adopt_named([one.path for one in objects])
        recovery.found.report()
