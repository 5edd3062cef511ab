"""Instances that arrive on a requestor's association (C-GET), written to files meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.datasets import DatasetError
from gateway.dimse import status as codes
from gateway.dimse.message import CStoreRQ
from gateway.part10 import IdentityScan, file_meta
from gateway.uid import is_valid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.requestor.incoming import IncomingRequest, Receiver

GATHERED = 256 * 1024
"""Bytes that are gathered before they are written."""


@dataclass(frozen=True, slots=True)
class Received:
    """The result for one instance that the peer sent."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    status: int
    """The status of the response; 0: the instance is stored."""
    path: Path | None = None
    size: int = 0
    """Bytes of the data set."""
    text: str = ""
    """The reason why it is not stored."""


class Folder:
    """A handler that writes each instance to a Part 10 file of its own: FOLDER/UID.dcm.

    A file stands under that name only once it is whole; the same instance again takes its place.
    `told` hears of each instance once it is answered. `check` is called with a file, where its data
    set begins, and the transfer syntax, and raises DatasetError for one that is refused (C000).
    """

    def __init__(
        self,
        folder: Path,
        told: Callable[[Received], None],
        source_ae_title: str = "",
        check: Callable[[Path, int, str], None] = lambda *_: None,
    ) -> None:
        self.folder = folder
        self.told = told
        self.check = check
        self.source_ae_title = source_ae_title
        """For the File Meta Information."""

    def __call__(self, incoming: IncomingRequest) -> Receiver | int:
        request = incoming.request
        if not isinstance(request, CStoreRQ):
            return codes.UNRECOGNIZED_OPERATION
        return _File(self, request, incoming.context.transfer_syntax)


class _File:
    """The receiver of one instance."""

    def __init__(self, owner: Folder, request: CStoreRQ, syntax: str) -> None:
        self._request = request
        self._syntax = syntax
        self._owner = owner
        self._path = owner.folder / f"{_file_name(request.affected_sop_instance_uid)}.dcm"
        self._part = owner.folder / f".{secrets.token_hex(8)}.part"
        self._scan = IdentityScan(syntax)
        self._size = 0
        meta = file_meta(
            request.affected_sop_class_uid,
            request.affected_sop_instance_uid,
            syntax,
            owner.source_ae_title,
        )
        self._gathered = bytearray(meta)
        self._offset = len(meta)
        try:
            self._file = open(self._part, "xb", buffering=0)  # noqa: SIM115 - closed at the end
        except OSError as error:
            self._tell(codes.OUT_OF_RESOURCES, str(error))
            raise

    def write(self, data: memoryview) -> None:
        """Take a piece of the data set."""
        self._size += len(data)
        self._scan.feed(data)
        self._gathered += data
        if len(self._gathered) >= GATHERED:
            try:
                self._flush()
            except OSError as error:
                self._tell(codes.OUT_OF_RESOURCES, str(error))
                raise

    async def finish(self) -> int:
        """Check the complete data set, and give the file its name."""
        if disagreement := self._disagreement():
            self._drop()
            self._tell(codes.DATA_SET_DOES_NOT_MATCH, disagreement)
            return codes.DATA_SET_DOES_NOT_MATCH
        try:
            await asyncio.to_thread(self._keep)
        except DatasetError as error:
            self._drop()
            self._tell(codes.CANNOT_UNDERSTAND, str(error))
            return codes.CANNOT_UNDERSTAND
        except OSError as error:
            self._drop()
            self._tell(codes.OUT_OF_RESOURCES, str(error))
            raise
        self._tell(codes.SUCCESS)
        return codes.SUCCESS

    def discard(self) -> None:
        """Delete the file: the data set will not be complete."""
        self._drop()

    def _disagreement(self) -> str:
        scan, request = self._scan, self._request
        if scan.sop_instance_uid not in (None, request.affected_sop_instance_uid):
            return "command and data set disagree on the SOP instance"
        if scan.sop_class_uid not in (None, request.affected_sop_class_uid):
            return "command and data set disagree on the SOP class"
        return ""

    def _flush(self) -> None:
        view = memoryview(self._gathered)
        while view:
            view = view[self._file.write(view) or 0 :]
        self._gathered = bytearray()

    def _keep(self) -> None:
        self._flush()
        self._file.close()
        self._owner.check(self._part, self._offset, self._syntax)
        os.replace(self._part, self._path)

    def _drop(self) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def _tell(self, status: int, text: str = "") -> None:
        request = self._request
        self._owner.told(
            Received(
                request.affected_sop_class_uid,
                request.affected_sop_instance_uid,
                self._syntax,
                status,
                self._path if status == codes.SUCCESS else None,
                self._size,
                text,
            )
        )


def _file_name(uid: str) -> str:
    """Return the instance's UID, digits and dots; an invalid UID never becomes part of a path."""
    if is_valid(uid):
        return str(uid)
    return hashlib.sha256(uid.encode("utf-8", "surrogatepass")).hexdigest()
