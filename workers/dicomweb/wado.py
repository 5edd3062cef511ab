"""WADO-RS: instances, metadata, frames and bulk data (PS3.18 10.4, 10.5)."""

from __future__ import annotations

import asyncio
import json
from itertools import chain
from typing import TYPE_CHECKING, Any

from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.responses import FileResponse, Response, StreamingResponse

from gateway.datasets import UNCOMPRESSED, DatasetError, Instance
from gateway.datasets.conversion import convert
from gateway.datasets.instances import in_memory
from gateway.part10 import file_meta
from gateway.sdk import Unavailable
from workers.dicomweb import bulk_values, media, pixel_frames
from workers.dicomweb.archive_reader import NotHere
from workers.dicomweb.guard import HttpError, ResponseCut, log
from workers.dicomweb.json_model import Json, to_json, to_xml
from workers.dicomweb.parts import Part, multipart, multipart_of_one, once, parts_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from starlette.requests import Request

    from gateway.sdk import GatewayError
    from workers.archive.index import IndexEntry
    from workers.dicomweb.archive_reader import ArchiveReader, Obtainable
    from workers.dicomweb.readable_instance import ReadableInstance

_AT_ONCE = 1 << 20
"""Bytes of a data set up to which it is read at once."""
EXPLICIT = "1.2.840.10008.1.2.1"
"""The default transfer syntax of instances and frames (PS3.18 8.7.3.2)."""


