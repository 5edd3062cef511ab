"""The retrieve worker: answers C-GET and C-MOVE with files of the archive (PS3.4 annex C).

Data sets are sent byte for byte. If the peer accepts an uncompressed instance only in another
uncompressed transfer syntax, it is converted. Pixel data is decompressed, or compressed without
loss, if `[archive] transcode` says so; in any other case the sub-operation fails. Files of other
gateways that share the index are fetched from there (`workers.archive.fetching`).
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from gateway.datasets import DatasetError, Instance, NoContext, select_context
from gateway.datasets.conversion import convert
from gateway.datasets.errors import TranscodingError
from gateway.datasets.syntaxes import usable_syntaxes
from gateway.sdk import GatewayError, Worker, evt, status, status_with_comment
from gateway.transcoding import TranscodingFit
from workers.archive.attributes import Level
from workers.archive.extended_negotiation import Agreed
from workers.archive.fetching import Elsewhere, Fetcher, fetched_uids
from workers.archive.identifier import (
    MODELS,
    Model,
    incomplete_query,
    not_understood,
    retrieve_query,
)
from workers.archive.in_batches import in_batches, within
from workers.archive.index.interface import one_of
from workers.archive.index.search import Query
from workers.archive.indexed_worker import IndexedWorker
from workers.archive.matching import BadIdentifier
from workers.archive.patient_mismatch import publish_mismatch
from workers.archive.stored_files import StoredFiles
from workers.archive.transcoding import transcoder_of
from workers.archive.work_ahead import work_ahead

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gateway.sdk import Event
    from gateway.transcoding import Transcoder
    from workers.archive.index import IndexEntry

    _Pair = tuple[IndexEntry, Instance | str]

log = logging.getLogger("workers.retrieve")

AT_ONCE = 8 << 20
"""Bytes of short objects that are read together. While they are sent, as many are ready, and as
many are being read."""
LONGEST = 20.0
"""Seconds to transcode an instance for a C-GET: less than the deadline of its answer."""

worker = Worker("retrieve", concurrency=8)


class Retriever(IndexedWorker):
    """The handlers of the retrieve worker."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker)
        self._files: StoredFiles | None = None
        self._fetcher: Fetcher | None = None
        self._transcoder: Transcoder | None = None

    def start(self) -> None:
        """Open the index, and get ready to fetch from the gateways that share it."""
        super().start()
        context, title = worker.context, self.settings.holder_of_files
        self._files = StoredFiles.of(context.data_dir, self.settings)
        if self.index.names_holders and not self.settings.shared:
            self._fetcher = Fetcher(self.index, context.data_dir.absolute(), title, context.tls)

        if self.settings.transcode:
            self._transcoder = transcoder_of(context, worker.name)

    def stop(self) -> None:
        """End the associations with other gateways, and close the index."""
        if self._fetcher is not None:
            self._fetcher.close()
            self._fetcher = None
        if self._files is not None:
            self._files.close()
            self._files = None
        if self._transcoder is not None:
            self._transcoder.close()
            self._transcoder = None
        super().stop()

    def look(self) -> None:
        """Delete fetched files of long ago."""
        super().look()
        if self._fetcher is not None:
            self._fetcher.sweep()

    def get(self, event: Event) -> Iterator[Any]:
        """Yield the number of instances, then each of them."""
        return self._retrieve(event, _Converter(event, self._transcoder))

    def move(self, event: Event) -> Iterator[Any]:
        """Yield the name of the destination in the configuration, then as for C-GET."""
        return self._retrieve(event, None)

    def _retrieve(self, event: Event, converter: _Converter | None) -> Iterator[Any]:
        """Yield the destination of a C-MOVE, the number and the instances; or a failure status."""
        try:
            query = self._query(event)
            kinds = self.index.kinds(query)
            self._warn_of_patients(event, query)
        except (BadIdentifier, GatewayError) as error:
            yield _failure(event, error)
            return
        if converter is None:
            expected = [(sop_class, syntax) for sop_class, syntax, _ in kinds]
            options: dict[str, Any] = {"expected": expected}
            if self._transcoder is not None:
                options["fitting"] = TranscodingFit(self._transcoder)
            yield str(event.move_destination), options
        yield sum(number for *_, number in kinds)
        elsewhere = Elsewhere()
        for entries, own in self._opened(event, in_batches(self.index.instances(query))):
            if event.is_cancelled:
                yield status.CANCEL, None
                return
            found = self._found(event, entries, own, elsewhere)
            pairs = list(zip(entries, found, strict=True))
            for group in self._groups(pairs, converter):
                yield status.PENDING, [self._fit(event, *pair, converter) for pair in group]
        if why := "; ".join([*elsewhere.why, *_reasons(converter)]):
            # The failures are counted all the same: this success is only of what was asked for.
            yield status_with_comment(status.SUCCESS, why), None

    def _warn_of_patients(self, event: Event, query: Query) -> None:
        """Warn if a study is sent whose instances have several Patient IDs."""
        for study, patients in self.index.patients(query).items():
            if study and len(patients) > 1:
                log.warning(
                    "association=%s %s of a study under %d Patient IDs study=%r",
                    *(event.assoc_name, event.name, len(patients), study),
                )
                publish_mismatch(event, "retrieved", study, patients)

    def _groups(self, pairs: list[_Pair], converter: _Converter | None) -> Iterator[list[_Pair]]:
        """Return the instances to answer together.

        A fetched one goes alone: an answer may name many files, and no more fetched ones stay for
        long than answers may be on their way.
        """
        if converter is None:
            yield pairs
            return
        for group in converter.groups(pairs):
            if any(self._is_elsewhere(entry) for entry, _ in group):
                yield from ([pair] for pair in group)
            else:
                yield group

    def _is_elsewhere(self, entry: IndexEntry) -> bool:
        if entry.holder == self.settings.holder_of_files or self.settings.shared:
            return False
        assert self._files is not None
        return not self._files.is_in_store(entry.path)

    def _query(self, event: Event) -> Query:
        if uids := fetched_uids(event.identifier):
            return Query(Level.IMAGE, conditions=(one_of(Level.IMAGE, "sop_instance_uid", uids),))
        sop_class = str(event.request.AffectedSOPClassUID)
        agreed = Agreed.of(sop_class, event.assoc.acceptor.sop_class_extended)
        model, identifier = Model.of(sop_class), event.identifier
        try:
            return retrieve_query(identifier, model, relational=agreed.relational)
        except BadIdentifier:
            query = incomplete_query(identifier, model)
            if query is None or not self.index.count(query):
                raise
            return query

    def _own(self, event: Event, entry: IndexEntry) -> Instance | str:
        """Return an instance that is here or in the object store, or why it cannot be sent."""
        assert self._files is not None
        try:
            found = self._files.instance(entry)
        except GatewayError as error:  # the object store is out of reach
            return str(error)
        if isinstance(found, str):
            _publish_missing(event, entry, self._files.where(entry.path))
        return found

    def _opened(
        self, event: Event, lists: Iterator[list[IndexEntry]]
    ) -> Iterator[tuple[list[IndexEntry], list[Instance | str]]]:
        """Yield entries with the instances of those that are not elsewhere.

        Short objects are read ahead, many at a time.
        """
        assert self._files is not None
        files, own = self._files, partial(self._own, event)

        def work(entries: list[IndexEntry]) -> list[Instance | str]:
            return files.map(own, [one for one in entries if not self._is_elsewhere(one)])

        if files.objects is None:
            return ((entries, work(entries)) for entries in lists)
        return work_ahead(work, within(lists, files.in_memory, AT_ONCE))

    def _found(
        self,
        event: Event,
        entries: list[IndexEntry],
        own: Sequence[Instance | str],
        elsewhere: Elsewhere,
    ) -> list[Instance | str]:
        """Return the instance of each entry, or why it cannot be sent."""
        found: Mapping[str, Instance | str] = {}
        if foreign := [one for one in entries if self._is_elsewhere(one)]:
            if self._fetcher is None or fetched_uids(event.identifier):
                found = {one.sop_instance_uid: f"the file is at {one.holder}" for one in foreign}
            else:
                found = self._fetcher.fetch(foreign, elsewhere.lent)
            elsewhere.why |= dict.fromkeys(one for one in found.values() if isinstance(one, str))
        here = iter(own)
        return [found.get(one.sop_instance_uid) or next(here) for one in entries]

    def _fit(
        self,
        event: Event,
        entry: IndexEntry,
        found: Instance | str,
        converter: _Converter | None,
    ) -> Instance | Dataset:
        """Return what to send; a data set with only its UID makes the sub-operation fail."""
        if isinstance(found, str):
            log.error("association=%s sub-operation failed: %s", event.assoc_name, found)
            return _failed(entry.sop_instance_uid)
        return found if converter is None else converter.fit(found)


