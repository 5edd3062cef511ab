"""The files of instances: those of this gateway, and of others that share the index."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.sdk import GatewayError
from workers.archive.attributes import UNIQUE, Level
from workers.archive.fetching import Fetcher
from workers.archive.in_batches import within
from workers.archive.index.interface import one_of
from workers.archive.index.search import Query
from workers.archive.objects.store_failure import StoreFailure
from workers.archive.stored_files import StoredFiles
from workers.archive.work_ahead import work_ahead
from workers.dicomweb import pixel_frames, readable_instance
from workers.dicomweb.guard import HttpError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gateway.datasets import Instance
    from gateway.sdk import WorkerContext
    from gateway.settings import ArchiveSettings
    from workers.archive.index import Index, IndexEntry
    from workers.dicomweb.readable_instance import ReadableInstance

T = TypeVar("T")

_AT_ONCE = 16
"""Objects that are read at the same time."""
_BYTES = 8 << 20
"""Bytes of short objects that are read together."""
_LEVELS = {"study": Level.STUDY, "series": Level.SERIES, "instance": Level.IMAGE}


class NotHere(GatewayError):  # noqa: N818 - a state of the archive
    """The file of an instance cannot be had; says why."""


class ArchiveReader:
    """Finds instances by the UIDs of a request's path, and opens them."""

    def __init__(self, context: WorkerContext, index: Index, settings: ArchiveSettings) -> None:
        self._files = StoredFiles.of(context.data_dir, settings)
        self.index = index
        self._settings = settings
        self._fetcher: Fetcher | None = None
        if index.names_holders and not settings.shared:
            title = settings.holder_of_files
            self._fetcher = Fetcher(index, context.data_dir.absolute(), title, context.tls)

    def close(self) -> None:
        """End the associations with other gateways."""
        if self._fetcher is not None:
            self._fetcher.close()
        self._files.close()

    def sweep(self) -> None:
        """Delete fetched files of long ago."""
        if self._fetcher is not None:
            self._fetcher.sweep()

    def entries(self, uids: dict[str, str]) -> Iterator[IndexEntry]:
        """Yield the instances of a path, whose parts are named study, series and instance."""
        conditions = tuple(
            one_of(level, UNIQUE[level].column, [uids[name]])
            for name, level in _LEVELS.items()
            if name in uids
        )
        return self.index.instances(Query(Level.IMAGE, conditions=conditions))

    def one(self, uids: dict[str, str]) -> ReadableInstance:
        """Return the instance of a path; raises HttpError 404, or 410 if it is gone."""
        for entry in self.entries(uids):
            try:
                return self.readable(entry)
            except NotHere as error:
                raise HttpError(410, str(error)) from None
        raise HttpError(404, "nothing in the archive has these UIDs")

    def read(self, uids: dict[str, str]) -> tuple[ReadableInstance, Any]:
        """Return the instance of a path and its data set; raises HttpError as `one` does."""
        instance = self.one(uids)
        return instance, pixel_frames.read(instance)

    def open(self, entry: IndexEntry) -> Instance:
        """Return an instance to be sent; raises NotHere."""
        is_foreign = entry.holder != self._settings.holder_of_files and not self._settings.shared
        if is_foreign and not self._files.is_in_store(entry.path):
            return self._fetch(entry)
        try:
            found = self._files.instance(entry)
        except StoreFailure as failure:
            raise NotHere(str(failure)) from None
        if isinstance(found, str):
            raise NotHere(found)
        return found

    def opened(self, entries: Sequence[IndexEntry]) -> Iterator[Instance | NotHere]:
        """Yield what `open` returns or raises for each; short objects are read ahead."""
        if self._files.objects is None:
            yield from map(self._opened, entries)
            return
        groups = within(self.groups(entries), self._files.in_memory, _BYTES)
        for _, found in work_ahead(partial(self._files.map, self._opened), groups):
            yield from found

    def _opened(self, entry: IndexEntry) -> Instance | NotHere:
        try:
            return self.open(entry)
        except NotHere as why:
            return why

    @staticmethod
    def groups(entries: Sequence[IndexEntry]) -> Iterator[list[IndexEntry]]:
        """Yield the entries in lists that are worked on together."""
        for begin in range(0, len(entries), _AT_ONCE):
            yield list(entries[begin : begin + _AT_ONCE])

    def map(self, work: Callable[[IndexEntry], T], entries: Sequence[IndexEntry]) -> list[T]:
        """Return the result for each entry, in order; at the same time if there are objects."""
        return self._files.map(work, entries)

    def readable(self, entry: IndexEntry) -> ReadableInstance:
        """Return an instance to be read from any place of its file; raises NotHere."""
        store = self._files.objects
        if store is None or not self._files.is_in_store(entry.path):
            return readable_instance.in_file(self.open(entry))
        return readable_instance.in_store(store, entry)

    def _fetch(self, entry: IndexEntry) -> Instance:
        if self._fetcher is None:
            raise NotHere(f"the file is at {entry.holder}")
        found = self._fetcher.fetch([entry], deque())[entry.sop_instance_uid]
        if isinstance(found, str):
            raise NotHere(found)
        return found