class ArchiveResources:
    """The resources of the archive; `base` is the address of the service in a request."""

    def __init__(self, archive: ArchiveReader) -> None:
        self._archive = archive

    # whole instances

    async def instances(self, request: Request, base: str) -> Response:  # noqa: ARG002 - as the others
        """Return the instances of a study or series, or one, as DICOM files."""
        accepted = [one for one in media.accepted(request) if one.covers(media.DICOM)]
        if not accepted:
            raise media.not_acceptable([f'{media.MULTIPART}; type="{media.DICOM}"', media.DICOM])
        loop, uids = asyncio.get_running_loop(), dict(request.path_params)
        found = await loop.run_in_executor(None, self._found, uids, accepted)
        if isinstance(found, Response):
            return found
        some, first = found
        return some.mark(multipart(self._parts(some.entries, first, accepted), media.DICOM))

    def _found(
        self, uids: dict[str, str], accepted: Sequence[media.MediaType]
    ) -> tuple[Obtainable, Instance] | Response:
        """Return the instances of a path, and the first of them ready to be sent.

        Of a single one, return the response: a short one is sent in one go.
        """
        open_one = self._archive.open
        some, (first, liked) = self._archive.obtainable(
            uids, lambda entry: _fitted(open_one(entry), accepted)
        )
        if "instance" not in uids:
            return some, first
        if not liked.is_multipart and liked.name != media.ANY:
            return self._file(first)
        if first.data is None:
            return some, first
        kind = {"Content-Type": f"{media.DICOM}; transfer-syntax={first.transfer_syntax_uid}"}
        return multipart_of_one(_meta(first) + first.data, kind, media.DICOM)

    def _file(self, instance: Instance) -> Response:
        headers = {"Content-Type": f"{media.DICOM}; transfer-syntax={instance.transfer_syntax_uid}"}
        if instance.path is not None and instance.make is None:
            return FileResponse(instance.path, headers=headers)
        return StreamingResponse(_file_pieces(instance), headers=headers)

    async def _parts(
        self, entries: Sequence[IndexEntry], first: Instance, accepted: Sequence[media.MediaType]
    ) -> AsyncIterator[Part]:
        """Yield each instance as a part; one that cannot be converted is left out and logged.

        Raises ResponseCut if one cannot be had any more: the response may not look complete.
        """
        yield self._part(first)
        async for found in iterate_in_threadpool(self._others(entries[1:], accepted)):
            if isinstance(found, Instance):
                yield self._part(found)
            else:
                if isinstance(found, NotHere):
                    raise ResponseCut(str(found))
                log.warning("an instance was left out of a response: %s", found)

    def _part(self, instance: Instance) -> Part:
        kind = f"{media.DICOM}; transfer-syntax={instance.transfer_syntax_uid}"
        return Part({"Content-Type": kind}, _file_pieces(instance))

    def _others(
        self, entries: Sequence[IndexEntry], accepted: Sequence[media.MediaType]
    ) -> Iterator[Instance | GatewayError]:
        """Yield instances as `_fitted` returns them, or why one cannot be had."""
        for found in self._archive.opened(entries):
            try:
                yield found if isinstance(found, NotHere) else _fitted(found, accepted)[0]
            except HttpError as error:
                yield error

    # metadata

    async def metadata(self, request: Request, base: str) -> Response:
        """Return the data sets without their long values, in the JSON or the Native DICOM model."""
        chosen = media.choose(request, (media.JSON, media.XML, "application/json"))
        uids = dict(request.path_params)
        some, first = await run_in_threadpool(
            self._archive.obtainable, uids, lambda entry: self._model(entry, base)
        )
        models = chain([first], self._models(some.entries[1:], base))
        if chosen.name == media.XML:
            return some.mark(multipart(_xml_parts(models), media.XML))
        pieces = iterate_in_threadpool(_json_pieces(models))
        return some.mark(StreamingResponse(pieces, media_type=media.JSON))

    def _models(self, entries: Sequence[IndexEntry], base: str) -> Iterator[Json]:
        """Yield what `_model` returns; an instance that cannot be decoded is left out and logged.

        Raises ResponseCut if one cannot be had any more: the response may not look complete.
        """

        def model(entry: IndexEntry) -> Json | None:
            try:
                return self._model(entry, base)
            except (HttpError, NotHere, Unavailable) as error:
                if isinstance(error, HttpError) and not error.is_absence:
                    log.warning("an instance was left out of metadata: %s", error)
                    return None
                raise ResponseCut(str(error)) from None

        for some in self._archive.groups(entries):
            yield from (one for one in self._archive.map(model, some) if one is not None)

    def _model(self, entry: IndexEntry, base: str) -> Json:
        instance = self._archive.readable(entry)
        data_set = pixel_frames.read(instance)
        names = ("StudyInstanceUID", "SeriesInstanceUID")
        study, series = (str(data_set.get(name) or "") for name in names)
        uid = instance.sop_instance_uid
        where = f"{base}/studies/{study}/series/{series}/instances/{uid}/bulkdata/"
        model = to_json(data_set, lambda path: where + path)
        model["00083002"] = {"vr": "UI", "Value": [instance.transfer_syntax_uid]}
        return dict(sorted(model.items()))

    # frames

    async def frame_list(self, request: Request, base: str) -> Response:  # noqa: ARG002
        """Return frames, as they are stored or decoded."""
        instance, data_set = await self._one(request)
        indices = pixel_frames.check_numbers(request.path_params["frames"], data_set)
        stored = pixel_frames.media_type_of(instance.transfer_syntax_uid)
        is_compressed = instance.transfer_syntax_uid not in UNCOMPRESSED
        offered = (media.OCTETS, stored) if is_compressed else (media.OCTETS,)
        for one in media.accepted(request):
            is_stored = is_compressed and _wants_stored(one, stored, instance.transfer_syntax_uid)
            if is_stored:
                found = await run_in_threadpool(
                    pixel_frames.stored_frames, instance, data_set, indices
                )
                kind = f"{stored}; transfer-syntax={instance.transfer_syntax_uid}"
            elif one.covers(media.OCTETS) and one.transfer_syntax in ("", EXPLICIT, "*"):
                found = await run_in_threadpool(
                    pixel_frames.decoded_frames, instance, data_set, indices
                )
                kind = f"{media.OCTETS}; transfer-syntax={EXPLICIT}"
            else:
                continue
            if len(found) == 1 and not one.is_multipart and one.name != media.ANY:
                return Response(found[0], headers={"Content-Type": kind})
            parts = parts_of(found, {"Content-Type": kind})
            return multipart(parts, kind.partition(";")[0])
        raise media.not_acceptable(offered)

    # bulk data

    async def bulk_data(self, request: Request, base: str) -> Response:  # noqa: ARG002
        """Return a value, or part of it, in little endian as it is in the data set."""
        instance, data_set = await self._one(request)
        path = request.path_params["path"]
        value = await run_in_threadpool(bulk_values.find, instance, data_set, path)
        headers = {"Accept-Ranges": "bytes", "Content-Type": media.OCTETS}
        wanted = media.choose(request, (media.OCTETS,))
        asked = bulk_values.range_of(request.headers.get("range", ""), value.size)
        if asked is not None:
            first, last = asked
            headers["Content-Range"] = f"bytes {first}-{last}/{value.size}"
            headers["Content-Length"] = str(last + 1 - first)
            return StreamingResponse(value.between(first, last), 206, headers)
        if wanted.is_multipart:
            part = Part({"Content-Type": media.OCTETS}, value.whole())
            return multipart(_only(part), media.OCTETS)
        headers["Content-Length"] = str(value.size)
        return StreamingResponse(value.whole(), headers=headers)

    # for all of them

    async def _one(self, request: Request) -> tuple[ReadableInstance, Any]:
        return await run_in_threadpool(self._archive.read, dict(request.path_params))


