"""STOW-RS: instances that arrive by HTTP (PS3.18 10.5).

A part is taken into memory, or into a file if it is long, and then stored as any other peer's would
be: by C-STORE on associations with this gateway. So durability, policy, duplicates and events are
the same, and what the response says of an instance is the status of that C-STORE.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gateway.free_space import free_space
from gateway.requestor import (
    AssociationError,
    NotAccepted,
    NotDicom,
    identify,
    identify_bytes,
)
from gateway.sdk import GatewayError
from gateway.uid import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN as _DEFLATED
from workers.archive import header
from workers.dicomweb import media
from workers.dicomweb.guard import HttpError, log
from workers.dicomweb.json_model import to_xml
from workers.dicomweb.parts import Begun, Data, PartsReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from starlette.requests import Request

    from gateway.requestor import Instance
    from workers.dicomweb.json_model import Json
    from workers.dicomweb.own_gateway import OwnAssociations

FOLDER = "dicomweb"
"""The directory of what arrives, in the data directory."""
IN_MEMORY = 1 << 20
"""Bytes of a part up to which it is not written to a file."""
MIN_FREE = 256 << 20
"""Free bytes of the disk below which nothing more is written."""
_LOOK_EVERY = 16 << 20
"""Bytes after which the free space is looked at again."""
AT_ONCE = 16
"""Instances of a request that are being stored."""
PROCESSING_FAILURE, CLASS_NOT_SUPPORTED = 0x0110, 0x0122
OUT_OF_RESOURCES, MISMATCH, CANNOT_UNDERSTAND = 0xA700, 0xA900, 0xC000
"""Failure reasons (PS3.18 I.2.2)."""


class Kept(NamedTuple):
    """A part of the request, and what became of it; its bytes are not kept."""

    uids: tuple[str, str] | None
    """Its SOP Class and SOP Instance UID; None: it is not an instance."""
    status: int
    path: tuple[str, str] = ("", "")
    """Its Study and Series Instance UID."""


@dataclass
class Store:
    """Takes the parts of one request."""

    folder: Path
    associations: OwnAssociations
    longest: int
    study: str = ""
    """The study that the request is for; empty: any."""
    kept: list[Kept] = field(default_factory=list)
    others: int = 0
    """Parts of media types that are not stored."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def take(self, chunks: AsyncIterator[bytes], boundary: str) -> None:
        """Take a whole body; raises HttpError for one that is not multipart."""
        reader, part = PartsReader(boundary), None
        try:
            async for chunk in chunks:
                for event in reader.feed(chunk):
                    if isinstance(event, Begun):
                        part = _Arriving(self.folder, event.headers, self.longest)
                    elif part is None:
                        continue
                    elif isinstance(event, Data):
                        await part.write(event.content)
                    else:
                        await self._arrived(part)
                        part = None
            reader.close()
        finally:
            if part is not None:
                part.discard()
            await self._settle()

    async def _arrived(self, part: _Arriving) -> None:
        part.close()
        self.others += part.is_other
        if part.failure:
            self._drop(part, Kept(None, part.failure))
            return
        try:
            if part.is_in_memory:
                instance = part.identified()
            else:
                instance = await run_in_threadpool(part.identified)
        except NotDicom as error:
            log.warning("a part is not an instance: %s", error)
            self._drop(part, Kept(None, CANNOT_UNDERSTAND))
            return
        # What is deflated may be a thousand times as long as the part.
        if part.is_in_memory and instance.transfer_syntax_uid != _DEFLATED:
            where = part.place(instance)
        else:
            where = await run_in_threadpool(part.place, instance)
        if self.study and where[0] != self.study:
            self._drop(part, Kept(_uids_of(instance), MISMATCH, where))
            return
        await self._room.acquire()
        if not self._store_now(part, instance, where):
            task = asyncio.create_task(self._store(part, instance, where))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _drop(self, part: _Arriving, kept: Kept) -> None:
        part.discard()
        self.kept.append(kept)

    def _store_now(self, part: _Arriving, instance: Instance, where: tuple[str, str]) -> bool:
        """Send an instance in this turn of the loop, if an association is idle; no task waits."""
        kind = instance.sop_class_uid, instance.transfer_syntax_uid
        taken = self.associations.idle_one(kind) if part.is_in_memory else None
        if taken is None:
            return False

        def answered(result: int | AssociationError) -> None:
            if isinstance(result, AssociationError):
                log.warning("an instance could not be stored: %s", result)
                result = OUT_OF_RESOURCES
            self.associations.give_back(taken)
            self._answered(part, Kept(_uids_of(instance), result, where))

        try:
            is_sent = taken.association.c_store_now(instance, answered)
        except GatewayError:  # `_store` says why
            is_sent = False
        if not is_sent:
            self.associations.give_back(taken)
        return is_sent

    async def _store(self, part: _Arriving, instance: Instance, where: tuple[str, str]) -> None:
        """Send an instance once there is an association."""
        status = OUT_OF_RESOURCES
        try:
            kind = instance.sop_class_uid, instance.transfer_syntax_uid
            taken = await self.associations.take(kind)
            try:
                status = (await taken.association.c_store(instance)).status
            finally:
                self.associations.give_back(taken)
        except NotAccepted:
            status = CLASS_NOT_SUPPORTED
        except (AssociationError, OSError) as error:
            log.warning("an instance could not be stored: %s", error)
        except GatewayError as error:
            log.warning("an instance cannot be sent: %s", error)
            status = CANNOT_UNDERSTAND
        finally:
            self._answered(part, Kept(_uids_of(instance), status, where))

    def _answered(self, part: _Arriving, kept: Kept) -> None:
        self._room.release()
        self._drop(part, kept)

    async def _settle(self) -> None:
        """Wait for what is being stored."""
        for _ in range(AT_ONCE):
            await self._room.acquire()


