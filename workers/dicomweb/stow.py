"""STOW-RS: instances that arrive by HTTP (PS3.18 10.5).

Each part is written to a file while it arrives, and then stored as any other peer's would be: by
C-STORE on an association with this gateway. So durability, policy, duplicates and events are the
same, and what the response says of an instance is the status of that C-STORE.
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

from pydicom import dcmread
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gateway.free_space import free_space
from gateway.requestor import (
    AssociationError,
    NotAccepted,
    NotDicom,
    Proposal,
    Timeouts,
    associate,
    identify,
)
from workers.dicomweb import media
from workers.dicomweb.guard import HttpError, log
from workers.dicomweb.json_model import to_xml
from workers.dicomweb.parts import Begun, Data, PartsReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from starlette.requests import Request

    from gateway.requestor import Address, Instance, RequestorAssociation
    from workers.dicomweb.json_model import Json

FOLDER = "dicomweb"
"""The directory of what arrives, in the data directory."""
AT_ONCE = 16
"""Instances of one request that are being stored at a time."""
MIN_FREE = 256 << 20
"""Free bytes of the disk below which nothing more is written."""
_LOOK_EVERY = 16 << 20
"""Bytes after which the free space is looked at again."""
_MOST_CONTEXTS = 128
_TIMEOUT = 60.0
PROCESSING_FAILURE, CLASS_NOT_SUPPORTED = 0x0110, 0x0122
OUT_OF_RESOURCES, MISMATCH, CANNOT_UNDERSTAND = 0xA700, 0xA900, 0xC000
"""Failure reasons (PS3.18 I.2.2)."""


class OwnGateway(NamedTuple):
    """This gateway as instances are sent to it."""

    address: Address
    ae_title: str


class Kept(NamedTuple):
    """An instance of the request, and what became of it."""

    instance: Instance | None
    status: int
    path: tuple[str, str] = ("", "")
    """Its Study and Series Instance UID."""


@dataclass
class Store:
    """Takes the parts of one request."""

    folder: Path
    peer: OwnGateway
    calling: str
    longest: int
    study: str = ""
    """The study that the request is for; empty: any."""
    kept: list[Kept] = field(default_factory=list)
    _kinds: list[tuple[str, str]] = field(default_factory=list)
    _association: RequestorAssociation | None = None
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
        if part.failure:
            self._drop(part, Kept(None, part.failure))
            return
        try:
            instance = await run_in_threadpool(identify, part.path)
            where = await run_in_threadpool(_uids_above, part.path)
        except NotDicom as error:
            log.warning("a part is not an instance: %s", error)
            self._drop(part, Kept(None, CANNOT_UNDERSTAND))
            return
        if self.study and where[0] != self.study:
            self._drop(part, Kept(instance, MISMATCH, where))
            return
        await self._room.acquire()
        kind = instance.sop_class_uid, instance.transfer_syntax_uid
        association = await self._association_for(kind)
        task = asyncio.create_task(self._store(part, instance, where, association))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _drop(self, part: _Arriving, kept: Kept) -> None:
        part.discard()
        self.kept.append(kept)

    async def _store(
        self,
        part: _Arriving,
        instance: Instance,
        where: tuple[str, str],
        association: RequestorAssociation | None,
    ) -> None:
        status = OUT_OF_RESOURCES
        try:
            if association is not None:
                status = (await association.c_store(instance)).status
        except NotAccepted:
            status = CLASS_NOT_SUPPORTED
        except (AssociationError, OSError) as error:
            log.warning("an instance could not be stored: %s", error)
        finally:
            self._room.release()
            self._drop(part, Kept(instance, status, where))

    async def _association_for(self, kind: tuple[str, str]) -> RequestorAssociation | None:
        """Return an association with a context for a kind; None if there is none."""
        association = self._association
        if kind in self._kinds and association is not None and association.ended is None:
            return association
        if kind not in self._kinds:
            self._kinds = [*self._kinds, kind][-_MOST_CONTEXTS:]
        await self._settle()
        proposal = Proposal(
            tuple((sop_class, (syntax,)) for sop_class, syntax in self._kinds),
            calling_ae_title=self.calling,
            called_ae_title=self.peer.ae_title,
            async_ops=(AT_ONCE, 1),
        )
        try:
            timeouts = Timeouts.all(_TIMEOUT)
            self._association = await associate(self.peer.address, proposal, timeouts=timeouts)
        except AssociationError as error:
            log.warning("no association with the gateway itself: %s", error)
            self._association = None
        return self._association

    async def _settle(self) -> None:
        """Wait for what is being stored, and end the association."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._association is not None:
            with suppress(AssociationError):
                await self._association.release()
            self._association = None