def _fitted(
    instance: Instance, accepted: Sequence[media.MediaType]
) -> tuple[Instance, media.MediaType]:
    """Return an instance as what is liked best of what it can be; raises HttpError."""
    failure: HttpError | None = None
    for one in accepted:
        try:
            fitted = _converted(instance, one.transfer_syntax or EXPLICIT)
            return in_memory(fitted, _AT_ONCE), one
        except HttpError as error:
            failure = failure or error
    assert failure is not None
    raise failure


def _converted(instance: Instance, syntax: str) -> Instance:
    """Return an instance in a transfer syntax; raises HttpError 406 if that is not possible."""
    own = instance.transfer_syntax_uid
    if syntax in ("*", own):
        return instance
    try:
        if syntax in UNCOMPRESSED and own in UNCOMPRESSED:
            return convert(instance, syntax)
        if syntax == EXPLICIT:
            data = pixel_frames.decompressed(instance)
            uids = instance.sop_class_uid, instance.sop_instance_uid, EXPLICIT
            return Instance(*uids, len(data), data=data)
    except (DatasetError, OSError) as error:
        raise HttpError(406, f"the instance cannot be converted: {error}") from None
    raise HttpError(406, f"the instance is in {own} and is not converted to {syntax[:64]}")


def _meta(instance: Instance) -> bytes:
    uids = instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid
    return file_meta(*uids)


async def _file_pieces(instance: Instance) -> AsyncIterator[bytes]:
    """Yield a file: meta information and data set."""
    meta = _meta(instance)
    if instance.data is not None:
        yield meta + instance.data
        return
    yield meta
    async for piece in iterate_in_threadpool(instance.pieces()):
        yield piece


def _json_pieces(models: Iterable[Json]) -> Iterator[bytes]:
    before = b"["
    for model in models:
        yield before + json.dumps(model).encode()
        before = b","
    yield b"]"


async def _xml_parts(models: Iterable[Json]) -> AsyncIterator[Part]:
    async for model in iterate_in_threadpool(models):
        yield Part({"Content-Type": media.XML}, once(to_xml(model)))


async def _only(part: Part) -> AsyncIterator[Part]:
    yield part


def _wants_stored(wanted: media.MediaType, stored: str, syntax: str) -> bool:
    """Return whether frames are asked for as they are stored."""
    if wanted.name == media.ANY or not wanted.covers(stored):
        return wanted.transfer_syntax == syntax
    return wanted.transfer_syntax in ("", "*", syntax)
