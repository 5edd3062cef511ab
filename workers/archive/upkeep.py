"""Maintenance of an archive: verify it against the index, remove instances."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeAlias

from gateway.sdk import GatewayError
from workers.archive import layout
from workers.archive.attributes import UNIQUE, Level, of_level
from workers.archive.index.interface import one_of
from workers.archive.index.placing import key_of
from workers.archive.index.search import Query
from workers.archive.objects.listing import own_buckets
from workers.archive.objects.store_failure import StoreFailure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from workers.archive.header import HeaderValues
    from workers.archive.index import Index, IndexEntry
    from workers.archive.stored_files import StoredFiles

_LEVELS = (Level.STUDY, Level.SERIES, Level.IMAGE)
_AT_ONCE = 16
"""Objects that are read at the same time."""

_Attributes: TypeAlias = tuple[bytes, list[str]]
"""The key of an instance's header in the index, and the values of the image level."""
_Row: TypeAlias = "tuple[IndexEntry, _Attributes | None]"


@dataclass(frozen=True, slots=True)
class Problem:
    """A difference between files and index."""

    kind: str
    """missing, damaged, attributes, no row or foreign."""
    path: str
    """Relative to the archive."""
    sop_instance_uid: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One comparison, and the problem that it found."""

    size: int = 0
    problem: Problem | None = None


def verify(files: StoredFiles, index: Index, holder: str) -> Iterator[Step]:
    """Compare every row with its file or object, and those with the rows; yield each comparison.

    Raises StoreFailure if objects cannot be read.
    """
    rows = ((entry, (key, values)) for entry, key, values in index.stored_values())
    aside = ((entry, None) for entry in index.conflicts())
    own = (row for row in chain[_Row](rows, aside) if row[0].holder == holder)
    most = 1 if files.objects is None else _AT_ONCE
    while some := list(islice(own, most)):
        yield from files.map(lambda row: _verified(files, *row), some)
    for study, keywords in index.wrong_studies():
        text = f"{', '.join(keywords)}: not as in the newest instances of study {study}"
        yield Step(problem=Problem("attributes", "", text=text))
    yield from _compare_folders(files.root, index)
    yield from _compare_objects(files, index)


def _verified(files: StoredFiles, entry: IndexEntry, attributes: _Attributes | None) -> Step:
    """Compare the bytes of an instance with its row, and the attributes that are in it."""
    missing = Step(
        problem=Problem("missing", entry.path, entry.sop_instance_uid, "the file is missing")
    )
    if not layout.is_object(entry.path):
        path = files.root / entry.path
        if path.is_symlink() or not path.is_file():
            return missing
    try:
        wrong = _compare(files, entry)
        if wrong is not None or attributes is None:
            return wrong or Step(entry.size)
        return _compare_values(entry, files.header(entry), *attributes)
    except StoreFailure:
        raise
    except FileNotFoundError:
        return missing
    except (GatewayError, OSError) as error:
        return _unreadable(entry, error)


def _compare_objects(files: StoredFiles, index: Index) -> Iterator[Step]:
    """Compare the objects of this gateway with the rows."""
    if files.objects is None:
        return
    for bucket, found in own_buckets(files.objects):
        rows = {known.entry.path for known in index.below(bucket)}
        for one in found:
            if not layout.is_archive_name(one.path):
                yield Step(problem=_foreign(one.path))
            elif one.path not in rows:
                text = "the object is not in the index"
                yield Step(problem=Problem("no row", one.path, text=text))


def _compare_folders(root: Path, index: Index) -> Iterator[Step]:
    """Compare the names in the buckets with the rows."""
    for bucket in list(layout.buckets(root)):
        content = layout.content(root, bucket.name)
        rows = {known.entry.path for known in index.below(bucket.name)}
        # A file that has just arrived may not have its row yet.
        for path in sorted(set(content.files) - rows):
            yield Step(problem=Problem("no row", path, text="the file is not in the index"))
        for path in content.foreign:
            yield Step(problem=_foreign(path))
    for path in layout.strangers(root):
        yield Step(problem=_foreign(path))


def _foreign(path: str) -> Problem:
    return Problem("foreign", path, text="not part of the archive")


def _unreadable(entry: IndexEntry, error: Exception) -> Step:
    text = f"cannot be read: {error}"
    return Step(problem=Problem("damaged", entry.path, entry.sop_instance_uid, text))


def _compare(files: StoredFiles, entry: IndexEntry) -> Step | None:
    """Compare the data set of an instance with its row; return None if it is the same."""
    uid = entry.sop_instance_uid
    size, digest = files.measure(entry)
    if size != entry.size:
        text = f"its data set has {size} bytes instead of {entry.size}"
        return Step(problem=Problem("damaged", entry.path, uid, text))
    if digest != entry.digest:
        return Step(problem=Problem("damaged", entry.path, uid, "its digest has changed"))
    return None


def _compare_values(
    entry: IndexEntry, found: HeaderValues, header_key: bytes, values: list[str]
) -> Step:
    """Compare the attributes of an instance with those in the index."""
    wrong = [] if key_of(dict(found)) == header_key else ["those above image level"]
    texts = {**found, "SOPInstanceUID": entry.sop_instance_uid}
    texts["SOPClassUID"] = entry.sop_class_uid
    for attribute, value in zip(of_level(Level.IMAGE), values, strict=True):
        if (texts.get(attribute.keyword) or "") != value:
            wrong.append(attribute.keyword)
    if not wrong:
        return Step(entry.size)
    text = f"attributes in the index are not those of the file: {', '.join(wrong)}"
    return Step(problem=Problem("attributes", entry.path, entry.sop_instance_uid, text))


def matching(index: Index, uids: list[str]) -> dict[str, IndexEntry]:
    """Return the instances of these studies, series and instances, by UID."""
    found: dict[str, IndexEntry] = {}
    for level in _LEVELS:
        condition = one_of(level, UNIQUE[level].column, uids)
        query = Query(Level.IMAGE, conditions=(condition,))
        found |= {entry.sop_instance_uid: entry for entry in index.instances(query)}
    return found


def remove(files: StoredFiles, index: Index, holder: str, entries: list[IndexEntry]) -> None:
    """Remove instances: first their rows, then their files, so that a crash leaves no row."""
    removed = index.remove(entry.sop_instance_uid for entry in entries)
    delete_files(files, index, holder, removed)


def delete_files(files: StoredFiles, index: Index, holder: str, removed: list[IndexEntry]) -> None:
    """Delete the files and objects of a holder whose rows were removed."""
    own = [entry.path for entry in removed if entry.holder == holder]
    for path in own:
        files.delete(path)
    index.deleted(holder, own)


def count_files(files: StoredFiles) -> int:
    """Return the number of files and objects in the archive."""
    root = files.root
    number = sum(len(layout.content(root, b.name).files) for b in layout.buckets(root))
    if files.objects is not None:
        number += sum(len(found) for _, found in own_buckets(files.objects))
    return number
