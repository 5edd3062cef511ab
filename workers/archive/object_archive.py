"""An archive whose instances are objects in a store; files only wait for it, if that is allowed.

An instance is acknowledged when its object is there and has been read back, and its row is in the
index; until then its data set stays in the spool. While the store is out of reach, a C-STORE fails,
unless `stage` says that a synced file counts as durable: then it is stored as a file of the archive
(`Archive`), and its row says so, until `ObjectUpkeep` has put it into the store.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.sdk import GatewayError, SpoolError
from workers.archive import layout
from workers.archive.batch_writer import checked_data
from workers.archive.objects.store_failure import StoreFailure
from workers.archive.parallel_calls import ParallelCalls
from workers.archive.stored_files import StoredFiles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from gateway.sdk import Claim
    from workers.archive.archive import Archive
    from workers.archive.batch_writer import Offer, Refusal
    from workers.archive.objects.object_store import ObjectStore

log = logging.getLogger("workers.archive")

_WRITERS = 16
"""Objects that are written at the same time."""


class ObjectArchive:
    """The objects of one gateway, and the files that wait for the store (`InstanceStore`).

    `stage_max`: bytes of files that may wait; 0: none.
    """

    notes_buckets = True

    def __init__(self, files: Archive, store: ObjectStore, stage_max: int = 0) -> None:
        self._files = files
        self.root = files.root
        self.store = store
        self.stored = StoredFiles(files.root, store)
        self.stage_max = stage_max
        self.staged = 0
        """Bytes of the files that wait; counted anew by `ObjectUpkeep`."""
        self.undeleted: deque[str] = deque()
        """Objects without a row, which could not be deleted."""
        self.away_since: float | None = None
        """When a request first failed, if none has succeeded since."""
        self.why_away = ""
        self._writers = ParallelCalls(_WRITERS, "objects")
        self._counting = threading.Lock()

    @property
    def swept(self) -> int:
        return self._files.swept

    @property
    def unfinished(self) -> Path:
        return self._files.unfinished

    @property
    def is_alone(self) -> bool:
        return self._files.is_alone

    @property
    def may_stage(self) -> bool:
        """Whether there is room for files that wait for the store."""
        return self.staged < self.stage_max

    def note(self, failure: StoreFailure | None) -> None:
        """Note that the store is out of reach, or with None that it is not."""
        if failure is None:
            self.away_since, self.why_away = None, ""
        elif failure.is_outage:
            self.away_since = self.away_since or time.monotonic()
            self.why_away = str(failure)

    def place(self, claim: Claim, *, aside: bool = False) -> str:
        name = self._files.place(claim, aside=aside)
        return layout.object_path(self.store.place.holder, name)

    def path(self, name: str) -> str:
        return self.stored.where(name)

    def file_of(self, claim: Claim) -> str:
        if claim.path is not None and os.path.exists(claim.path):
            return claim.path
        return self._files.file_of(claim)

    def readable(self, name: str) -> AbstractContextManager[str]:
        return self.stored.readable(name)

    def keep(self, offers: Sequence[Offer], *, aside: bool = False) -> list[str | Refusal]:
        """Create the objects; a name may be that of a file instead, if those count as durable."""
        batch = _PutTogether(self, aside)
        kept = self._writers.map(
            lambda offer: self._staged_before(offer) or batch.put(offer), offers
        )
        return self._stage(offers, kept, aside) if batch.has_failed and self.stage_max else kept

    def set_aside(self, name: str) -> str:
        if not layout.is_object(name):
            return self._files.set_aside(name)
        new = layout.aside(name)
        self.store.copy(name, new)
        self.store.delete(name)
        return new

    def discard(self, name: str) -> None:
        """Delete a file, or an object: later if that is not possible now."""
        if not layout.is_object(name):
            self._files.discard(name)
            return
        try:
            self.store.delete(name)
        except GatewayError as error:
            log.warning("object path=%s is deleted later: %s", name, error)
            self.undeleted.append(name)

    def settle(self, bucket: str) -> None:
        if not layout.is_object(bucket):
            self._files.settle(bucket)

    def exists(self, name: str) -> bool:
        """Return whether there is a file or object of this name; raises StoreFailure."""
        if not layout.is_object(name):
            return self._files.exists(name)
        try:
            self.store.head(name)
        except FileNotFoundError:
            return False
        return True

    def holds(self, name: str, size: int) -> bool:
        """Return whether there is a file or object of this size; raises StoreFailure."""
        if not layout.is_object(name):
            return self._files.holds(name, size)
        try:
            return self.store.head(name).size == size
        except FileNotFoundError:
            return False

    def close(self) -> None:
        self._writers.close()
        self.stored.close()
        self._files.close()

    def _staged_before(self, offer: Offer) -> str | None:
        """Return the name of the file as which an earlier attempt has stored a claim."""
        if offer.attempt == 1:
            return None
        with suppress(SpoolError):
            claim = offer.claim
            name = self._files.place(claim)
            if self._files.holds(name, claim.offset + claim.size):
                return name
        return None

    def _stage(
        self, offers: Sequence[Offer], kept: list[str | Refusal], aside: bool
    ) -> list[str | Refusal]:
        """Store as files what could not be stored as objects, as far as there is room."""
        left = [
            number
            for number, one in enumerate(kept)
            if isinstance(one, StoreFailure) and one.is_outage
        ]
        size = sum(offers[number].claim.size for number in left)
        with self._counting:
            if self.staged + size > self.stage_max:
                return kept
            self.staged += size
        # The place that an offer knows is that of an object.
        waiting = [offers[number]._replace(place="") for number in left]
        some = self._files.keep(waiting, aside=aside)
        for number, name in zip(left, some, strict=True):
            kept[number] = name
        return kept


class _PutTogether:
    """Offers that are put into the store together: after an outage the rest is not tried."""

    def __init__(self, archive: ObjectArchive, aside: bool) -> None:
        self._archive, self._aside = archive, aside
        self._failure: StoreFailure | None = None

    @property
    def has_failed(self) -> bool:
        return self._failure is not None

    def put(self, offer: Offer) -> str | Refusal:
        """Return the path of the object, or why it is not there."""
        if self._failure is not None:
            return self._failure
        try:
            name = self._archive.place(offer.claim, aside=self._aside)
            self._archive.store.put(name, _source(offer), offer.claim.digest)
        except StoreFailure as failure:
            self._archive.note(failure)
            if failure.is_outage:
                self._failure = failure
            return failure
        except (OSError, SpoolError) as error:
            return error
        self._archive.note(None)
        return name


def _source(offer: Offer) -> bytes | str:
    """Return what is to be stored; raises SpoolError if it is not what was claimed."""
    claim = offer.claim
    if claim.path is not None:
        if os.path.getsize(claim.path) != claim.offset + claim.size:
            raise SpoolError("the data set is not the one that was claimed")
        return claim.path
    return checked_data(offer)
