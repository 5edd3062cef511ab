"""An instance that can be read from any place of its file, which may be an object in a store.

Of an object only what is looked at is read: its header, the frames and values that are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gateway.datasets.byte_sources import as_file
from gateway.datasets.instances import FilePart, MadeDataSet

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable

    from gateway.datasets import Instance
    from workers.archive.index import IndexEntry
    from workers.archive.objects.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class ReadableInstance:
    """An instance, and how its file is read."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    offset: int
    """Bytes of the file before the data set."""
    place: Callable[[], Path | str | BinaryIO]
    """Returns the path of the file, or a file that is open at its begin."""
    part: Callable[[int, int], AsyncIterable[bytes]]
    """Returns so many bytes of the file from a place on."""

    def open(self) -> BinaryIO:
        """Return the file, open for reading."""
        place = self.place()
        return open(place, "rb") if isinstance(place, (str, Path)) else place


def in_file(instance: Instance) -> ReadableInstance:
    """Return an instance that is in a file."""
    path = instance.path
    assert path is not None
    return ReadableInstance(
        *(instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid),
        *(instance.offset, lambda: path, partial(FilePart, path)),
    )


def in_store(store: ObjectStore, entry: IndexEntry) -> ReadableInstance:
    """Return an instance that is an object; reading it raises what the store raises."""
    path, size = entry.path, entry.start + entry.size

    def part(start: int, length: int) -> AsyncIterable[bytes]:
        return MadeDataSet(store.pieces(path, start, length))

    return ReadableInstance(
        *(entry.sop_class_uid, entry.sop_instance_uid, entry.transfer_syntax_uid, entry.start),
        *(lambda: as_file(store.source(path, 0, size)), part),
    )
