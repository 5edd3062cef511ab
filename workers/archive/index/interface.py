"""The interface of the index, and everything that both implementations have in common.

An implementation connects to its database and begins transactions; the statements are the same.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from gateway.sdk import ConfigError
from workers.archive.attributes import Level
from workers.archive.index import updates
from workers.archive.index.grouping import Cursor, Execute, Group, Work
from workers.archive.index.records import (
    AddResult,
    IndexedFile,
    IndexEntry,
    IndexFailure,
    JournalEntry,
    StudySummary,
)
from workers.archive.index.schema import MIGRATIONS, RETIRED
from workers.archive.index.search import IMAGES_OF_STUDY, PAGE, SERIES_OF_STUDY, Query, Statement
from workers.archive.matching import Equal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from workers.archive.index.search import Dialect
    from workers.archive.index.updates import Texts

T = TypeVar("T")


class Index(ABC):
    """An index of instances; safe for several threads, and for several processes.

    All methods raise IndexFailure if the database fails. A change then had no effect, or its whole
    effect if the connection was lost during the commit; repeating it is right in both cases. When a
    change returns, it is on disk.
    """

    ERRORS: tuple[type[Exception], ...]
    """The exceptions of the database."""
    TYPES: Mapping[str, str]
    """The types of columns, for the schema."""
    dialect: Dialect
    names_holders: bool
    """Whether several gateways share the index, so that a row can have another holder."""

    def __init__(self) -> None:
        self._group = Group(self._transaction, self._pipeline)
        self._idle: list[Any] = []
        self._lock = threading.Lock()

    # implementations define

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[Execute]:
        """Begin a transaction on the writing connection; wait for those of other processes."""

    @abstractmethod
    def _connect(self) -> Any:
        """Return a new connection for reading."""

    @abstractmethod
    def _executing(self, connection: Any) -> Execute:
        """Return a function that executes statements on a connection."""

    def _pipeline(self) -> AbstractContextManager[object]:
        """Send statements without waiting for each other's results, if that is possible."""
        return nullcontext()

    def _is_lost(self, connection: Any) -> bool:  # noqa: ARG002 - for implementations
        """Return whether a connection has ended by itself."""
        return False

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # writing

    def add(self, entry: IndexEntry, texts: Texts, *, replace: bool = False) -> AddResult:
        """Add an instance with the values `texts`; return when it is committed.

        If the UID is in the index, the instance is not added, unless `replace` is true.
        """
        (added,) = self.add_all([(entry, texts)], replace=replace)
        if isinstance(added, Exception):
            raise added
        return added

    def add_all(
        self, news: Sequence[tuple[IndexEntry, Texts]], *, replace: bool = False
    ) -> list[AddResult | Exception]:
        """Add instances as `add` does, in one transaction; return the result of each.

        An exception in place of a result is the failure of that instance only.
        """
        adding = updates.Adding(replace=replace)
        works = [partial(adding.add, entry=entry, texts=texts) for entry, texts in news]
        entries = [entry for entry, _ in news]
        return self._write_all(works, lambda execute: adding.begin(execute, entries))

    def relocate(self, entry: IndexEntry) -> None:
        """Set the file of an instance in the index to another one with the same content."""
        self._write(lambda execute: updates.relocate(execute, entry))

    def set_aside(self, entry: IndexEntry) -> None:
        """Add a file with different content for an instance in the index."""
        self._write(lambda execute: updates.set_aside(execute, entry))

    def drop_conflict(self, entry: IndexEntry) -> None:
        """Remove a file that was set aside."""
        self._write(lambda execute: updates.drop_conflict(execute, entry))

    def remove(self, sop_instance_uids: Iterable[str]) -> list[IndexEntry]:
        """Remove instances in one transaction; their files are then to be deleted."""
        uids = list(sop_instance_uids)

        def work(execute: Execute) -> list[IndexEntry]:
            return [e for uid in uids if (e := updates.remove(execute, uid)) is not None]

        return self._write(work)

    def forget(self, sop_instance_uid: str) -> None:
        """Remove an instance whose file is gone."""
        self._write(lambda execute: updates.forget(execute, sop_instance_uid))

    def deleted(self, holder: str, paths: Iterable[str]) -> None:
        """Note that files of `to_delete` have been deleted."""
        gone = list(paths)
        self._write(lambda execute: updates.deleted(execute, holder, gone))

    def note_buckets(self, holder: str, buckets: Mapping[str, int]) -> None:
        """Note that buckets agree with the index, with their times of change in nanoseconds."""
        self._write(lambda execute: updates.note_buckets(execute, holder, buckets))

    # reading

    def find_all(self, sop_instance_uids: Sequence[str]) -> dict[str, IndexEntry]:
        """Return those of a batch of instances that are in the index, by UID."""
        with self._reading_before_write() as execute:
            return updates.find_all(execute, sop_instance_uids)

    def find(self, sop_instance_uid: str) -> IndexEntry | None:
        with self._reading() as execute:
            return updates.find(execute, sop_instance_uid)

    def search(self, query: Query) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query; only one page is in memory at a time."""
        return self._pages(Statement(query, self.dialect).page)

    def instances(self, query: Query) -> Iterator[IndexEntry]:
        """Yield the files of a query at image level."""
        statement = Statement(query, self.dialect)
        columns = ", ".join(f"instance.{name}" for name in updates.ENTRY.split(", "))
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

    def everything(self) -> Iterator[IndexEntry]:
        """Yield the file of every instance."""
        return self.instances(Query(Level.IMAGE))

    def conflicts(self) -> list[IndexEntry]:
        """Return the files that were set aside."""
        with self._reading() as execute:
            text = f"SELECT {updates.ENTRY} FROM conflict ORDER BY id"
            return [updates.entry_of(row) for row in execute(text).fetchall()]

    def conflicts_of(self, sop_instance_uid: str) -> list[IndexEntry]:
        """Return the files that were set aside under this UID."""
        with self._reading() as execute:
            text = f"SELECT {updates.ENTRY} FROM conflict WHERE sop_instance_uid = ? ORDER BY id"
            return [updates.entry_of(row) for row in execute(text, (sop_instance_uid,)).fetchall()]

    def below(self, folder: str) -> list[IndexedFile]:
        """Return the files in a directory, which is named without a slash at its end."""
        found = []
        with self._reading() as execute:
            for table in ("instance", "conflict"):
                text = f"SELECT {updates.ENTRY} FROM {table} WHERE path > ? AND path < ?"
                rows = execute(text, (f"{folder}/", f"{folder}0")).fetchall()
                found += [IndexedFile(updates.entry_of(row), table == "conflict") for row in rows]
        return found

    def journal(self, after: int = 0, limit: int = PAGE) -> list[JournalEntry]:
        """Return the changes after number `after`, which a consumer stores as its position."""
        text = (
            f"SELECT seq, kind, at, study_instance_uid, series_instance_uid, {updates.ENTRY} "
            "FROM journal WHERE seq > ? ORDER BY seq LIMIT ?"
        )
        with self._reading() as execute:
            rows = execute(text, (after, limit)).fetchall()
        return [updates.journal_entry_of(row) for row in rows]

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

    def studies(self) -> Iterator[StudySummary]:
        """Yield every study with its counts."""
        text = (
            "SELECT study.id, study.study_instance_uid, patient.patient_id, patient.patient_name, "
            f"study.study_date, {self.dialect.joined('c.modality', SERIES_OF_STUDY)}, "
            f"(SELECT COUNT(*) FROM {SERIES_OF_STUDY}), (SELECT COUNT(*) FROM {IMAGES_OF_STUDY}), "
            f"(SELECT COALESCE(SUM(c.size), 0) FROM {IMAGES_OF_STUDY}) "
            "FROM study JOIN patient ON patient.id = study.patient "
            "WHERE study.id > ? ORDER BY study.id LIMIT ?"
        )
        rows = self._pages(lambda last: (text, [last, PAGE]))
        return (updates.summary_of(row) for row in rows)

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

    def _write(self, work: Work[T]) -> T:
        (result,) = self._write_all([work])
        if isinstance(result, Exception):
            raise result
        return result

    def _write_all(
        self, works: Sequence[Work[T]], prepare: Work[object] = lambda _execute: None
    ) -> list[T | Exception]:
        try:
            results = self._group.perform(works, prepare)
        except self.ERRORS as error:
            raise _failure(error) from error
        except OSError as error:  # of the lock file
            raise _failure(error) from error
        return [_failure(one) if isinstance(one, self.ERRORS) else one for one in results]

    def _reading_before_write(self) -> AbstractContextManager[Execute]:
        """Return a connection for a read that a write follows."""
        return self._reading()

    @contextmanager
    def _reading(self) -> Iterator[Execute]:
        """Lend a connection for a few statements, and keep it for later if none failed.

        A statement that fails because the connection is lost is repeated on a new one: reading
        twice does no harm, and idle connections are lost when the server is restarted.
        """
        try:
            with self._lock:
                idle = self._idle.pop() if self._idle else None
            used = [idle if idle is not None else self._connect()]

            def execute(*statement: Any) -> Cursor:
                try:
                    return self._executing(used[0])(*statement)
                except self.ERRORS:
                    if not self._is_lost(used[0]):
                        raise
                    used[0] = self._connect()
                    return self._executing(used[0])(*statement)

            try:
                yield execute
            except BaseException:
                used[0].close()
                raise
        except self.ERRORS as error:
            raise IndexFailure(f"the index cannot be read: {error}") from error
        with self._lock:
            self._idle.append(used[0])

    def _migrate(self, execute: Execute, version: int, where: str) -> None:
        """Bring the tables from this version to the newest; raises ConfigError."""
        if 0 < version <= RETIRED:
            raise ConfigError(
                f"{where} has digests that are no longer supported (schema {version}): rebuild it "
                "with `dicom-gateway archive reindex`, for PostgreSQL in an empty database"
            )
        if version > len(MIGRATIONS):
            raise ConfigError(
                f"{where} was written by a newer dicom-gateway (schema {version}; this version "
                f"supports {len(MIGRATIONS)}): use the newer version"
            )
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                execute(statement.format(**self.TYPES))


def _failure(error: Exception) -> IndexFailure:
    failure = IndexFailure(f"the index cannot be written to: {error}")
    failure.__cause__ = error
    return failure


def one_of(level: Level, column: str, values: Iterable[str]) -> tuple[Level, Equal]:
    """Return a condition for a query: the column of the level is one of the values."""
    return level, Equal((column,), tuple(values))
