"""SOP instances as they are sent: identified and read piece by piece, never decoded.

The File Meta Information of a file (PS3.10 7.1) tells its transfer syntax. The SOP class and
instance are looked up in the first elements of the data set, and in the File Meta Information if
they are not there: where the two disagree the data set is right, because the peer compares with it.
A file without that header is taken for DICOM only if it begins like an implicit VR little endian
data set that names its SOP class and instance; other encodings cannot be told from the bytes alone.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterable, Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gateway.datasets.errors import NotDicom
from gateway.part10 import IdentityScan, Part10Error, read_file_meta
from gateway.uid import IMPLICIT_VR_LITTLE_ENDIAN, KEYWORDS, is_tolerable, is_valid

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

PIECE = 1024 * 1024
"""Bytes that are read from a file at a time."""

_NO_WAIT = getattr(os, "RWF_NOWAIT", 0)
CAN_READ_CACHED = bool(_NO_WAIT)
"""Whether `read_cached` may succeed."""
SLOW = 0.02
"""Seconds for cached files after which the next ones are better read in a thread."""

_SCANNED = 64 * 1024
_MEDIA_STORAGE_DIRECTORY = KEYWORDS["MediaStorageDirectoryStorage"]


@dataclass(frozen=True, slots=True)
class Instance:
    """A SOP instance, and where its encoded data set is."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    size: int
    """Bytes of the data set; of one that is deflated as it is sent, before that."""
    path: Path | str | None = None
    offset: int = 0
    """Bytes of the file before the data set."""
    data: bytes | None = None
    """The data set itself, if it is not in a file."""
    make: Callable[[], Iterator[bytes]] | None = None
    """Yields the data set in pieces, if it is made as it is sent; raises OSError if that fails."""
    is_padded: bool = False
    """A NUL is sent after the data set, so that its length is even (PS3.5 A.5, PS3.8 annex E)."""

    def data_set(self) -> bytes | FilePart | MadeDataSet:
        """Return the encoded data set, to be sent once."""
        if self.data is not None:
            return self.data
        if self.make is not None:
            return MadeDataSet(self.make())
        assert self.path is not None
        return FilePart(self.path, self.offset, self.size, b"\0" if self.is_padded else b"")

    def pieces(self) -> Iterator[bytes]:
        """Return the encoded data set in pieces of about 1 MiB; they raise OSError."""
        if self.make is not None:
            return self.make()
        return self._stored_pieces()

    def read(self) -> bytes:
        """Return the encoded data set, all of it at once; raise OSError."""
        return self.data if self.data is not None else b"".join(self.pieces())

    def _stored_pieces(self) -> Iterator[bytes]:
        if self.data is not None:
            yield self.data
            return
        assert self.path is not None
        with open(self.path, "rb", buffering=0) as file:
            file.seek(self.offset)
            left = self.size
            while left:
                piece = _piece_of(file, left)
                left -= len(piece)
                yield piece


class FilePart(AsyncIterable[bytes]):
    """Part of a file, read in a thread 1 MiB at a time, and the bytes that follow it.

    Raises OSError, also if the file has become shorter: what is sent would not be the instance.
    """

    def __init__(self, path: Path | str, offset: int, size: int, after: bytes = b"") -> None:
        self._path, self._offset, self._size, self._after = path, offset, size, after

    async def __aiter__(self) -> AsyncIterator[bytes]:
        file, piece = await asyncio.to_thread(self._open)
        with file:
            left = self._size - len(piece)
            yield piece
            while left:
                piece = await asyncio.to_thread(_piece_of, file, left)
                left -= len(piece)
                yield piece
        if self._after:
            yield self._after

    def _open(self) -> tuple[BinaryIO, bytes]:
        file = open(self._path, "rb", buffering=0)  # noqa: SIM115 - the caller closes it
        try:
            file.seek(self._offset)
            return file, _piece_of(file, self._size)
        except BaseException:
            file.close()
            raise


class MadeDataSet(AsyncIterable[bytes]):
    """A data set that is made in a thread, piece by piece; raises OSError if that fails."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await asyncio.to_thread(next, self._pieces, None)) is not None:
            yield piece


def _piece_of(file: BinaryIO, left: int) -> bytes:
    piece = file.read(min(left, PIECE))
    if left and not piece:
        raise OSError("the file became shorter while it was sent")
    return piece


def read_part(path: str | Path, offset: int, size: int) -> bytes:
    """Return part of a file, read at once; raise OSError, also if the file ends before that."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.pread(fd, size, offset)
    finally:
        os.close(fd)
    if len(data) != size:
        raise OSError(f"{len(data)} of {size} bytes can be read")
    return data


