"""The statements that change the index; each function runs in one transaction."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from workers.archive.index.insertion import NOTE, NewInstance
from workers.archive.index.newest import rank_of
from workers.archive.index.placing import Mismatched, Placing, recompute, settle
from workers.archive.index.records import (
    ENTRY,
    NEWLY_ADDED,
    AddOutcome,
    AddResult,
    IndexEntry,
    JournalEntry,
    StudySummary,
)
from workers.archive.stored_text import readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from workers.archive.index.grouping import Cursor, Execute
    from workers.archive.index.placing import Above, Header
    from workers.archive.index.records import Texts
    from workers.archive.index.search import Dialect

Insert: TypeAlias = "Callable[[Execute, Sequence[NewInstance]], None]"

_MARKS = ", ".join("?" * 9)


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


class Adding:
    """Adds entries in one transaction; call `begin` first, with all of them, and `finish` last.

    `insert` writes the rows of many. With `refuse` an instance is not added whose study is stored
    under another Patient ID alone. UIDs that are `absent` are not looked for at the first attempt.
    """

    def __init__(
        self,
        dialect: Dialect,
        insert: Insert,
        *,
        replace: bool = False,
        refuse: bool = False,
        absent: frozenset[str] = frozenset(),
    ) -> None:
        self._dialect = dialect
        self._insert = insert
        self._replace = replace
        self._absent = absent
        self._stored: dict[str, IndexEntry] = {}
        self._placing = Placing(dialect, refuse=refuse)
        self._new: list[NewInstance] = []
        """Those that were added and are not written yet."""

    def begin(self, execute: Execute, entries: Sequence[IndexEntry], above: set[Above]) -> None:
        """Find existing rows for all entries, and those above them, with one statement each."""
        self._new = []
        absent, self._absent = self._absent, frozenset()
        uids = [uid for entry in entries if (uid := entry.sop_instance_uid) not in absent]
        stored = _search(execute, self._dialect, uids) if uids else None
        self._placing.begin(execute, above)  # both are asked before either answers
        self._stored = {} if stored is None else _entries(stored)

    def add(self, execute: Execute, entry: IndexEntry, texts: Texts, above: Above) -> AddResult:
        """Add an instance with the rows above it, and a line in the journal."""
        before = self._stored.get(entry.sop_instance_uid)
        if before is not None and before.holds_the_same(entry) and before.path == entry.path:
            return AddResult(AddOutcome.SAME, before)
        if before is not None and not self._replace:
            same = before.holds_the_same(entry)
            return AddResult(AddOutcome.SAME if same else AddOutcome.DIFFERENT, before)
        if before is not None:
            self._write(execute)  # it may be one of them
        try:
            replaced = "" if before is None else before.sop_instance_uid
            header = self._placing.header(execute, above, replaced)
        except Mismatched as error:
            patients = (*error.patients, texts.get("PatientID") or "")
            return AddResult(AddOutcome.MISMATCH, before, patients)
        patients = () if header.is_used else header.patients
        header.is_used = True
        kind = "stored" if before is None else "replaced"
        new = NewInstance(header.number, entry, texts, kind)
        self._stored[entry.sop_instance_uid] = entry
        if before is None:
            self._new.append(new)
            return AddResult(AddOutcome.ADDED, None, patients) if patients else NEWLY_ADDED
        self._put_in_place(execute, new, before)
        return AddResult(AddOutcome.REPLACED, before, patients)

    def add_each(
        self,
        execute: Execute,
        news: Sequence[tuple[IndexEntry, Texts]],
        above: Sequence[Above],
    ) -> list[AddResult]:
        """Add instances as `add` does one; all of them, or it raises."""
        results = []
        header: Header | None = None
        before: Above | None = None
        for (entry, texts), values in zip(news, above, strict=True):
            if header is None or values is not before:
                header, before = self._placing.used_header(values), values
            if header is None or entry.sop_instance_uid in self._stored:
                results.append(self.add(execute, entry, texts, values))
                continue
            # Mostly: one more instance of a header, under a new UID.
            self._stored[entry.sop_instance_uid] = entry
            self._new.append(NewInstance(header.number, entry, texts, "stored"))
            results.append(NEWLY_ADDED)
        return results

    def finish(self, execute: Execute) -> None:
        """Write the rows, and set studies and series to the attributes of their newest ones."""
        self._write(execute)
        self._placing.finish(execute)

    def _put_in_place(self, execute: Execute, new: NewInstance, before: IndexEntry) -> None:
        """Write an instance in place of the one before."""
        gone = _delete(execute, before.sop_instance_uid)
        self._insert(execute, [new])
        if gone is not None:
            _forget_original(execute, before.holder, before.path)
            plan_deletion(execute, before)
            self._placing.finish(execute)
            settle(execute, {gone.header: [gone.rank]})

    def _write(self, execute: Execute) -> None:
        if self._new:
            self._insert(execute, self._new)
            self._new = []


def find(execute: Execute, sop_instance_uid: str) -> IndexEntry | None:
    text = f"SELECT {ENTRY} FROM instance WHERE sop_instance_uid = ?"
    found = execute(text, (sop_instance_uid,)).fetchone()
    return None if found is None else entry_of(found)


def find_all(
    execute: Execute, dialect: Dialect, sop_instance_uids: Sequence[str]
) -> dict[str, IndexEntry]:
    """Return those of a batch that are in the index, by UID."""
    if not sop_instance_uids:
        return {}
    return _entries(_search(execute, dialect, sop_instance_uids))


def _search(execute: Execute, dialect: Dialect, sop_instance_uids: Sequence[str]) -> Cursor:
    condition, values = dialect.among("sop_instance_uid", sop_instance_uids)
    return execute(f"SELECT {ENTRY} FROM instance WHERE {condition}", values)


def _entries(found: Cursor) -> dict[str, IndexEntry]:
    return {one[0]: entry_of(one) for one in found.fetchall()}


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
    if (before := find(execute, entry.sop_instance_uid)) is not None:
        execute(
            "UPDATE original SET holder = ?, path = ? WHERE holder = ? AND path = ?",
            (entry.holder, entry.path, before.holder, before.path),
        )
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
            _forget_original(execute, entry.holder, entry.path)
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
    _forget_original(execute, entry.holder, entry.path)
    execute("DELETE FROM conflict WHERE holder = ? AND path = ?", (entry.holder, entry.path))


def _forget_original(execute: Execute, holder: str, path: str) -> None:
    """Forget what was received in the place of a file that goes; see `originals`."""
    execute("DELETE FROM original WHERE holder = ? AND path = ?", (holder, path))


def note(execute: Execute, kind: str, entry: Sequence[Any], uids: tuple[str, str]) -> None:
    """Add a line to the journal, in the transaction of the change."""
    execute(NOTE, (*entry, kind, time.time(), *uids))


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