def _failure(event: Event, error: BadIdentifier | GatewayError) -> Dataset:
    """Return the status for an identifier that is not valid, or an index that fails."""
    if isinstance(error, BadIdentifier):
        return status_with_comment(status.DATA_SET_DOES_NOT_MATCH, str(error), error.tag)
    if isinstance(error, DatasetError):
        log.warning("association=%s %s refused: %s", event.assoc_name, event.name, error)
        return not_understood(error)
    log.error("association=%s %s failed: %s", event.assoc_name, event.name, error)
    return status_with_comment(status.UNABLE_TO_COUNT_MATCHES, str(error))


class _Converter:
    """Converts instances to a transfer syntax that was accepted on the association of a C-GET."""

    def __init__(self, event: Event, transcoder: Transcoder | None) -> None:
        self._id = event.assoc_name
        fitting = TranscodingFit(transcoder, longest=LONGEST) if transcoder is not None else None
        self._fitting = fitting
        self.why: dict[str, None] = {}
        """Why instances could not be transcoded, each reason once."""
        self._accepted = event.assoc.usable_contexts()
        self._targets: dict[tuple[str, str], str] = {}
        """The transfer syntax to send in, by SOP class and stored transfer syntax."""

    def fit(self, instance: Instance) -> Instance | Dataset:
        """Return the instance, converted if only that is accepted."""
        target = self._target(instance)
        if target == instance.transfer_syntax_uid:
            return instance
        try:
            if self._fitting is not None:
                return self._fitting.fit(instance, self._accepted)[1]
            return convert(instance, target)
        except (GatewayError, OSError) as error:
            if isinstance(error, TranscodingError):
                self.why[str(error)] = None
            log.warning("association=%s instance cannot be converted: %s", self._id, error)
            return _failed(instance.sop_instance_uid)

    def groups(self, pairs: list[_Pair]) -> Iterator[list[_Pair]]:
        """Yield instances to convert together: one that is transcoded takes long, and goes alone.

        So each of them has the time until a deadline for itself.
        """
        if self._fitting is None:
            yield pairs
            return
        group: list[_Pair] = []
        for pair in pairs:
            found = pair[1]
            if isinstance(found, str) or self._target(found) == found.transfer_syntax_uid:
                group.append(pair)
                continue
            if group:
                yield group
            yield [pair]
            group = []
        if group:
            yield group

    def _target(self, instance: Instance) -> str:
        kind = instance.sop_class_uid, instance.transfer_syntax_uid
        if kind not in self._targets:
            self._targets[kind] = self._target_of(*kind)
        return self._targets[kind]

    def _target_of(self, sop_class: str, syntax: str) -> str:
        """Return the transfer syntax to send instances in; their own if none can be accepted."""
        if self._fitting is not None:
            return self._fitting.syntax_for(self._accepted, sop_class, syntax) or syntax
        try:
            context = select_context(self._accepted, sop_class, usable_syntaxes(syntax))
        except NoContext:
            return syntax  # the acceptor reports why it cannot be sent
        return context.transfer_syntax


def _reasons(converter: _Converter | None) -> Iterable[str]:
    """Return why instances could not be transcoded."""
    return () if converter is None else converter.why


def _publish_missing(event: Event, entry: IndexEntry, path: str) -> None:
    if event.is_watched(evt.EVT_INSTANCE_MISSING):
        event.publish(evt.EVT_INSTANCE_MISSING, entry.body(path))


def _failed(sop_instance_uid: str) -> Dataset:
    """Return a data set that is not sent, but whose UID is listed among the failed ones."""
    failed = Dataset()
    failed.SOPInstanceUID = sop_instance_uid
    return failed


retriever = Retriever(worker)
worker.on_start(retriever.start)
worker.on_stop(retriever.stop)
worker.bind(evt.EVT_C_GET, retriever.get, sop_classes=[f"{root}3" for root in MODELS])
worker.bind(evt.EVT_C_MOVE, retriever.move, sop_classes=[f"{root}2" for root in MODELS])
