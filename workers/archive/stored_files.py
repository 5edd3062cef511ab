"""Where the bytes of an instance are: in a file below the archive's directory, or in an object.

The path in a row of the index says which (`layout.is_object`). What reads, checks or deletes
instances does it through here.
"""

from __future__ import annotations

import os
import secrets
import time
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import TYPE_CHECKING, TypeVar

from gateway.datasets import Instance
from gateway.part10 import read_file_meta
from workers.archive import header, layout
from workers.archive.file_system import sync_folder
from workers.archive.objects.store_failure import StoreFailure
from workers.archive.opening import open_store
from workers.archive.parallel_calls import ParallelCalls
from workers.archive.present import defect
from workers.archive.recovery import measure, measure_pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from gateway.part10 import FileMeta
    from gateway.settings import ArchiveSettings
    from workers.archive.header import HeaderValues
    from workers.archive.index import IndexEntry
    from workers.archive.objects.object_store import ObjectStore

T = TypeVar("T")
U = TypeVar("U")

IN_MEMORY = 1024 * 1024
"""Bytes of a data set up to which an object is read at once; a longer one is read as it is sent.
Most CT slices have half of that."""
_READERS = 16
_TEMPORARY = "tmp"
_COPY = ".copy"
_LEFT = 3600.0
"""Seconds after which nobody writes to a temporary file any more."""