class _Arriving:
    """A part while it arrives: a file."""

    def __init__(self, folder: Path, headers: dict[str, str], longest: int) -> None:
        self.path = folder / f"{secrets.token_hex(12)}.part"
        self.failure = 0
        self._left, self._until_look = longest, 0
        kind = media.parse(headers.get("content-type", media.DICOM)).name
        if kind != media.DICOM:
            raise HttpError(415, f"a part is {kind}: only {media.DICOM} is stored")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            self._file: Any = os.fdopen(os.open(self.path, flags, 0o600), "wb", buffering=1 << 18)
        except OSError as error:
            raise _out_of_room(error) from None

    async def write(self, content: bytes) -> None:
        """Write some bytes; after a failure they are thrown away."""
        if self.failure:
            return
        self._left -= len(content)
        self._until_look -= len(content)
        if self._left < 0:
            log.warning("a part is longer than dicomweb.longest")
            self.failure = OUT_OF_RESOURCES
            return
        try:
            if self._until_look <= 0:
                self._until_look = _LOOK_EVERY
                if free_space(self.path.parent).free < MIN_FREE:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            await run_in_threadpool(self._file.write, content)
        except OSError as error:
            log.error("a part cannot be written: %s", error.strerror)
            self.failure = OUT_OF_RESOURCES

    def close(self) -> None:
        """End the file."""
        try:
            self._file.close()
        except OSError:
            self.failure = OUT_OF_RESOURCES

    def discard(self) -> None:
        """Delete the file."""
        with suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)


def _out_of_room(error: OSError) -> HttpError:
    return HttpError(507, f"there is no room for what arrives: {error.strerror}")


def _uids_above(path: Path) -> tuple[str, str]:
    tags = ["StudyInstanceUID", "SeriesInstanceUID"]
    try:
        found = dcmread(path, stop_before_pixels=True, specific_tags=tags, force=True)
        return str(found.get(tags[0]) or ""), str(found.get(tags[1]) or "")
    except Exception:
        return "", ""


async def store(request: Request, base: str, make: Callable[[str], Store]) -> Response:
    """Answer a POST with instances."""
    content = media.parse(request.headers.get("content-type") or "none")
    if not content.is_multipart or content.name not in (media.DICOM, media.ANY):
        raise HttpError(
            415,
            f'send {media.MULTIPART}; type="{media.DICOM}"; boundary=..., each part a DICOM file',
        )
    chosen = media.choose(request, (media.JSON, media.XML, "application/json"))
    taken = make(request.path_params.get("study", ""))
    await taken.take(request.stream(), content.parameters.get("boundary", ""))
    if not taken.kept:
        raise HttpError(400, "the body has no parts")
    model = response_model(taken.kept, base, taken.study)
    failed = sum(_is_failure(one.status) for one in taken.kept)
    status = 200 if not failed else 409 if failed == len(taken.kept) else 202
    if failed == len(taken.kept) and all(one.status == OUT_OF_RESOURCES for one in taken.kept):
        status = 503
    if chosen.name == media.XML:
        return Response(to_xml(model), status, media_type=media.XML)
    return Response(json.dumps(model), status, media_type=media.JSON)


def _is_failure(status: int) -> bool:
    return status != 0 and status >> 12 != 0xB and status != 1


def response_model(kept: list[Kept], base: str, study: str) -> Json:
    """Return the Store Instances Response Module (PS3.18 table 10.5.3-1)."""
    stored: list[Json] = []
    failed: list[Json] = []
    others: list[Json] = []
    for one in kept:
        if one.instance is None:
            others.append({"00081197": {"vr": "US", "Value": [one.status]}})
            continue
        item: Json = {
            "00081150": {"vr": "UI", "Value": [one.instance.sop_class_uid]},
            "00081155": {"vr": "UI", "Value": [one.instance.sop_instance_uid]},
        }
        if _is_failure(one.status):
            failed.append({**item, "00081197": {"vr": "US", "Value": [one.status]}})
            continue
        url = f"{base}/studies/{one.path[0]}/series/{one.path[1]}/instances"
        item["00081190"] = {"vr": "UR", "Value": [f"{url}/{one.instance.sop_instance_uid}"]}
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
