"""The reading half of the index, which both implementations have in common."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from workers.archive.attributes import BY_KEYWORD, Level, of_level
from workers.archive.index import holds, updates
from workers.archive.index.newest import PATIENT, differences
from workers.archive.index.originals import find_originals
from workers.archive.index.records import (
    ENTRY,
    IncompleteInstance,
    IndexedFile,
    IndexEntry,
    IndexFailure,
    JournalEntry,
    StudySummary,
)
from workers.archive.index.search import (
    IMAGES_OF_STUDY,
    JOINS,
    PAGE,
    SERIES_OF_STUDY,
    Query,
    Statement,
    head,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from workers.archive.index.grouping import Cursor, Execute
    from workers.archive.index.originals import KeptOriginal
    from workers.archive.index.search import Dialect

T = TypeVar("T")

_ENTRY = ", ".join(f"instance.{name}" for name in ENTRY.split(", "))
_OTHERS = (
    "AND EXISTS (SELECT 1 FROM study o WHERE o.id <> study.id "
    f"AND {head('o.study_instance_uid')} = {head('study.study_instance_uid')} "
    "AND o.study_instance_uid = study.study_instance_uid)"
)
"""The condition that a study has several Patient IDs."""


class IndexReader(ABC):
    """What can be read from the index; safe for several threads."""

    ERRORS: tuple[type[Exception], ...]
    """The exceptions of the database."""
    dialect: Dialect
    settled = ""
    """A condition on lines of the journal: no other one can still appear in front of them."""

    def __init__(self) -> None:
        self._idle: list[Any] = []
        self._lock = threading.Lock()

    # implementations define

    @abstractmethod
    def _connect(self) -> Any:
        """Return a new connection for reading."""

    @abstractmethod
    def _executing(self, connection: Any) -> Execute:
        """Return a function that executes statements on a connection."""

    def _is_lost(self, connection: Any) -> bool:  # noqa: ARG002 - for implementations
        """Return whether a connection has ended by itself."""
        return False

    def _is_outage(self, error: Exception) -> bool:  # noqa: ARG002 - for implementations
        """Return whether an error says that the database is out of reach."""
        return False

    def _failure(self, what: str, error: Exception) -> IndexFailure:
        failure = IndexFailure(f"the index cannot be {what}: {error}")
        failure.is_outage = self._is_outage(error)
        failure.__cause__ = error
        return failure

    # reading

    def ask(self, work: Callable[[Execute], T]) -> T:
        """Perform reading statements on tables of a worker's own; see `Index.change`."""
        with self._reading() as execute:
            return work(execute)

    def find_all(self, sop_instance_uids: Sequence[str]) -> dict[str, IndexEntry]:
        """Return those of a batch of instances that are in the index, by UID."""
        with self._reading_before_write() as execute:
            return updates.find_all(execute, self.dialect, sop_instance_uids)

    def originals(self, sop_instance_uids: Sequence[str]) -> list[KeptOriginal]:
        """Return what is kept of instances that were received under these UIDs."""
        with self._reading() as execute:
            return find_originals(execute, self.dialect, sop_instance_uids)

    def find(self, sop_instance_uid: str) -> IndexEntry | None:
        with self._reading() as execute:
            return updates.find(execute, sop_instance_uid)

    def studies_of(self, sop_instance_uids: Sequence[str]) -> set[str]:
        """Return the UIDs of the studies of some instances."""
        with self._reading() as execute:
            return updates.studies_with(execute, sop_instance_uids)

    def search(self, query: Query) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query; only one page is in memory at a time."""
        return self._pages(Statement(query, self.dialect).page)

    def instances(self, query: Query) -> Iterator[IndexEntry]:
        """Yield the files of a query at image level."""
        statement = Statement(query, self.dialect)
        columns = ", ".join(f"instance.{name}" for name in ENTRY.split(", "))
        rows = self._pages(lambda last: statement.files(columns, last))
        return (updates.entry_of(row) for row in rows)

    def count(self, query: Query) -> int:
        """Return the number of rows of a query."""
        with self._reading() as execute:
            return int(execute(*Statement(query, self.dialect).count()).fetchone()[0])

    def kinds(self, query: Query) -> list[tuple[str, str, int]]:
        """Return the files of a query at image level by SOP class and transfer syntax.

        Each with their number, most files first.
        """
        with self._reading() as execute:
            rows = execute(*Statement(query, self.dialect).kinds()).fetchall()
        return [(str(sop_class), str(syntax), int(number)) for sop_class, syntax, number in rows]

    def patients(self, query: Query) -> dict[str, list[str]]:
        """Return the Patient IDs of the studies of a query, by Study Instance UID."""
        found: dict[str, list[str]] = {}
        with self._reading() as execute:
            for study, patient in execute(*Statement(query, self.dialect).patients()).fetchall():
                found.setdefault(study or "", []).append(patient or "")
        return {study: sorted(patients) for study, patients in found.items()}

    def patients_of(self, patient_id: str) -> list[dict[str, str]]:
        """Return the patient attributes of the studies with this Patient ID, each once."""
        columns = ", ".join(BY_KEYWORD[keyword].column for keyword in PATIENT)
        with self._reading() as execute:
            rows = execute(
                f"SELECT DISTINCT {columns} FROM study WHERE {head('patient_id')} = {head('?')} "
                "AND patient_id || '' = ? AND study_instance_uid <> ''",
                (patient_id, patient_id),
            ).fetchall()
        found = [dict(zip(PATIENT, (text or "" for text in row), strict=True)) for row in rows]
        return sorted(found, key=lambda one: tuple(one.values()))

    def incomplete(self) -> Iterator[IncompleteInstance]:
        """Yield the instances without a Study or Series Instance UID."""
        text = (
            f"SELECT instance.id, study.study_instance_uid, series.series_instance_uid, {_ENTRY} "
            f"FROM {JOINS[Level.IMAGE]} WHERE (COALESCE(study.study_instance_uid, '') = '' "
            "OR COALESCE(series.series_instance_uid, '') = '') AND instance.id > ? "
            "ORDER BY instance.id LIMIT ?"
        )
        rows = self._pages(lambda last: (text, [last, PAGE]))
        return (
            IncompleteInstance(updates.entry_of(entry), study or "", series or "")
            for study, series, *entry in rows
        )

    def stored_values(self) -> Iterator[tuple[IndexEntry, bytes, list[str]]]:
        """Yield every instance with the key of its header and its attributes at image level."""
        names = ", ".join(f"instance.{attribute.column}" for attribute in of_level(Level.IMAGE))
        text = (
            f"SELECT instance.id, header.key, {_ENTRY}, {names} FROM instance "
            "JOIN header ON header.id = instance.header WHERE instance.id > ? "
            "ORDER BY instance.id LIMIT ?"
        )
        width = len(IndexEntry._fields)
        for key, *columns in self._pages(lambda last: (text, [last, PAGE])):
            values = [value or "" for value in columns[width:]]
            yield updates.entry_of(columns[:width]), bytes(key), values

    def wrong_studies(self) -> Iterator[tuple[str, list[str]]]:
        """Yield studies and series whose attributes are not those of their newest instances.

        Yields the Study Instance UID and the keywords.
        """
        text = "SELECT id, id, study_instance_uid FROM study WHERE id > ? ORDER BY id LIMIT ?"
        for number, uid in self._pages(lambda last: (text, [last, PAGE])):
            with self._reading() as execute:
                wrong = differences(execute, number)
            if wrong:
                yield uid or "", wrong

    def is_rebuilt(self, holder: str) -> bool:
        """Return whether a rebuild of a holder's files was begun and has not ended."""
        with self._reading() as execute:
            text = "SELECT 1 FROM rebuild WHERE holder = ?"
            return execute(text, (holder,)).fetchone() is not None

    def assignments(self) -> dict[str, float]:
        """Return the times of the assignments by Study Instance UID."""
        with self._reading() as execute:
            rows = execute("SELECT study_instance_uid, at FROM assignment").fetchall()
        return {row[0]: row[1] for row in rows}

    def everything(self) -> Iterator[IndexEntry]:
        """Yield the file of every instance."""
        return self.instances(Query(Level.IMAGE))

    def conflicts(self) -> list[IndexEntry]:
        """Return the files that were set aside."""
        with self._reading() as execute:
            text = f"SELECT {ENTRY} FROM conflict ORDER BY id"
            return [updates.entry_of(row) for row in execute(text).fetchall()]

    def conflict_count(self) -> int:
        """Return how many files were set aside."""
        with self._reading() as execute:
            return int(execute("SELECT count(*) FROM conflict").fetchone()[0])

    def conflicts_of(self, sop_instance_uid: str) -> list[IndexEntry]:
        """Return the files that were set aside under this UID."""
        with self._reading() as execute:
            uid = sop_instance_uid
            text = (
                f"SELECT {ENTRY} FROM conflict WHERE {head('sop_instance_uid')} = "
                f"{head('?')} AND sop_instance_uid || '' = ? ORDER BY id"
            )
            return [updates.entry_of(row) for row in execute(text, (uid, uid)).fetchall()]

    def below(self, folder: str) -> list[IndexedFile]:
        """Return the files in a directory, which is named without a slash at its end."""
        found = []
        with self._reading() as execute:
            for table in ("instance", "conflict"):
                text = f"SELECT {ENTRY} FROM {table} WHERE path > ? AND path < ?"
                rows = execute(text, (f"{folder}/", f"{folder}0")).fetchall()
                found += [IndexedFile(updates.entry_of(row), table == "conflict") for row in rows]
        return found

    def journal(self, after: int = 0, limit: int = PAGE) -> list[JournalEntry]:
        """Return the changes after number `after`, which a consumer stores as its position."""
        text = (
            f"SELECT seq, kind, at, study_instance_uid, series_instance_uid, {ENTRY} "
            f"FROM journal WHERE seq > ? {self.settled} ORDER BY seq LIMIT ?"
        )
        with self._reading() as execute:
            rows = execute(text, (after, limit)).fetchall()
        return [updates.journal_entry_of(row) for row in rows]

    def end_of_journal(self) -> int:
        """Return the number of the last change, after which a new consumer begins."""
        with self._reading() as execute:
            text = f"SELECT COALESCE(MAX(seq), 0) FROM journal WHERE seq > 0 {self.settled}"
            return int(execute(text).fetchone()[0])

    def to_delete(self, holder: str) -> list[str]:
        """Return the files that are to be deleted, because their rows are gone."""
        with self._reading() as execute:
            rows = execute("SELECT path FROM to_delete WHERE holder = ?", (holder,)).fetchall()
        return [row[0] for row in rows]

    def buckets(self, holder: str) -> dict[str, int]:
        """Return the buckets that agreed with the index, and their times of change then."""
        text = "SELECT name, changed FROM bucket WHERE holder = ?"
        with self._reading() as execute:
            return {row[0]: row[1] for row in execute(text, (holder,)).fetchall()}

    def buckets_of_others(self, holder: str) -> set[str]:
        """Return the buckets that other holders have noted."""
        with self._reading() as execute:
            rows = execute("SELECT name FROM bucket WHERE holder <> ?", (holder,)).fetchall()
        return {row[0] for row in rows}

    def has_only_files_of(self, holder: str, bucket: str) -> bool:
        """Return whether no file in a bucket is in the index as that of another holder."""
        with self._reading() as execute:
            for table in ("instance", "conflict"):
                text = f"SELECT 1 FROM {table} WHERE path > ? AND path < ? AND holder <> ? LIMIT 1"
                if execute(text, (f"{bucket}/", f"{bucket}0", holder)).fetchone():
                    return False
        return True

    def studies(self, *, mismatched: bool = False) -> Iterator[StudySummary]:
        """Yield every study with its counts; or only those with several Patient IDs."""
        others = _OTHERS if mismatched else ""
        text = (
            "SELECT study.id, study.study_instance_uid, study.patient_id, study.patient_name, "
            f"study.study_date, {self.dialect.joined('c.modality', SERIES_OF_STUDY)}, "
            f"(SELECT COUNT(*) FROM {SERIES_OF_STUDY}), (SELECT COUNT(*) FROM {IMAGES_OF_STUDY}), "
            f"(SELECT COALESCE(SUM(c.size), 0) FROM {IMAGES_OF_STUDY}) "
            f"FROM study WHERE study.study_instance_uid <> '' {others} AND study.id > ? "
            "ORDER BY study.id LIMIT ?"
        )
        rows = self._pages(lambda last: (text, [last, PAGE]))
        return (updates.summary_of(row) for row in rows)

    def newest_of_studies(self) -> Iterator[tuple[str, str]]:
        """Yield the UID of every study, and when it received its newest instance.

        The time is as `layout.received` writes it. A study with several patients comes once for
        each of them.
        """
        rows = self._pages(lambda last: (holds.NEWEST_OF_STUDIES, [last, PAGE]))
        return ((str(uid), newest or "") for uid, newest in rows)

    def hold_names(self, beginning: str) -> list[str]:
        """Return the names that begin so and under which instances are held."""
        with self._reading() as execute:
            rows = execute("SELECT DISTINCT owner FROM hold").fetchall()
        return sorted(row[0] for row in rows if row[0].startswith(beginning))

    def study_state(self, study_instance_uid: str, holder: str) -> holds.StudyState:
        """Return what decides whether a holder may delete its instances of a study."""
        with self._reading() as execute:
            return holds.state_of(execute, study_instance_uid, holder)

    def _pages(
        self, statement: Callable[[int], tuple[str, list[Any]]]
    ) -> Iterator[tuple[Any, ...]]:
        """Yield rows without their id, page by page; `statement` gets the id of the last row."""
        last = 0
        while True:
            with self._reading() as execute:
                rows = execute(*statement(last)).fetchall()
            for row in rows:
                yield tuple(row[1:])
            if len(rows) < PAGE:
                return
            last = rows[-1][0]

    # for implementations

    def _reading_before_write(self) -> AbstractContextManager[Execute]:
        """Return a connection for a read that a write follows."""
        return self._reading()

    def _reading(self) -> AbstractContextManager[Execute]:
        return self._lent(self._idle, self._connect)

    @contextmanager
    def _lent(self, idle: list[Any], connect: Callable[[], Any]) -> Iterator[Execute]:
        """Lend a connection for a few statements, and keep it for later if none failed.

        A statement that fails because the connection is lost is repeated on a new one: reading
        twice does no harm, and idle connections are lost when the server is restarted.
        """
        try:
            with self._lock:
                kept = idle.pop() if idle else None
            used = [kept if kept is not None else connect()]

            def execute(*statement: Any) -> Cursor:
                try:
                    return self._executing(used[0])(*statement)
                except self.ERRORS:
                    if not self._is_lost(used[0]):
                        raise
                    used[0] = connect()
                    return self._executing(used[0])(*statement)

            try:
                yield execute
            except BaseException:
                used[0].close()
                raise
        except self.ERRORS as error:
            raise self._failure("read", error) from error
        with self._lock:
            idle.append(used[0])
