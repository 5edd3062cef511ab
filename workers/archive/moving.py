"""Move instances between the directory of an archive and its object store.

The content is first in both places, then the row names the new one, then the old one is deleted;
so a crash leaves a copy too many, never an instance without its content.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from gateway.sdk import GatewayError
from workers.archive import layout
from workers.archive.file_system import rename_new, sync_folder
from workers.archive.index.relocation import move
from workers.archive.recovery import measure

if TYPE_CHECKING:
    from pathlib import Path

    from workers.archive.index import Index, IndexEntry
    from workers.archive.index.records import IndexedFile
    from workers.archive.stored_files import StoredFiles


class NotMoved(GatewayError):  # noqa: N818 - what happened
    """An instance stays where it is; the text says why."""


def to_store(files: StoredFiles, index: Index, known: IndexedFile) -> bool:
    """Put a file into the object store; return False if it is no longer in the index as it was.

    Raises NotMoved if the file is not as it was stored, and StoreFailure or IndexFailure.
    """
    entry = known.entry
    store = files.objects
    if store is None:
        raise NotMoved("there is no object store: set archive.store")
    if why := files.defect(entry):
        raise NotMoved(why)
    path = files.root / entry.path
    _check(path, entry)
    new = layout.object_path(store.place.holder, entry.path)
    store.put(new, str(path), entry.digest)
    return _moved(files, index, known, new)


def to_directory(files: StoredFiles, index: Index, known: IndexedFile) -> bool:
    """Write an object to a file; return False if it is no longer in the index as it was.

    Raises NotMoved if the object is not as it was stored, and StoreFailure or IndexFailure.
    """
    entry = known.entry
    new = layout.name_of_object(entry.path)
    draft = files.temporary()
    try:
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            files.copy_to(entry.path, fd)
            os.fsync(fd)
        finally:
            os.close(fd)
        _check(draft, entry)
        target = files.root / new
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):  # an earlier attempt
            rename_new(draft, target)
        for folder in (target.parent, *target.parent.parents):
            sync_folder(folder)
            if folder == files.root:
                break
    except FileNotFoundError:
        raise NotMoved(f"the object {entry.path} is gone") from None
    except OSError as error:
        raise NotMoved(f"{new} cannot be written: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)
    return _moved(files, index, known, new)


def _check(path: Path, entry: IndexEntry) -> None:
    """Raise NotMoved if a file has another content than the index says."""
    try:
        if measure(path, entry.start, entry.digest) == (entry.size, entry.digest):
            return
    except OSError as error:
        raise NotMoved(f"{entry.path} cannot be read: {error.strerror or error}") from error
    raise NotMoved(f"{entry.path} is not as it was stored: its digest has changed")


def _moved(files: StoredFiles, index: Index, known: IndexedFile, new: str) -> bool:
    """Let the index name the new place, and delete the old one."""
    entry = known.entry
    there = replace(known, entry=entry._replace(path=new))
    if not index.change(partial(move, known=known, path=new)):
        now = index.find(entry.sop_instance_uid)
        if now is None or now.path != new:
            files.delete(new)
        return False
    if files.defect(there.entry):  # it was taken for a copy that a crash has left
        index.change(partial(move, known=there, path=entry.path))
        raise NotMoved(f"{new} was deleted meanwhile")
    files.delete(entry.path)
    index.deleted(entry.holder, [entry.path])
    return True