def read_cached(path: str | Path, offset: int, size: int) -> bytearray:
    """Return part of a file that is in the page cache.

    Raises BlockingIOError if it is not, or if that cannot be told: outside Linux, and on file
    systems without RWF_NOWAIT (preadv(2)). OSError if the file cannot be opened.
    """
    data = bytearray(size)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        number = os.preadv(fd, (data,), offset, _NO_WAIT) if size else 0
    except OSError as error:
        raise BlockingIOError(*error.args) from None
    finally:
        os.close(fd)
    if number != size:
        raise BlockingIOError("not all of it is in memory")
    return data


def in_memory(instance: Instance, most: int) -> Instance:
    """Return an instance with its data set read from the file, if that has `most` bytes or less.

    One whose file cannot be read stays as it is: the error comes when it is sent.
    """
    if instance.path is None or instance.data is not None or instance.size > most:
        return instance
    try:
        data = read_part(instance.path, instance.offset, instance.size)
        data += b"\0" * instance.is_padded
    except OSError:
        return instance
    uids = instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid
    return Instance(*uids, instance.size, instance.path, instance.offset, data)


def identify(path: Path) -> Instance:
    """Return the instance in a file; raise NotDicom if it cannot be sent."""
    try:
        return _identify(path)
    except OSError as error:
        raise NotDicom(f"cannot be read: {error.strerror or error}") from None


def identify_bytes(file: bytes) -> Instance:
    """Return the instance in the bytes of a file; raise NotDicom if it cannot be sent."""
    found = _instance_in(BytesIO(file), len(file), None)
    uids = found.sop_class_uid, found.sop_instance_uid, found.transfer_syntax_uid
    return Instance(*uids, found.size, data=file[found.offset :])


def identify_file(file: BinaryIO, size: int) -> Instance:
    """Return the instance in an open file of `size` bytes, which has no path; raise NotDicom.

    Only the begin is read.
    """
    return _instance_in(file, size, None)


def _identify(path: Path) -> Instance:
    if not stat.S_ISREG(path.stat().st_mode):
        raise NotDicom("not a regular file")
    with path.open("rb", buffering=0) as file:
        return _instance_in(file, os.fstat(file.fileno()).st_size, path)


def _instance_in(file: BinaryIO, size: int, path: Path | None) -> Instance:
    if size == 0:
        raise NotDicom("empty")
    try:
        meta = read_file_meta(file)
    except Part10Error as error:
        return _headerless(path, file, size, str(error))
    scan = _scan(file, meta.offset, meta.transfer_syntax_uid)
    sop_class = scan.sop_class_uid or meta.sop_class_uid
    instance = scan.sop_instance_uid or meta.sop_instance_uid
    syntax = meta.transfer_syntax_uid
    _check(sop_class, instance, syntax)
    return Instance(sop_class, instance, syntax, size - meta.offset, path, meta.offset)


def _headerless(path: Path | None, file: BinaryIO, size: int, why: str) -> Instance:
    scan = _scan(file, 0, IMPLICIT_VR_LITTLE_ENDIAN)
    sop_class, instance = scan.sop_class_uid or "", scan.sop_instance_uid or ""
    if not (is_valid(sop_class) and is_valid(instance)):
        raise NotDicom(why)
    _check(sop_class, instance, IMPLICIT_VR_LITTLE_ENDIAN)
    return Instance(sop_class, instance, IMPLICIT_VR_LITTLE_ENDIAN, size, path)


def _scan(file: BinaryIO, offset: int, syntax: str) -> IdentityScan:
    scan = IdentityScan(syntax)
    file.seek(offset)
    scan.feed(file.read(_SCANNED))
    return scan


def _check(sop_class: str, instance: str, syntax: str) -> None:
    if sop_class == _MEDIA_STORAGE_DIRECTORY:
        raise NotDicom("a DICOMDIR: C-STORE cannot carry the directory of a medium")
    named = {"SOP Class": sop_class, "SOP Instance": instance, "Transfer Syntax": syntax}
    for what, uid in named.items():
        if not uid:
            raise NotDicom(f"the file has no {what} UID")
        if not is_tolerable(uid):
            raise NotDicom(f"{uid!r} is not a valid {what} UID")


def walk(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files that paths name: a folder stands for all files below it, in order."""
    for path in paths:
        if path.is_dir():
            for folder, folders, names in os.walk(path):
                folders.sort()
                yield from (Path(folder) / name for name in sorted(names))
        else:
            yield path
