"""The statements that change the index; each function runs in one transaction."""

from __future__ import annotations

import time
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from workers.archive.attributes import Level, MatchingKind, of_level
from workers.archive.comparison_keys import names, row
from workers.archive.index.newest import rank_of
from workers.archive.index.placing import Mismatched, Placing, recompute, settle
from workers.archive.index.records import (
    AddOutcome,
    AddResult,
    IndexEntry,
    JournalEntry,
    StudySummary,
)
from workers.archive.stored_text import readable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from workers.archive.index.grouping import Execute
    from workers.archive.index.placing import Header

    Texts: TypeAlias = Mapping[str, str | None]
    """Cleaned values of elements by keyword."""

FILE = "transfer_syntax, path, start, size, digest, holder, received"
ENTRY = f"sop_instance_uid, sop_class_uid, {FILE}"
_MARKS = ", ".join("?" * 9)
_DIGEST = IndexEntry._fields.index("digest")
_NOTE = (
    f"INSERT INTO journal ({ENTRY}, kind, at, study_instance_uid, series_instance_uid) "
    f"VALUES ({_MARKS}, ?, ?, ?, ?)"
)


def entry_of(row: Any) -> IndexEntry:
    """Return the entry of a row with the columns `ENTRY`."""
    instance, sop_class, syntax, path, start, size, digest, *where = row
    return IndexEntry(instance, sop_class, syntax, path, start, size, bytes(digest), *where)


def journal_entry_of(row: Any) -> JournalEntry:
    """Return the entry of a row of the journal."""
    seq, kind, at, study, series, *entry = row
    return JournalEntry(seq, kind, at, entry_of(entry), study, series)


def summary_of(row: Any) -> StudySummary:
    """Return the summary of a row with five texts and three numbers."""
    study, patient, name, date, modalities = (readable(value or "") for value in row[:5])
    series, instances, size = (int(value) for value in row[5:])
    return StudySummary(study, patient, name, date, modalities, series, instances, size)


_NAMES = names(Level.IMAGE)
_INSTANCE, _CLASS = map(_NAMES.index, ("sop_instance_uid", "sop_class_uid"))
"""The columns for which the UIDs of the command override those of the data set."""
_COLUMNS = ("header", *FILE.split(", "), *_NAMES)


@lru_cache(256)
def _insertion(keywords: tuple[str, ...]) -> tuple[str, itemgetter[Any]]:
    """Return the statement that inserts an instance with values of these elements.

    And what selects its parameters from the values of `_COLUMNS`. Columns of absent elements are
    left out: to pass a NULL takes much longer than to pass a value.
    """
    absent = {
        name
        for attribute in of_level(Level.IMAGE)
        if attribute.keyword not in keywords and attribute.kind is not MatchingKind.NAME
        for name in (attribute.column, *attribute.keys)
    }
    absent -= {_NAMES[_INSTANCE], _NAMES[_CLASS]}
    places = [n for n, name in enumerate(_COLUMNS) if name not in absent]
    columns, marks = ", ".join(_COLUMNS[n] for n in places), ", ".join("?" * len(places))
    return f"INSERT INTO instance ({columns}) VALUES ({marks})", itemgetter(*places)


def find(execute: Execute, sop_instance_uid: str) -> IndexEntry | None:
    return find_all(execute, [sop_instance_uid]).get(sop_instance_uid)


class Adding:
    """Adds entries in one transaction; call `begin` first, with all entries, and `finish` last.

    With `refuse` an instance is not added whose study is stored under another Patient ID alone.
    """

    def __init__(self, *, replace: bool = False, refuse: bool = False) -> None:
        self._replace = replace
        self._stored: dict[str, IndexEntry] = {}
        self._placing = Placing(refuse=refuse)

    def begin(self, execute: Execute, entries: Iterable[IndexEntry]) -> None:
        """Find existing rows for all entries with one statement."""
        self._stored = find_all(execute, [entry.sop_instance_uid for entry in entries])
        self._placing.clear()

    def add(self, execute: Execute, entry: IndexEntry, texts: Texts) -> AddResult:
        """Add an instance with the rows above it, and a line in the journal."""
        before = self._stored.get(entry.sop_instance_uid)
        if before is not None and before.holds_the_same(entry) and before.path == entry.path:
            return AddResult(AddOutcome.SAME, before)
        if before is not None and not self._replace:
            same = before.holds_the_same(entry)
            return AddResult(AddOutcome.SAME if same else AddOutcome.DIFFERENT, before)
        try:
            replaced = "" if before is None else before.sop_instance_uid
            header = self._placing.header(execute, texts, replaced)
        except Mismatched as error:
            patients = (*error.patients, texts.get("PatientID") or "")
            return AddResult(AddOutcome.MISMATCH, before, patients)
        patients = () if header.is_used else header.patients
        gone = _delete(execute, entry.sop_instance_uid) if before is not None else None
        self._insert(execute, entry, header, texts)
        if before is not None and gone is not None:
            plan_deletion(execute, before)
            self._placing.finish(execute)
            settle(execute, {gone.header: [gone.rank]})
        self._stored[entry.sop_instance_uid] = entry
        outcome = AddOutcome.ADDED if before is None else AddOutcome.REPLACED
        return AddResult(outcome, before, patients)

    def finish(self, execute: Execute) -> None:
        """Set the attributes of studies and series to those of their newest instances."""
        self._placing.finish(execute)

    def _insert(self, execute: Execute, entry: IndexEntry, header: Header, texts: Texts) -> None:
        image = row(Level.IMAGE, texts)
        image[_INSTANCE], image[_CLASS] = entry.sop_instance_uid, entry.sop_class_uid
        text, present = _insertion(tuple(texts))
        # SQLite looks for an adapter of bytes, which takes long, but for none of a bytearray.
        values = (*entry[:_DIGEST], bytearray(entry.digest), *entry[_DIGEST + 1 :])
        execute(text, present((header.number, *values[2:], *image)))
        header.is_used = True
        kind = "replaced" if entry.sop_instance_uid in self._stored else "stored"
        uids = texts.get("StudyInstanceUID") or "", texts.get("SeriesInstanceUID") or ""
        note(execute, kind, values, uids)