class StoredFiles:
    """The files and objects of an archive; safe for several threads."""

    def __init__(self, root: Path, objects: ObjectStore | None = None) -> None:
        self.root = root.absolute()
        self.objects = objects
        self._base = str(self.root)
        self._readers = ParallelCalls(_READERS, "objects")

    @classmethod
    def of(cls, data_dir: Path, settings: ArchiveSettings) -> StoredFiles:
        """Return those of a gateway with these settings; raises ConfigError."""
        return cls(data_dir / layout.FOLDER, open_store(settings))

    def close(self) -> None:
        """End the threads."""
        self._readers.close()

    def is_in_store(self, path: str) -> bool:
        """Return whether something is in the store of this gateway, whoever has put it there.

        A gateway without a store fetches objects from their holders, as it does files.
        """
        return self.objects is not None and layout.is_object(path)

    def where(self, path: str) -> str:
        """Return the absolute path of a file, or the URL of an object."""
        if self.objects is None or not layout.is_object(path):
            return f"{self._base}/{path}"
        return f"s3://{self.objects.place.bucket}/" + layout.key_of_object(
            self.objects.place.prefix, path
        )

    def defect(self, entry: IndexEntry) -> str:
        """Return why an instance cannot be given out; empty if it can.

        Raises GatewayError if the store is out of reach, so that nobody knows.
        """
        if not layout.is_object(entry.path):
            return defect(f"{self._base}/{entry.path}", entry)
        try:
            size = self._store.head(entry.path).size
        except FileNotFoundError:
            return f"the object {entry.path} is gone"
        is_whole = size == entry.start + entry.size
        return "" if is_whole else f"the object {entry.path} is not the one that was stored"

    def instance(self, entry: IndexEntry) -> Instance | str:
        """Return an instance to be sent, or why it cannot be given out.

        Raises GatewayError if the store is out of reach.
        """
        uids = entry.sop_class_uid, entry.sop_instance_uid, entry.transfer_syntax_uid
        if not layout.is_object(entry.path):
            path = f"{self._base}/{entry.path}"
            return defect(path, entry) or Instance(*uids, entry.size, path, entry.start)
        if entry.size > IN_MEMORY:
            make = self._store.pieces
            return self.defect(entry) or Instance(
                *uids, entry.size, make=lambda: make(entry.path, entry.start, entry.size)
            )
        try:
            data = self._store.read(entry.path, entry.start, entry.size)
        except FileNotFoundError:
            return f"the object {entry.path} is gone"
        return Instance(*uids, entry.size, data=data)

    def file_meta(self, entry: IndexEntry) -> FileMeta:
        """Return the File Meta Information of an instance.

        Raises OSError, Part10Error, or GatewayError if the store is out of reach.
        """
        if layout.is_object(entry.path):
            return read_file_meta(BytesIO(self._store.read(entry.path, 0, entry.start)))
        return read_file_meta(f"{self._base}/{entry.path}")

    def header(self, entry: IndexEntry) -> HeaderValues:
        """Return the values in the header of an instance, without the rest of an object.

        Raises OSError, or GatewayError if the store is out of reach.
        """
        if not layout.is_object(entry.path):
            return header.read(f"{self._base}/{entry.path}", entry.start, entry.transfer_syntax_uid)
        source = self._store.source(entry.path, entry.start, entry.size)
        return header.read_source(source, entry.transfer_syntax_uid)

    def measure(self, entry: IndexEntry) -> tuple[int, bytes]:
        """Return the size and digest of an instance's data set as it is stored now.

        Raises OSError, SpoolError if the digest cannot be computed, or StoreFailure if the store is
        out of reach.
        """
        if not layout.is_object(entry.path):
            return measure(self.root / entry.path, entry.start, entry.digest)
        size = max(0, self._store.head(entry.path).size - entry.start)
        return measure_pieces(self._store.ranges(entry.path, entry.start, size), entry.digest)

    @staticmethod
    def in_memory(entry: IndexEntry) -> int:
        """Return how many bytes of an instance are in memory once it is ready to be sent."""
        is_read = layout.is_object(entry.path) and entry.size <= IN_MEMORY
        return entry.size if is_read else 0

    def map(self, work: Callable[[T], U], items: Sequence[T]) -> list[U]:
        """Return the result for each item, in order; at the same time if there are objects."""
        if self.objects is None or len(items) < 2:
            return [work(item) for item in items]
        return self._readers.map(work, items)

    @contextmanager
    def readable(self, path: str) -> Iterator[str]:
        """The path of a file with the content: of a copy of an object, as long as it is open.

        Raises OSError, or GatewayError if the store is out of reach.
        """
        if not layout.is_object(path):
            yield f"{self._base}/{path}"
            return
        copy = self.temporary()
        try:
            with copy.open("xb", buffering=0) as file:
                self.copy_to(path, file.fileno())
            yield str(copy)
        finally:
            copy.unlink(missing_ok=True)

    def make_instance(self, path: str) -> str:
        """Give what was set aside the path of an instance, durably; return that.

        Both are there afterwards. An earlier attempt may have done it.
        """
        new = layout.not_aside(path)
        if layout.is_object(path):
            self._store.copy(path, new)
            return new
        target = self.root / new
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.link(self.root / path, target, follow_symlinks=False)
        for folder in (target.parent, target.parent.parent, self.root):
            sync_folder(folder)
        return new

    def copy_to(self, path: str, fd: int) -> None:
        """Write an object into a file; raises OSError or GatewayError."""
        size = self._store.head(path).size
        for piece in self._store.pieces(path, 0, size):
            left = memoryview(piece)
            while left:
                left = left[os.write(fd, left) :]

    def delete(self, path: str) -> None:
        """Delete a file or object of the archive, if it is there.

        Raises OSError, or GatewayError if the store is out of reach.
        """
        if not layout.is_archive_name(path):
            return
        if layout.is_object(path):
            self._store.delete(path)
        else:
            (self.root / path).unlink(missing_ok=True)

    def temporary(self) -> Path:
        """Return the path for a file that is deleted, or renamed, soon."""
        folder = self.root / _TEMPORARY
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / f"{secrets.token_hex(12)}{_COPY}"

    def sweep(self) -> None:
        """Delete the temporary files that a crash has left."""
        for path in (self.root / _TEMPORARY).glob(f"*{_COPY}"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _LEFT:
                    path.unlink()

    @property
    def _store(self) -> ObjectStore:
        if self.objects is None:
            raise StoreFailure("the instance is in an object store: set archive.store")
        return self.objects
