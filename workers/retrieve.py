"""The retrieve worker: answers C-GET and C-MOVE (PS3.4 annex C) with files of the archive.

Files go out byte for byte. Where a peer takes an instance only in another transfer syntax, one that
is not compressed is put into another such one; anything else is a sub-operation that failed.
"""

from __future__ import annotations

import logging
import stat
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from gateway.datasets import DatasetError, Instance, NoContext, NotDicom, identify, select_context
from gateway.datasets.conversion import convert
from gateway.datasets.syntaxes import usable_syntaxes
from gateway.datasets.validation import disable_validation
from gateway.sdk import GatewayError, Worker, evt, status, status_with_comment
from workers.archive.extended_negotiation import Agreed
from workers.archive.identifier import Model, Unfit, retrieve_query
from workers.archive.layout import FOLDER
from workers.archive.opening import open_index
from workers.archive.settings import ArchiveSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.sdk import Event
    from workers.archive.index import Entry, Index
    from workers.archive.index.search import Query

log = logging.getLogger("workers.retrieve")

PENDING = 0xFF00
OUT_OF_RESOURCES = 0xA701
"""Unable to calculate number of matches (PS3.4 C.4.2.1.5)."""
DOES_NOT_MATCH = 0xA900

worker = Worker("retrieve", concurrency=8)


class Retriever:
    """What the handlers work with from the worker's start to its end."""

    def __init__(self) -> None:
        self._index: Index | None = None
        self._settings = ArchiveSettings()

    @property
    def index(self) -> Index:
        """RuntimeError before the worker is started."""
        if self._index is None:
            raise RuntimeError("the retrieve worker is not started")
        return self._index

    def start(self) -> None:
        """Open the index; raises ConfigError."""
        disable_validation()
        self._settings = ArchiveSettings.of(worker.context.options)
        self._index = open_index(
            worker.context.data_dir, self._settings, durable=worker.context.durable
        )

    def stop(self) -> None:
        """Close the index."""
        if self._index is not None:
            self._index.close()
            self._index = None

    def get(self, event: Event) -> Iterator[Any]:
        """The number of instances, then each of them."""
        return self._retrieve(event, (), _Fitting(event))

    def move(self, event: Event) -> Iterator[Any]:
        """The destination's name, which the configuration knows, then as C-GET."""
        return self._retrieve(event, (str(event.move_destination),), None)

    def _retrieve(
        self, event: Event, first: tuple[str, ...], fitting: _Fitting | None
    ) -> Iterator[Any]:
        """A status alone in place of the first value if there is nothing to begin with."""
        try:
            query = self._query(event)
            number = self.index.count(query)
        except Unfit as error:
            yield status_with_comment(status.DATA_SET_DOES_NOT_MATCH, str(error), error.tag)
            return
        except GatewayError as error:
            log.error("association=%s %s failed: %s", event.assoc_id, event.name, error)  # noqa: TRY400 - says it all
            yield status_with_comment(status.UNABLE_TO_COUNT_MATCHES, str(error))
            return
        yield from first
        yield number
        for entry in self.index.instances(query):
            if event.is_cancelled:
                yield status.CANCEL, None
                return
            yield status.PENDING, self._instance(event, entry, fitting)

    def _query(self, event: Event) -> Query:
        sop_class = str(event.request.AffectedSOPClassUID)
        agreed = Agreed.of(sop_class, event.assoc.acceptor.sop_class_extended)
        return retrieve_query(event.identifier, Model.of(sop_class), relational=agreed.relational)

    def _instance(
        self, event: Event, entry: Entry, fitting: _Fitting | None
    ) -> Path | Instance | Dataset:
        """What is sent; a data set with nothing but its UID is a sub-operation that fails."""
        path = worker.context.data_dir.absolute() / FOLDER / entry.path
        own = self._settings.holder_of_files
        if entry.holder != own and not self._settings.shared:
            why = f"{entry.holder} has the file, and archive.shared is false"
        elif why := _what_is_wrong(path, entry):
            _tell_missing(event, entry, path)
        else:
            return path if fitting is None else fitting.fit(path, entry)
        log.error("association=%s sub-operation failed: %s", event.assoc_id, why)
        return _nameless(entry)


class _Fitting:
    """Makes instances fit the contexts that were accepted for the C-GET's association."""

    def __init__(self, event: Event) -> None:
        self._id = event.assoc_id
        self._accepted = event.assoc.usable_contexts()

    def fit(self, path: Path, entry: Entry) -> Path | Instance | Dataset:
        syntaxes = usable_syntaxes(entry.transfer_syntax_uid)
        try:
            target = select_context(self._accepted, entry.sop_class_uid, syntaxes).transfer_syntax
        except NoContext:
            return path  # the acceptor says why it cannot be sent
        if target == entry.transfer_syntax_uid:
            return path
        try:
            return convert(identify(path), target)
        except (DatasetError, NotDicom, OSError) as error:
            log.warning("association=%s instance cannot be converted: %s", self._id, error)
            return _nameless(entry)


def _what_is_wrong(path: Path, entry: Entry) -> str:
    try:
        found = path.lstat()
    except OSError:
        return f"the file {entry.path} is gone"
    is_whole = stat.S_ISREG(found.st_mode) and found.st_size == entry.start + entry.size
    return "" if is_whole else f"the file {entry.path} is not the one that was stored"


def _tell_missing(event: Event, entry: Entry, path: Path) -> None:
    if event.is_watched(evt.EVT_INSTANCE_MISSING):
        event.publish(evt.EVT_INSTANCE_MISSING, entry.body(str(path)))


def _nameless(entry: Entry) -> Dataset:
    """It cannot be sent, but its UID is told among those that failed."""
    failed = Dataset()
    failed.SOPInstanceUID = entry.sop_instance_uid
    return failed


retriever = Retriever()
worker.on_start(retriever.start)
worker.on_stop(retriever.stop)
worker.bind(evt.EVT_C_GET, retriever.get)
worker.bind(evt.EVT_C_MOVE, retriever.move)
