"""Instances that were set aside, because other content is stored under their UID.

To accept one makes it the instance, in place of the stored one; to drop one deletes it. In both
the row is changed before a file is deleted, so that a crash leaves a file too many, which the next
start of the storage worker finds, and never a row without its file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gateway.errors import GatewayError
from workers.archive.index.notes import DROPPED, StudyNote
from workers.archive.recovery import examine, measure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.archive.index import Index, IndexEntry
    from workers.archive.stored_files import StoredFiles

LONGEST_VALUE = 64
"""Characters of a value that are shown."""


class Difference(NamedTuple):
    """An element that is not the same in both; an empty text: it is not there."""

    element: str
    stored: str
    aside: str


def conflict_named(index: Index, holder: str, name: str) -> IndexEntry:
    """Return the file that was set aside with this path, the end of its name, or this UID.

    Raises GatewayError if there is none, or if there are several.
    """
    own = [entry for entry in index.conflicts() if entry.holder == holder]
    found = [
        entry
        for entry in own
        if name in (entry.path, entry.sop_instance_uid)
        or (len(name) >= 4 and _stem(entry).endswith(name))
    ]
    if not found:
        raise GatewayError(f"nothing was set aside as {name!r}: see `archive conflicts ls`")
    if len(found) > 1:
        names = ", ".join(label(entry) for entry in found)
        raise GatewayError(f"{len(found)} were set aside as {name!r}: name one of {names}")
    return found[0]


def label(entry: IndexEntry) -> str:
    """Return the short name of a file that was set aside."""
    return _stem(entry)[-12:]


def _stem(entry: IndexEntry) -> str:
    return os.path.basename(entry.path).removesuffix(".dcm")


def _is_unchanged(path: Path, conflict: IndexEntry) -> bool:
    found = measure(path, conflict.start, conflict.digest)
    return found == (conflict.size, conflict.digest)


def accept(files: StoredFiles, index: Index, conflict: IndexEntry) -> None:
    """Make a file that was set aside the instance, and delete the one that is stored.

    Raises GatewayError if the file cannot be read.
    """
    try:
        with files.readable(conflict.path) as name:
            examined = examine(Path(name), conflict.path, conflict.holder)
            if examined.entry is None or examined.error or not _is_unchanged(Path(name), conflict):
                why = examined.error or "its content has changed"
                raise GatewayError(f"{conflict.path} cannot be accepted: {why}")
    except FileNotFoundError:
        raise GatewayError(f"{conflict.path} cannot be accepted: it is gone") from None
    new = files.make_instance(conflict.path)
    before = index.find(conflict.sop_instance_uid)
    index.add(examined.entry._replace(path=new), examined.texts, replace=True)
    index.drop_conflict(conflict)
    files.delete(conflict.path)
    if before is not None and before.holder == conflict.holder and before.path != new:
        files.delete(before.path)
        index.deleted(before.holder, [before.path])


def drop(files: StoredFiles, index: Index, conflict: IndexEntry) -> None:
    """Delete a file that was set aside."""
    uid, sop_class = conflict.sop_instance_uid, conflict.sop_class_uid
    index.drop_conflict(conflict)
    for study in index.studies_of([uid]):
        index.note(StudyNote(DROPPED, study, "", sop_class, uid, "", conflict.holder, 1))
    files.delete(conflict.path)


def differences(stored: str, aside: str) -> Iterator[Difference]:
    """Yield the elements of the top level that differ between two files."""
    from pydicom import dcmread

    one, other = (dcmread(path, force=True) for path in (stored, aside))
    for tag in sorted(one.keys() | other.keys()):
        texts = [_text(data_set, tag) for data_set in (one, other)]
        raw = [data_set.get_item(tag) for data_set in (one, other)]
        if texts[0] == texts[1] and _bytes(raw[0]) == _bytes(raw[1]):
            continue
        keyword = (one.get(tag) or other.get(tag)).keyword or "private"
        yield Difference(f"{tag} {keyword}", *texts)


def _text(data_set: object, tag: int) -> str:
    element = data_set.get(tag)  # type: ignore[attr-defined]
    if element is None:
        return ""
    if element.VR == "SQ":
        return f"{len(element.value)} items"
    if isinstance(element.value, bytes):
        return f"{len(element.value)} bytes"
    text = str(element.value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def _bytes(element: object) -> object:
    return getattr(element, "value", None)