class _Arriving:
    """A part while it arrives: in memory, or in a file if it is long."""

    def __init__(self, folder: Path, headers: dict[str, str], longest: int) -> None:
        self._path = folder / f"{secrets.token_hex(12)}.part"
        self.failure = 0
        self._left, self._until_look = longest, 0
        self._held = bytearray()
        self._file: Any = None
        self.is_other = media.parse(headers.get("content-type", media.DICOM)).name != media.DICOM
        """It is of a media type that is not stored."""
        if self.is_other:
            self.failure = CANNOT_UNDERSTAND

    @property
    def is_in_memory(self) -> bool:
        return self._file is None

    async def write(self, content: bytes) -> None:
        """Take some bytes; after a failure they are thrown away."""
        if self.failure:
            return
        self._left -= len(content)
        if self._left < 0:
            log.warning("a part is longer than dicomweb.longest")
            self.failure = OUT_OF_RESOURCES
            return
        self._held += content
        if len(self._held) > IN_MEMORY:
            await self._spill()

    async def _spill(self) -> None:
        """Write what is held to the file."""
        held, self._held = self._held, bytearray()
        try:
            if self._file is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self._file = os.fdopen(os.open(self._path, flags, 0o600), "wb", buffering=0)
            self._until_look -= len(held)
            if self._until_look <= 0:
                self._until_look = _LOOK_EVERY
                if free_space(self._path.parent).free < MIN_FREE:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            await run_in_threadpool(self._file.write, held)
        except OSError as error:
            log.error("a part cannot be written: %s", error.strerror)
            self.failure = OUT_OF_RESOURCES

    def close(self) -> None:
        """End the file."""
        try:
            if self._file is not None:
                self._file.write(self._held)
                self._file.close()
        except OSError:
            self.failure = OUT_OF_RESOURCES

    def identified(self) -> Instance:
        """Return the instance; raises NotDicom."""
        return identify_bytes(bytes(self._held)) if self.is_in_memory else identify(self._path)

    def place(self, instance: Instance) -> tuple[str, str]:
        """Return its Study and Series Instance UID; empty if they cannot be read."""
        syntax = instance.transfer_syntax_uid
        try:
            if instance.data is not None:
                values = header.scan(instance.data, syntax)
            else:
                values = header.read(self._path, instance.offset, syntax)
        except (GatewayError, OSError):  # the storage worker says what is wrong with it
            return "", ""
        return values["StudyInstanceUID"], values["SeriesInstanceUID"]

    def discard(self) -> None:
        """Delete the file."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._path.unlink(missing_ok=True)


async def store(request: Request, base: str, make: Callable[[str], Store]) -> Response:
    """Answer a POST with instances."""
    content = media.parse(request.headers.get("content-type") or "none")
    if not content.is_multipart or content.name not in (media.DICOM, media.ANY):
        raise HttpError(
            415,
            f'send {media.MULTIPART}; type="{media.DICOM}"; boundary=..., each part a DICOM file',
        )
    if (coding := request.headers.get("content-encoding", "identity")).lower() != "identity":
        text = f"the body is in the content coding {coding[:32]!r}: send it as it is"
        raise HttpError(415, text, {"Accept-Encoding": "identity"})
    chosen = media.choose(request, (media.JSON, media.XML, "application/json"))
    taken = make(request.path_params.get("study", ""))
    await taken.take(request.stream(), content.parameters.get("boundary", ""))
    if not taken.kept:
        raise HttpError(400, "the body has no parts")
    if taken.others == len(taken.kept):
        raise HttpError(415, f"no part is {media.DICOM}: only that is stored")
    model = response_model(taken.kept, base, taken.study)
    failed = sum(_is_failure(one.status) for one in taken.kept)
    has_warnings = any(one.status for one in taken.kept)
    status = 409 if failed == len(taken.kept) else 202 if failed or has_warnings else 200
    if failed == len(taken.kept) and all(one.status == OUT_OF_RESOURCES for one in taken.kept):
        status = 503
    if chosen.name == media.XML:
        return Response(to_xml(model), status, media_type=media.XML)
    return Response(json.dumps(model), status, media_type=media.JSON)


def _uids_of(instance: Instance) -> tuple[str, str]:
    return instance.sop_class_uid, instance.sop_instance_uid


def _is_failure(status: int) -> bool:
    return status != 0 and status >> 12 != 0xB and status != 1


def response_model(kept: list[Kept], base: str, study: str) -> Json:
    """Return the Store Instances Response Module (PS3.18 table 10.5.3-1)."""
    stored: list[Json] = []
    failed: list[Json] = []
    others: list[Json] = []
    for one in kept:
        if one.uids is None:
            others.append({"00081197": {"vr": "US", "Value": [one.status]}})
            continue
        item: Json = {
            "00081150": {"vr": "UI", "Value": [one.uids[0]]},
            "00081155": {"vr": "UI", "Value": [one.uids[1]]},
        }
        if _is_failure(one.status):
            failed.append({**item, "00081197": {"vr": "US", "Value": [one.status]}})
            continue
        url = f"{base}/studies/{one.path[0]}/series/{one.path[1]}/instances"
        item["00081190"] = {"vr": "UR", "Value": [f"{url}/{one.uids[1]}"]}
        if one.status:
            item["00081196"] = {"vr": "US", "Value": [one.status]}
        stored.append(dict(sorted(item.items())))
    studies = {one.path[0] for one in kept if one.path[0]}
    model: Json = {}
    if study or len(studies) == 1:
        model["00081190"] = {"vr": "UR", "Value": [f"{base}/studies/{study or studies.pop()}"]}
    for tag, items in (("00081198", failed), ("00081199", stored), ("0008119A", others)):
        if items:
            model[tag] = {"vr": "SQ", "Value": items}
    return dict(sorted(model.items()))
