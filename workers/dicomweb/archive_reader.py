"""The files of instances: those of this gateway, and of others that share the index."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.sdk import GatewayError
from workers.archive.attributes import UNIQUE, Level
from workers.archive.fetching import Fetcher
from workers.archive.in_batches import within
from workers.archive.index.interface import one_of
from workers.archive.index.search import Query
from workers.archive.layout import is_object
from workers.archive.objects.store_failure import StoreFailure
from workers.archive.stored_files import StoredFiles
from workers.archive.work_ahead import work_ahead
from workers.dicomweb import pixel_frames, readable_instance
from workers.dicomweb.guard import HttpError, log, warning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from starlette.responses import Response

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
    """The file of an instance is gone; says why."""

    is_absence = True
    """As of a response (see `HttpError`)."""

    def response(self) -> HttpError:
        """Return what a request for the instance is answered with."""
        return HttpError(410, str(self))


class NotNow(NotHere):
    """The file of an instance cannot be had at present: whoever has it is out of reach."""

    def response(self) -> HttpError:
        return HttpError(503, str(self), {"Retry-After": "5"})


@dataclass(slots=True)
class Obtainable:
    """The instances of a request that can be had, and why others cannot, one reason for each."""

    entries: list[IndexEntry]
    missing: list[HttpError]
    """What a request for each of them would be answered with."""

    def check(self) -> None:
        """Raise HttpError if no instance can be had: 503 if that may change."""
        if not self.entries and self.missing:
            raise self.why()

    def why(self) -> HttpError:
        """Return what a request is answered with that gets nothing."""
        return next((one for one in self.missing if one.status == 503), self.missing[0])

    def mark(self, response: Response) -> Response:
        """Return a response, which says so if instances are missing: 206 (PS3.18 8.5.1)."""
        if self.missing:
            total = len(self.entries) + len(self.missing)
            reasons = dict.fromkeys(str(one) for one in self.missing)
            text = f"{len(self.missing)} of {total} instances are missing: {next(iter(reasons))}"
            text += f"; and for {len(reasons) - 1} other reasons" if len(reasons) > 1 else ""
            log.warning("an incomplete response: %s", text)
            response.status_code = 206
            response.headers.update(warning([text]))
        return response


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
        """Return the instance of a path; raises HttpError: 404, 410 if it is gone, or 503."""
        try:
            return self.readable(self.found(uids)[0])
        except NotHere as error:
            raise error.response() from None

    def found(self, uids: dict[str, str]) -> list[IndexEntry]:
        """Return the instances of a path; raises HttpError 404 if there are none."""
        if entries := list(self.entries(uids)):
            return entries
        raise HttpError(404, "nothing in the archive has these UIDs")

    def obtainable(
        self, uids: dict[str, str], begin: Callable[[IndexEntry], T]
    ) -> tuple[Obtainable, T]:
        """Return which instances of a path can be had, and what `begin` returns for the first.

        What is not known without reading an instance is known of the first one only. Raises
        HttpError if there are none, or none can be had.
        """
        some = self.known(self.found(uids))
        while True:
            some.check()
            try:
                return some, begin(some.entries[0])
            except (NotHere, HttpError) as why:
                missing = [*some.missing, why.response()]
            some = self.known(some.entries[1:])  # its gateway may be known to be down since
            some.missing = missing + some.missing

    def known(self, entries: Sequence[IndexEntry]) -> Obtainable:
        """Return which instances can be had, as far as that is known without reading them."""
        found, down = Obtainable([], []), dict[str, str]()
        for entry in entries:
            if (why := self._why_missing(entry, down)) is None:
                found.entries.append(entry)
            else:
                found.missing.append(why.response())
        return found

    def _why_missing(self, entry: IndexEntry, down: dict[str, str]) -> NotHere | None:
        """Return why an instance cannot be had; None: it can. `down`: what is known of gateways."""
        if self._is_elsewhere(entry):
            if self._fetcher is not None and entry.holder not in down:
                down[entry.holder] = self._fetcher.why_down(entry.holder)
            why = down.get(entry.holder, "")
            return NotNow(why) if why else None
        if is_object(entry.path):
            return None
        why = self._files.defect(entry)
        return NotHere(why) if why else None

    def read(self, uids: dict[str, str]) -> tuple[ReadableInstance, Any]:
        """Return the instance of a path and its data set; raises HttpError as `one` does."""
        instance = self.one(uids)
        return instance, pixel_frames.read(instance)

    def open(self, entry: IndexEntry) -> Instance:
        """Return an instance to be sent; raises NotHere."""
        if self._is_elsewhere(entry):
            return self._fetch(entry)
        try:
            found = self._files.instance(entry)
        except StoreFailure as failure:
            raise NotNow(str(failure)) from None
        if isinstance(found, str):
            raise NotHere(found)
        return found

    def _is_elsewhere(self, entry: IndexEntry) -> bool:
        is_foreign = entry.holder != self._settings.holder_of_files and not self._settings.shared
        return is_foreign and not self._files.is_in_store(entry.path)

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
            raise NotNow(found) if self._fetcher.why_down(entry.holder) else NotHere(found)
        return found
