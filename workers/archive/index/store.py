"""The interface of the index, and what its implementations have in common.

An implementation says how to connect, and how a transaction that writes is begun; statements are
the same for all.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from gateway.sdk import ConfigError
from workers.archive.attributes import Level
from workers.archive.index import writing
from workers.archive.index.grouping import Cursor, Execute, Group, Work
from workers.archive.index.model import (
    Entry,
    IndexFailure,
    JournalEntry,
    Kept,
    Standing,
    StudySummary,
)
from workers.archive.index.schema import MIGRATIONS, RETIRED
from workers.archive.index.search import PAGE, Query, Statement
from workers.archive.matching import Equal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from workers.archive.index.search import Dialect
    from workers.archive.index.writing import Texts

T = TypeVar("T")


class Index(ABC):
    """Where instances are. Safe for several threads, and for several processes on the same one.

    Everything raises IndexFailure if the database does not do it. What writes has then changed
    nothing - or all, if the connection was lost while it was committed: whoever tries again is
    right in both cases. What it returned from is on disk.
    """

    ERRORS: tuple[type[Exception], ...]
    """What the database raises."""
    WORDS: Mapping[str, str]
    """The types of columns, for the schema."""

    def __init__(self) -> None:
        self._group = Group(self._transaction, self._together)
        self._idle: list[Any] = []
        self._lock = threading.Lock()

    # what implementations say

    @property
    @abstractmethod
    def dialect(self) -> Dialect: ...

    @property
    @abstractmethod
    def names_holders(self) -> bool:
        """Do several gateways share it? Then a row's holder may be another one."""

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[Execute]:
        """A transaction of this process's one writing connection; waits for the others'."""

    @abstractmethod
    def _connect(self) -> Any:
        """A new connection to read with."""

    @abstractmethod
    def _executing(self, connection: Any) -> Execute:
        """Runs statements on it."""

    def _together(self) -> AbstractContextManager[object]:
        """Statements of a transaction that need not wait for each other's results."""
        return nullcontext()

    def _is_lost(self, connection: Any) -> bool:  # noqa: ARG002 - of those that can be
        """Has the connection ended by itself?"""
        return False

    @abstractmethod
    def close(self) -> None:
        """Let go of the connections."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # writing

    def add(self, entry: Entry, texts: Texts, *, replace: bool = False) -> Standing:
        """Add an instance; `texts` has its values. Returns once it is committed.

        One of the same UID stands, and this one is not added, unless `replace`.
        """
        (added,) = self.add_all([(entry, texts)], replace=replace)
        if isinstance(added, Exception):
            raise added
        return added

    def add_all(
        self, news: Sequence[tuple[Entry, Texts]], *, replace: bool = False
    ) -> list[Standing | Exception]:
        """Add instances in one transaction, each as `add` does: what one cannot harms no other.

        What became of each, in their order; IndexFailure, or a mistake of this program's.
        """
        adding = writing.Adding(replace=replace)
        works = [partial(adding.add, entry=entry, texts=texts) for entry, texts in news]
        entries = [entry for entry, _ in news]
        return self._write_all(works, lambda execute: adding.begin(execute, entries))

    def relocate(self, entry: Entry) -> None:
        """The file of an instance that stands is this one from now on; it holds the same."""
        self._write(lambda execute: writing.relocate(execute, entry))

    def set_aside(self, entry: Entry) -> None:
        """Note a file that holds something else under the UID of an instance that stands."""
        self._write(lambda execute: writing.set_aside(execute, entry))

    def drop_conflict(self, entry: Entry) -> None:
        """Forget a file that was set aside."""
        self._write(lambda execute: writing.drop_conflict(execute, entry))

    def remove(self, sop_instance_uids: Iterable[str]) -> list[Entry]:
        """Forget these instances in one transaction; their files are doomed."""
        uids = list(sop_instance_uids)

        def work(execute: Execute) -> list[Entry]:
            return [e for uid in uids if (e := writing.remove(execute, uid)) is not None]

        return self._write(work)

    def forget(self, sop_instance_uid: str) -> None:
        """Forget an instance whose file is gone."""
        self._write(lambda execute: writing.forget(execute, sop_instance_uid))

    def absolve(self, holder: str, paths: Iterable[str]) -> None:
        """These doomed files are deleted."""
        gone = list(paths)
        self._write(lambda execute: writing.absolve(execute, holder, gone))

    def note_buckets(self, holder: str, buckets: Mapping[str, int]) -> None:
        """The buckets agree with the index as of these times of change (nanoseconds)."""
        self._write(lambda execute: writing.note_buckets(execute, holder, buckets))

    # reading

    def find_all(self, sop_instance_uids: Sequence[str]) -> dict[str, Entry]:
        """Those of a batch of instances that stand."""
        with self._looking() as execute:
            return writing.find_all(execute, sop_instance_uids)

    def find(self, sop_instance_uid: str) -> Entry | None:
        with self._reading() as execute:
            return writing.find(execute, sop_instance_uid)

    def search(self, query: Query) -> Iterator[tuple[Any, ...]]:
        """Rows of what the query asks for; of each page only, whatever there is."""
        statement = Statement(query, self.dialect)
        last = 0
        while True:
            with self._reading() as execute:
                rows = execute(*statement.page(last)).fetchall()
            for row in rows:
                yield tuple(row[1:])
            if len(rows) < PAGE:
                return
            last = rows[-1][0]

    def instances(self, query: Query) -> Iterator[Entry]:
        """The files of a query at image level, page by page."""
        statement = Statement(query, self.dialect)
        columns = ", ".join(f"instance.{name}" for name in writing.ENTRY.split(", "))
        last = 0
        while True:
            with self._reading() as execute:
                rows = execute(*statement.files(columns, last)).fetchall()
            for row in rows:
                yield writing.entry_of(row[1:])
            if len(rows) < PAGE:
                return
            last = rows[-1][0]

    def count(self, query: Query) -> int:
        """How many there are."""
        with self._reading() as execute:
            return int(execute(*Statement(query, self.dialect).count()).fetchone()[0])

    def everything(self) -> Iterator[Entry]:
        """Every instance's file."""
        return self.instances(Query(Level.IMAGE))

    def conflicts(self) -> list[Entry]:
        """The files that were set aside."""
        with self._reading() as execute:
            text = f"SELECT {writing.ENTRY} FROM conflict ORDER BY id"
            return [writing.entry_of(row) for row in execute(text).fetchall()]

    def conflicts_of(self, sop_instance_uid: str) -> list[Entry]:
        """Those that were set aside under this UID."""
        with self._reading() as execute:
            text = f"SELECT {writing.ENTRY} FROM conflict WHERE sop_instance_uid = ? ORDER BY id"
            return [writing.entry_of(row) for row in execute(text, (sop_instance_uid,)).fetchall()]

    def below(self, folder: str) -> list[Kept]:
        """What the index knows of a folder, which is named without a slash at its end."""
        found = []
        with self._reading() as execute:
            for table in ("instance", "conflict"):
                text = f"SELECT {writing.ENTRY} FROM {table} WHERE path > ? AND path < ?"
                rows = execute(text, (f"{folder}/", f"{folder}0")).fetchall()
                found += [Kept(writing.entry_of(row), table == "conflict") for row in rows]
        return found

    def journal(self, after: int = 0, limit: int = PAGE) -> list[JournalEntry]:
        """What happened after `after`: a consumer keeps the last `seq` that it has dealt with."""
        text = (
            f"SELECT seq, kind, at, study_instance_uid, series_instance_uid, {writing.ENTRY} "
            "FROM journal WHERE seq > ? ORDER BY seq LIMIT ?"
        )
        with self._reading() as execute:
            rows = execute(text, (after, limit)).fetchall()
        return [writing.journal_entry_of(row) for row in rows]

    def doomed(self, holder: str) -> list[str]:
        """Files whose rows are gone, and which are to be deleted."""
        with self._reading() as execute:
            rows = execute("SELECT path FROM doomed WHERE holder = ?", (holder,)).fetchall()
        return [row[0] for row in rows]

    def buckets(self, holder: str) -> dict[str, int]:
        """The buckets that agreed with the index, and when they had last been changed then."""
        text = "SELECT name, changed FROM bucket WHERE holder = ?"
        with self._reading() as execute:
            return {row[0]: row[1] for row in execute(text, (holder,)).fetchall()}

    def studies(self) -> Iterator[StudySummary]:
        """Every study with its counts."""
        text = (
            "SELECT study.id, study.study_instance_uid, patient.patient_id, patient.patient_name, "
            f"study.study_date, {self.dialect.joined('c.modality', _SERIES)}, "
            f"(SELECT COUNT(*) FROM {_SERIES}), (SELECT COUNT(*) FROM {_IMAGES}), "
            f"(SELECT COALESCE(SUM(c.size), 0) FROM {_IMAGES}) "
            "FROM study JOIN patient ON patient.id = study.patient "
            "WHERE study.id > ? ORDER BY study.id LIMIT ?"
        )
        last = 0
        while True:
            with self._reading() as execute:
                rows = execute(text, (last, PAGE)).fetchall()
            for row in rows:
                yield writing.summary_of(row[1:])
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
        except OSError as error:  # of a file beside the database, such as a lock
            raise _failure(error) from error
        return [_failure(one) if isinstance(one, self.ERRORS) else one for one in results]

    def _looking(self) -> AbstractContextManager[Execute]:
        """A connection to read with, for who writes next."""
        return self._reading()

    @contextmanager
    def _reading(self) -> Iterator[Execute]:
        """A connection for one statement or a few; kept for the next one if nothing went wrong.

        A statement that met a lost connection is asked once more of a new one: to read twice is no
        harm, and an idle connection is as likely as not to be lost when the server was restarted.
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
                f"{where} has digests of a kind that is not used any more (schema {version}): "
                "build it anew with `dicom-gateway archive reindex`, in PostgreSQL in an empty "
                "database"
            )
        if version > len(MIGRATIONS):
            raise ConfigError(
                f"{where} was written by a newer dicom-gateway (schema {version}, this one knows "
                f"{len(MIGRATIONS)}): run that one"
            )
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                execute(statement.format(**self.WORDS))


def _failure(error: Exception) -> IndexFailure:
    failure = IndexFailure(f"the index cannot be written to: {error}")
    failure.__cause__ = error
    return failure


_SERIES = "series c WHERE c.study = study.id"
_IMAGES = "instance c JOIN series d ON d.id = c.series WHERE d.study = study.id"


def one_of(level: Level, column: str, values: Iterable[str]) -> tuple[Level, Equal]:
    """A condition for a query: the column of the level is one of the values."""
    return level, Equal((column,), tuple(values))
