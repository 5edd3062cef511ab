"""What an object is, as its header says: the rest of it need not be read.

The digest of the data set is noted with an object when it is stored. One without it, of an earlier
version or of another program, is read as a whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gateway.datasets import identify_file
from gateway.datasets.byte_sources import as_file
from gateway.sdk import GatewayError
from workers.archive import header, layout
from workers.archive.index import IndexEntry
from workers.archive.objects.range_source import FIRST
from workers.archive.objects.store_failure import StoreFailure
from workers.archive.recovery import Examined, examine

if TYPE_CHECKING:
    from workers.archive.objects.object_store import ObjectBegin, ObjectStore, StoredObject
    from workers.archive.stored_files import StoredFiles


_BEGIN = FIRST + 4096
"""Bytes that are read of an object: File Meta Information, and what is looked at behind it."""


def examine_object(files: StoredFiles, found: StoredObject, holder: str) -> Examined:
    """Return what an object is; raises StoreFailure if the store is out of reach."""
    assert files.objects is not None
    if not found.size:
        return Examined(found.path, error="empty")
    try:
        begin = files.objects.begin(found.path, _BEGIN)
        if begin.digest:
            return _of_header(files.objects, found, begin, holder)
        with files.readable(found.path) as copy:
            return examine(Path(copy), found.path, holder)
    except FileNotFoundError as error:
        return Examined(found.path, error=str(error))


def _of_header(
    store: ObjectStore, found: StoredObject, begin: ObjectBegin, holder: str
) -> Examined:
    path, size = found.path, found.size
    file = as_file(store.source(path, 0, size, begin.data))
    try:
        instance = identify_file(file, size)
    except StoreFailure:
        raise
    except (GatewayError, OSError) as error:
        return Examined(path, error=str(error))
    start, syntax = instance.offset, instance.transfer_syntax_uid
    entry = IndexEntry(
        *(instance.sop_instance_uid, instance.sop_class_uid, syntax, path, start, instance.size),
        *(begin.digest, holder, layout.received(path, int(found.changed * 1e9))),
    )
    source = store.source(path, start, instance.size, begin.data[start:])
    try:
        texts = header.read_source(source, syntax)
    except StoreFailure:
        raise
    except (GatewayError, OSError) as error:
        return Examined(path, entry, error=str(error))
    return Examined(path, entry, dict(texts), str(texts.fault or ""))
