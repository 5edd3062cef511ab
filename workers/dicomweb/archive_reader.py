"""The files of instances: those of this gateway, and of others that share the index."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from gateway.datasets import Instance
from gateway.sdk import GatewayError
from workers.archive.attributes import UNIQUE, Level
from workers.archive.fetching import Fetcher
from workers.archive.index.interface import one_of
from workers.archive.index.search import Query
from workers.archive.layout import is_object
from workers.archive.objects.store_failure import StoreFailure
from workers.archive.stored_files import StoredFiles
from workers.archive.temporary_copies import TemporaryCopies
from workers.dicomweb.guard import HttpError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.sdk import WorkerContext
    from gateway.settings import ArchiveSettings
    from workers.archive.index import Index, IndexEntry

COPIES = "dicomweb-copies"
"""The folder in the data directory for copies of objects."""
_LEVELS = {"study": Level.STUDY, "series": Level.SERIES, "instance": Level.IMAGE}


class NotHere(GatewayError):  # noqa: N818 - a state of the archive
    """The file of an instance cannot be had; says why."""


class ArchiveReader:
    """Finds instances by the UIDs of a request's path, and opens them."""

    def __init__(self, context: WorkerContext, index: Index, settings: ArchiveSettings) -> None:
        self._files = StoredFiles.of(context.data_dir, settings)
        self._copies = TemporaryCopies(context.data_dir.absolute() / f"{COPIES}-{context.member}")
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
        self._copies.close()
        self._files.close()

    def sweep(self) -> None:
        """Delete fetched files and copies of long ago."""
        self._copies.sweep()
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

    def one(self, uids: dict[str, str]) -> Instance:
        """Return the instance of a path, in a file; raises HttpError 404, or 410 if it is gone."""
        for entry in self.entries(uids):
            try:
                return self.in_file(entry)
            except NotHere as error:
                raise HttpError(410, str(error)) from None
        raise HttpError(404, "nothing in the archive has these UIDs")

    def open(self, entry: IndexEntry) -> Instance:
        """Return an instance to be sent; raises NotHere."""
        is_foreign = entry.holder != self._settings.holder_of_files and not self._settings.shared
        if is_foreign and not is_object(entry.path):
            return self._fetch(entry)
        try:
            found = self._files.instance(entry)
        except StoreFailure as failure:
            raise NotHere(str(failure)) from None
        if isinstance(found, str):
            raise NotHere(found)
        return found

    def in_file(self, entry: IndexEntry) -> Instance:
        """Return an instance in a file, which is there for some time; raises NotHere."""
        if not is_object(entry.path):
            return self.open(entry)
        try:
            path = self._copies.add(partial(self._files.copy_to, entry.path))
        except (StoreFailure, OSError) as error:
            raise NotHere(f"the object cannot be read: {error}") from None
        uids = entry.sop_class_uid, entry.sop_instance_uid, entry.transfer_syntax_uid
        return Instance(*uids, entry.size, path, entry.start)

    def _fetch(self, entry: IndexEntry) -> Instance:
        if self._fetcher is None:
            raise NotHere(f"the file is at {entry.holder}")
        found = self._fetcher.fetch([entry], deque())[entry.sop_instance_uid]
        if isinstance(found, str):
            raise NotHere(found)
        return found
