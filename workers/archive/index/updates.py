"""The statements that change the index; each function runs in one transaction."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeAlias

from workers.archive.attributes import Level
from workers.archive.comparison_keys import names, row
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

    Texts: TypeAlias = Mapping[str, str | None]
    """Cleaned values of elements by keyword."""

FILE = "transfer_syntax, path, start, size, digest, holder"
ENTRY = f"sop_instance_uid, sop_class_uid, {FILE}"
_EIGHT = ", ".join("?" * 8)
_NOTE = (
    f"INSERT INTO journal ({ENTRY}, kind, at, study_instance_uid, series_instance_uid) "
    f"VALUES ({_EIGHT}, ?, ?, ?, ?)"
)


def entry_of(row: Any) -> IndexEntry:
    """Return the entry of a row with the columns `ENTRY`."""
    instance, sop_class, syntax, path, start, size, digest, holder = row
    return IndexEntry(instance, sop_class, syntax, path, start, size, bytes(digest), holder)


def journal_entry_of(row: Any) -> JournalEntry:
    """Return the entry of a row of the journal."""
    seq, kind, at, study, series, *entry = row
    return JournalEntry(seq, kind, at, entry_of(entry), study, series)


def summary_of(row: Any) -> StudySummary:
    """Return the summary of a row with five texts and three numbers."""
    study, patient, name, date, modalities = (readable(value or "") for value in row[:5])
    series, instances, size = (int(value) for value in row[5:])
    return StudySummary(study, patient, name, date, modalities, series, instances, size)


_NAMES = {level: names(level) for level in Level}
_INSTANCE, _CLASS = map(_NAMES[Level.IMAGE].index, ("sop_instance_uid", "sop_class_uid"))
"""The columns for which the UIDs of the command override those of the data set."""


def _insertion(level: Level, more: tuple[str, ...]) -> str:
    columns = (*more, *_NAMES[level])
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {level.table} ({', '.join(columns)}) VALUES ({marks})"


_INSERT = {
    Level.PATIENT: _insertion(Level.PATIENT, ("key",)),
    Level.STUDY: _insertion(Level.STUDY, ("key", "patient")),
    Level.SERIES: _insertion(Level.SERIES, ("key", "study")),
    Level.IMAGE: _insertion(Level.IMAGE, ("series", *FILE.split(", "))),
}
_SELECT = {
    Level.PATIENT: "SELECT id FROM patient WHERE key = ?",
    Level.STUDY: "SELECT id FROM study WHERE key = ?",
    Level.SERIES: "SELECT id FROM series WHERE key = ? AND study = ?",
}
_SELECT_SERIES = (
    "SELECT series.id FROM study JOIN series ON series.study = study.id "
    "WHERE study.key = ? AND series.key = ?"
)


def find(execute: Execute, sop_instance_uid: str) -> IndexEntry | None:
    return find_all(execute, [sop_instance_uid]).get(sop_instance_uid)


class Adding:
    """Adds entries in one transaction; call `begin` first, with all entries to add."""

    def __init__(self, *, replace: bool = False) -> None:
        self._replace = replace
        self._stored: dict[str, IndexEntry] = {}
        self._series: dict[tuple[str, str], int] = {}
        """Rows that were found or inserted in this transaction."""

    def begin(self, execute: Execute, entries: Iterable[IndexEntry]) -> None:
        """Find existing rows for all entries with one statement."""
        uids = [entry.sop_instance_uid for entry in entries]
        self._stored = find_all(execute, uids)
        self._series = {}

    def add(self, execute: Execute, entry: IndexEntry, texts: Texts) -> AddResult:
        """Add an instance with its series, study and patient, and a line in the journal."""
        before = self._stored.get(entry.sop_instance_uid)
        if before is not None and before.holds_the_same(entry) and before.path == entry.path:
            return AddResult(AddOutcome.SAME, before)
        if before is not None and not self._replace:
            same = before.holds_the_same(entry)
            return AddResult(AddOutcome.SAME if same else AddOutcome.DIFFERENT, before)
        if before is not None:
            _delete(execute, before)
            plan_deletion(execute, before)
            self._series = {}  # the deletion may have removed a series
        self._insert(execute, entry, texts)
        self._stored[entry.sop_instance_uid] = entry
        return AddResult(AddOutcome.ADDED if before is None else AddOutcome.REPLACED, before)

    def _insert(self, execute: Execute, entry: IndexEntry, texts: Texts) -> None:
        patient_key = _patient_key(texts)
        uids = texts.get("StudyInstanceUID") or "", texts.get("SeriesInstanceUID") or ""
        keys = uids[0] or f"of {patient_key}", uids[1]
        series = self._series.get(keys)
        if series is None:
            found = execute(_SELECT_SERIES, keys).fetchone()
            series = int(found[0]) if found else _make_series(execute, patient_key, keys, texts)
            self._series[keys] = series
        image = row(Level.IMAGE, texts)
        image[_INSTANCE], image[_CLASS] = entry.sop_instance_uid, entry.sop_class_uid
        execute(_INSERT[Level.IMAGE], (series, *entry[2:], *image))
        replaced = entry.sop_instance_uid in self._stored
        note(execute, "replaced" if replaced else "stored", entry, uids)


def find_all(execute: Execute, sop_instance_uids: Sequence[str]) -> dict[str, IndexEntry]:
    """Return those of a batch that are in the index, by UID."""
    if not sop_instance_uids:
        return {}
    marks = ", ".join("?" * len(sop_instance_uids))
    text = f"SELECT {ENTRY} FROM instance WHERE sop_instance_uid IN ({marks})"
    return {one[0]: entry_of(one) for one in execute(text, sop_instance_uids).fetchall()}


def relocate(execute: Execute, entry: IndexEntry) -> None:
    """Set the file of an instance to another one with the same content."""
    execute(
        "UPDATE instance SET path = ?, start = ?, holder = ? WHERE sop_instance_uid = ?",
        (entry.path, entry.start, entry.holder, entry.sop_instance_uid),
    )


def _make_series(execute: Execute, patient_key: str, keys: tuple[str, str], texts: Texts) -> int:
    """Insert the row of a series, and those above it that do not exist; return its id."""
    patient = _row(execute, Level.PATIENT, (patient_key,), texts)
    study = _row(execute, Level.STUDY, (keys[0],), texts, patient)
    return _row(execute, Level.SERIES, (keys[1], study), texts)


def _patient_key(texts: Texts) -> str:
    """Return the key of a patient; without a Patient ID each study has a patient of its own."""
    if texts.get("PatientID"):
        return f"{texts['PatientID']}\\{texts.get('IssuerOfPatientID') or ''}"
    return f"\\\\{texts.get('StudyInstanceUID') or ''}"


def _row(
    execute: Execute, level: Level, key: tuple[Any, ...], texts: Texts, above: int | None = None
) -> int:
    found = execute(_SELECT[level], key).fetchone()
    if found is None:
        parents = () if above is None else (above,)
        insert = f"{_INSERT[level]} RETURNING id"
        found = execute(insert, (*key, *parents, *row(level, texts))).fetchone()
    return int(found[0])


def remove(execute: Execute, sop_instance_uid: str) -> IndexEntry | None:
    """Remove an instance; its file is then to be deleted."""
    entry = find(execute, sop_instance_uid)
    if entry is not None:
        uids = _delete(execute, entry)
        plan_deletion(execute, entry)
        note(execute, "removed", entry, uids)
    return entry


def forget(execute: Execute, sop_instance_uid: str) -> None:
    """Remove an instance whose file is gone."""
    entry = find(execute, sop_instance_uid)
    if entry is not None:
        note(execute, "removed", entry, _delete(execute, entry))


def _delete(execute: Execute, entry: IndexEntry) -> tuple[str, str]:
    """Delete a row, and those above that are then empty; return study and series UID."""
    series, study, patient, study_uid, series_uid = execute(
        "SELECT series.id, study.id, study.patient, study.study_instance_uid, "
        "series.series_instance_uid FROM instance JOIN series ON series.id = instance.series "
        "JOIN study ON study.id = series.study WHERE instance.sop_instance_uid = ?",
        (entry.sop_instance_uid,),
    ).fetchone()
    execute("DELETE FROM instance WHERE sop_instance_uid = ?", (entry.sop_instance_uid,))
    for child, parent, number in (
        ("instance", "series", series),
        ("series", "study", study),
        ("study", "patient", patient),
    ):
        execute(
            f"DELETE FROM {parent} WHERE id = ? "
            f"AND NOT EXISTS (SELECT 1 FROM {child} WHERE {parent} = ?)",
            (number, number),
        )
    return study_uid or "", series_uid or ""


def set_aside(execute: Execute, entry: IndexEntry) -> None:
    """Add a file with different content for an instance in the index."""
    made = execute(
        f"INSERT INTO conflict ({ENTRY}, at) VALUES ({_EIGHT}, ?) ON CONFLICT DO NOTHING",
        (*entry, time.time()),
    )
    if made.rowcount:
        note(execute, "conflict", entry, ("", ""))


def drop_conflict(execute: Execute, entry: IndexEntry) -> None:
    execute("DELETE FROM conflict WHERE holder = ? AND path = ?", (entry.holder, entry.path))


def note(execute: Execute, kind: str, entry: IndexEntry, uids: tuple[str, str]) -> None:
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
