"""Statements that change the index; each function runs within one transaction."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeAlias

from workers.archive.attributes import Level
from workers.archive.index.model import Entry, JournalEntry, Outcome, Standing, StudySummary
from workers.archive.values import names, row

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


def entry_of(row: Any) -> Entry:
    """The entry of a row of the columns `ENTRY`."""
    instance, sop_class, syntax, path, start, size, digest, holder = row
    return Entry(instance, sop_class, syntax, path, start, size, bytes(digest), holder)


def journal_entry_of(row: Any) -> JournalEntry:
    """The same of a row of the journal."""
    seq, kind, at, study, series, *entry = row
    return JournalEntry(seq, kind, at, entry_of(entry), study, series)


def summary_of(row: Any) -> StudySummary:
    """A study's row: five texts, three numbers."""
    study, patient, name, date, modalities = (value or "" for value in row[:5])
    series, instances, size = (int(value) for value in row[5:])
    return StudySummary(study, patient, name, date, modalities, series, instances, size)


_NAMES = {level: names(level) for level in Level}
_INSTANCE, _CLASS = map(_NAMES[Level.IMAGE].index, ("sop_instance_uid", "sop_class_uid"))
"""What a command says of an instance goes before what its data set says."""


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


def find(execute: Execute, sop_instance_uid: str) -> Entry | None:
    row = execute(
        f"SELECT {ENTRY} FROM instance WHERE sop_instance_uid = ?", (sop_instance_uid,)
    ).fetchone()
    return entry_of(row) if row else None


class Adding:
    """Adds entries within one transaction; `begin` comes first, with those that are to be added."""

    def __init__(self, *, replace: bool = False) -> None:
        self._replace = replace
        self._standing: dict[str, Entry] = {}
        self._series: dict[tuple[str, str], int] = {}
        """Rows that were found or made in this transaction."""

    def begin(self, execute: Execute, entries: Iterable[Entry]) -> None:
        """Look once for all of them whether something stands."""
        uids = [entry.sop_instance_uid for entry in entries]
        self._standing = find_all(execute, uids)
        self._series = {}

    def add(self, execute: Execute, entry: Entry, texts: Texts) -> Standing:
        """Add an instance with its series, study and patient, and note it in the journal."""
        before = self._standing.get(entry.sop_instance_uid)
        if before is not None and before.holds_the_same(entry) and before.path == entry.path:
            return Standing(Outcome.SAME, before)
        if before is not None and not self._replace:
            same = before.holds_the_same(entry)
            return Standing(Outcome.SAME if same else Outcome.DIFFERENT, before)
        if before is not None:
            _delete(execute, before)
            doom(execute, before)
            self._series = {}  # one of them may have gone with it
        self._insert(execute, entry, texts)
        self._standing[entry.sop_instance_uid] = entry
        return Standing(Outcome.ADDED if before is None else Outcome.REPLACED, before)

    def _insert(self, execute: Execute, entry: Entry, texts: Texts) -> None:
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
        replaced = entry.sop_instance_uid in self._standing
        note(execute, "replaced" if replaced else "stored", entry, uids)


def find_all(execute: Execute, sop_instance_uids: Sequence[str]) -> dict[str, Entry]:
    """Those of a batch that stand."""
    if not sop_instance_uids:
        return {}
    marks = ", ".join("?" * len(sop_instance_uids))
    text = f"SELECT {ENTRY} FROM instance WHERE sop_instance_uid IN ({marks})"
    return {one[0]: entry_of(one) for one in execute(text, sop_instance_uids).fetchall()}


def relocate(execute: Execute, entry: Entry) -> None:
    """The file of an instance that stands is now this one; it holds the same."""
    execute(
        "UPDATE instance SET path = ?, start = ?, holder = ? WHERE sop_instance_uid = ?",
        (entry.path, entry.start, entry.holder, entry.sop_instance_uid),
    )


def _make_series(execute: Execute, patient_key: str, keys: tuple[str, str], texts: Texts) -> int:
    """The row of a series, and those above it, as far as they are not there."""
    patient = _row(execute, Level.PATIENT, (patient_key,), texts)
    study = _row(execute, Level.STUDY, (keys[0],), texts, patient)
    return _row(execute, Level.SERIES, (keys[1], study), texts)


def _patient_key(texts: Texts) -> str:
    """Who has no Patient ID is known by the study only: two of them are not one patient."""
    if texts.get("PatientID"):
        return f"{texts['PatientID']}\\{texts.get('IssuerOfPatientID') or ''}"
    return f"\\\\{texts.get('StudyInstanceUID') or ''}"


def _row(
    execute: Execute,
    level: Level,
    key: tuple[Any, ...],
    texts: Texts,
    above: int | None = None,
) -> int:
    found = execute(_SELECT[level], key).fetchone()
    if found is None:
        parents = () if above is None else (above,)
        insert = f"{_INSERT[level]} RETURNING id"
        found = execute(insert, (*key, *parents, *row(level, texts))).fetchone()
    return int(found[0])


def remove(execute: Execute, sop_instance_uid: str) -> Entry | None:
    """Forget an instance; its file is doomed from then on."""
    entry = find(execute, sop_instance_uid)
    if entry is not None:
        uids = _delete(execute, entry)
        doom(execute, entry)
        note(execute, "removed", entry, uids)
    return entry


def forget(execute: Execute, sop_instance_uid: str) -> None:
    """Forget an instance whose file is gone."""
    entry = find(execute, sop_instance_uid)
    if entry is not None:
        note(execute, "removed", entry, _delete(execute, entry))


def _delete(execute: Execute, entry: Entry) -> tuple[str, str]:
    """Delete the row, and those above it that nothing is below any more; gives their UIDs."""
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


def set_aside(execute: Execute, entry: Entry) -> None:
    """Note a file that holds something else under the UID of an instance that stands."""
    made = execute(
        f"INSERT INTO conflict ({ENTRY}, at) VALUES ({_EIGHT}, ?) ON CONFLICT DO NOTHING",
        (*entry, time.time()),
    )
    if made.rowcount:
        note(execute, "conflict", entry, ("", ""))


def drop_conflict(execute: Execute, entry: Entry) -> None:
    execute("DELETE FROM conflict WHERE holder = ? AND path = ?", (entry.holder, entry.path))


def note(execute: Execute, kind: str, entry: Entry, uids: tuple[str, str]) -> None:
    """Write down what happened, in the transaction in which it does."""
    execute(_NOTE, (*entry, kind, time.time(), *uids))


def doom(execute: Execute, entry: Entry) -> None:
    """The file is to be deleted once this is committed, now or after a restart."""
    execute(
        "INSERT INTO doomed (holder, path) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (entry.holder, entry.path),
    )


def absolve(execute: Execute, holder: str, paths: Iterable[str]) -> None:
    """These files are deleted."""
    for path in paths:
        execute("DELETE FROM doomed WHERE holder = ? AND path = ?", (holder, path))


def note_buckets(execute: Execute, holder: str, buckets: Mapping[str, int]) -> None:
    """The buckets agree with the index as of when they were last changed."""
    for name, changed in buckets.items():
        execute(
            "INSERT INTO bucket (holder, name, changed) VALUES (?, ?, ?) "
            "ON CONFLICT (holder, name) DO UPDATE SET changed = excluded.changed",
            (holder, name, changed),
        )