def find_all(execute: Execute, sop_instance_uids: Sequence[str]) -> dict[str, IndexEntry]:
    """Return those of a batch that are in the index, by UID."""
    if not sop_instance_uids:
        return {}
    marks = ", ".join("?" * len(sop_instance_uids))
    text = f"SELECT {ENTRY} FROM instance WHERE sop_instance_uid IN ({marks})"
    return {one[0]: entry_of(one) for one in execute(text, sop_instance_uids).fetchall()}


def studies_with(execute: Execute, sop_instance_uids: Sequence[str]) -> set[str]:
    """Return the UIDs of the studies that these instances are in."""
    if not sop_instance_uids:
        return set()
    marks = ", ".join("?" * len(sop_instance_uids))
    rows = execute(
        "SELECT study.study_instance_uid FROM instance JOIN header ON header.id = instance.header "
        "JOIN series ON series.id = header.series JOIN study ON study.id = series.study "
        f"WHERE instance.sop_instance_uid IN ({marks})",
        sop_instance_uids,
    ).fetchall()
    return {row[0] or "" for row in rows}


def relocate(execute: Execute, entry: IndexEntry) -> None:
    """Set the file of an instance to another one with the same content."""
    execute(
        "UPDATE instance SET path = ?, start = ?, holder = ?, received = ? "
        "WHERE sop_instance_uid = ?",
        (entry.path, entry.start, entry.holder, entry.received, entry.sop_instance_uid),
    )
    study = execute(
        "SELECT series.study FROM instance JOIN header ON header.id = instance.header "
        "JOIN series ON series.id = header.series WHERE instance.sop_instance_uid = ?",
        (entry.sop_instance_uid,),
    ).fetchone()
    if study is not None:
        recompute(execute, study[0])


def remove(
    execute: Execute, sop_instance_uids: Iterable[str], *, delete: bool = True
) -> list[IndexEntry]:
    """Remove instances and return them; with `delete` their files are to be deleted."""
    removed = []
    headers: dict[int, list[str]] = {}
    for uid in sop_instance_uids:
        entry, gone = find(execute, uid), _delete(execute, uid)
        if entry is not None and gone is not None:
            removed.append(entry)
            headers.setdefault(gone.header, []).append(gone.rank)
            note(execute, "removed", entry, gone.uids)
            if delete:
                plan_deletion(execute, entry)
    settle(execute, headers)
    return removed


class _Gone(NamedTuple):
    """An instance whose row was deleted."""

    header: int
    rank: str
    uids: tuple[str, str]
    """Of its study and series."""


def _delete(execute: Execute, sop_instance_uid: str) -> _Gone | None:
    """Delete the row of an instance, but not those above it."""
    found = execute(
        "SELECT instance.header, instance.received, study.study_instance_uid, "
        "series.series_instance_uid FROM instance JOIN header ON header.id = instance.header "
        "JOIN series ON series.id = header.series JOIN study ON study.id = series.study "
        "WHERE instance.sop_instance_uid = ?",
        (sop_instance_uid,),
    ).fetchone()
    if found is None:
        return None
    header, received, study, series = found
    execute("DELETE FROM instance WHERE sop_instance_uid = ?", (sop_instance_uid,))
    return _Gone(header, rank_of(received, sop_instance_uid), (study or "", series or ""))


def set_aside(execute: Execute, entry: IndexEntry) -> None:
    """Add a file with different content for an instance in the index."""
    made = execute(
        f"INSERT INTO conflict ({ENTRY}, at) VALUES ({_MARKS}, ?) ON CONFLICT DO NOTHING "
        "RETURNING id",
        (*entry, time.time()),
    ).fetchone()
    if made is not None:
        note(execute, "conflict", entry, ("", ""))


def drop_conflict(execute: Execute, entry: IndexEntry) -> None:
    execute("DELETE FROM conflict WHERE holder = ? AND path = ?", (entry.holder, entry.path))


def note(execute: Execute, kind: str, entry: Sequence[Any], uids: tuple[str, str]) -> None:
    """Add a line to the journal, in the transaction of the change."""
    execute(_NOTE, (*entry, kind, time.time(), *uids))


def plan_deletion(execute: Execute, entry: IndexEntry) -> None:
    """Note that a file is to be deleted after the commit, now or after a restart."""
    execute(
        "INSERT INTO to_delete (holder, path) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (entry.holder, entry.path),
    )


def deleted(execute: Execute, holder: str, paths: Iterable[str]) -> None:
    """Note that files have been deleted."""
    for path in paths:
        execute("DELETE FROM to_delete WHERE holder = ? AND path = ?", (holder, path))


def note_buckets(execute: Execute, holder: str, buckets: Mapping[str, int]) -> None:
    """Note that buckets agree with the index, with their times of change."""
    for name, changed in buckets.items():
        execute(
            "INSERT INTO bucket (holder, name, changed) VALUES (?, ?, ?) "
            "ON CONFLICT (holder, name) DO UPDATE SET changed = excluded.changed",
            (holder, name, changed),
        )
