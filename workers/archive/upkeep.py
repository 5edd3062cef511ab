"""Maintenance of an archive: verify it against the index, remove instances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.sdk import GatewayError
from workers.archive import layout
from workers.archive.attributes import UNIQUE, Level, of_level
from workers.archive.index.interface import one_of
from workers.archive.index.placing import key_of
from workers.archive.index.search import Query
from workers.archive.recovery import examine, measure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from workers.archive.index import Index, IndexEntry

_LEVELS = (Level.STUDY, Level.SERIES, Level.IMAGE)


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


def verify(root: Path, index: Index, holder: str) -> Iterator[Step]:
    """Compare every row with its file, and every file with the rows; yield each comparison."""
    for entry, header_key, values in index.stored_values():
        if entry.holder == holder:
            yield _compare(root, entry) or _compare_values(root, entry, header_key, values)
    for entry in index.conflicts():
        if entry.holder == holder:
            yield _compare(root, entry) or Step(entry.size)
    for study, keywords in index.wrong_studies():
        text = f"{', '.join(keywords)}: not as in the newest instances of study {study}"
        yield Step(problem=Problem("attributes", "", text=text))
    yield from _compare_folders(root, index)


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


def _compare(root: Path, entry: IndexEntry) -> Step | None:
    """Compare the data set of a file with its row; return None if it is the same."""
    path, uid = root / entry.path, entry.sop_instance_uid
    if path.is_symlink() or not path.is_file():
        return Step(problem=Problem("missing", entry.path, uid, "the file is missing"))
    try:
        size, digest = measure(path, entry.start, entry.digest)
    except (GatewayError, OSError) as error:
        return Step(problem=Problem("damaged", entry.path, uid, f"cannot be read: {error}"))
    if size != entry.size:
        text = f"its data set has {size} bytes instead of {entry.size}"
        return Step(problem=Problem("damaged", entry.path, uid, text))
    if digest != entry.digest:
        return Step(problem=Problem("damaged", entry.path, uid, "its digest has changed"))
    return None


def _compare_values(root: Path, entry: IndexEntry, header_key: bytes, values: list[str]) -> Step:
    """Compare the attributes of a file with those in the index."""
    found = examine(root, entry.path, entry.holder)
    wrong = [] if key_of(found.texts) == header_key else ["those above image level"]
    texts = {**found.texts, "SOPInstanceUID": entry.sop_instance_uid}
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


def remove(root: Path, index: Index, holder: str, entries: list[IndexEntry]) -> None:
    """Remove instances: first their rows, then their files, so that a crash leaves no row."""
    removed = index.remove(entry.sop_instance_uid for entry in entries)
    delete_files(root, index, holder, removed)


def delete_files(root: Path, index: Index, holder: str, removed: list[IndexEntry]) -> None:
    """Delete the files of a holder whose rows were removed."""
    own = [entry.path for entry in removed if entry.holder == holder]
    for path in own:
        if layout.is_archive_name(path):
            (root / path).unlink(missing_ok=True)
    index.deleted(holder, own)


def count_files(root: Path) -> int:
    """Return the number of files in the archive."""
    return sum(len(layout.content(root, b.name).files) for b in layout.buckets(root))
