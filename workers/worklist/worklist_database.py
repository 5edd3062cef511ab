"""Worklist items from the rows of a query on an SQLite or PostgreSQL database.

The query is run for each C-FIND, on a connection of its own, so that what somebody changes is seen
at once and an outage leaves nothing behind. A query of a large table restricts what it reads by
these parameters, which are NULL if the identifier does not: `:station`, `:modality`, `:patient_id`,
`:accession_number`, and `:first_day` and `:last_day` of the start, as YYYYMMDD. It may return too
much: the worker matches every row.
"""

from __future__ import annotations

import logging
import re
import sqlite3
import time
from abc import ABC, abstractmethod
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.sdk import ConfigError, Unavailable
from workers.archive.attributes import attribute_of
from workers.archive.opening import archive_settings
from workers.archive.worker_options import options_of
from workers.worklist.worklist_columns import RowReader
from workers.worklist.worklist_keys import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydicom.dataset import Dataset

    from workers.worklist.worklist_match import WorklistQuery

FILE = "worklist.sqlite"
"""The database that is made in the data directory where none is named."""
TABLE_COLUMNS = tuple(attribute_of(one.keyword, 0, "").column for one in PLAIN)
"""The columns of the table `worklist`, all of type TEXT."""
STANDARD = """
SELECT * FROM worklist
WHERE (:station IS NULL OR scheduled_station_ae_title = :station)
  AND (:modality IS NULL OR modality = :modality)
  AND (:patient_id IS NULL OR patient_id = :patient_id)
  AND (:accession_number IS NULL OR accession_number = :accession_number)
  AND (:first_day IS NULL OR scheduled_procedure_step_start_date >= :first_day)
  AND (:last_day IS NULL OR scheduled_procedure_step_start_date <= :last_day)
ORDER BY scheduled_procedure_step_start_date, scheduled_procedure_step_start_time
"""
PARAMETERS = ("station", "modality", "patient_id", "accession_number", "first_day", "last_day")
_STATION, _START, _MODALITY = 0x00400001, 0x00400002, 0x00080060
_PATIENT_ID, _ACCESSION_NUMBER = 0x00100020, 0x00080050
_MARK = re.compile(rf"(?<![:\w]):({'|'.join(PARAMETERS)})\b")

log = logging.getLogger("workers.worklist")


@dataclass(frozen=True, slots=True)
class DatabaseOptions:
    """The table `database` in the options of `[workers.worklist]`."""

    dsn: str = ""
    """Connection string of PostgreSQL."""
    file: str = ""
    """An SQLite file. Without both: that of the index, or DATA/worklist.sqlite."""
    query: str = STANDARD
    columns: dict[str, Any] | None = None
    """The attributes of columns that do not have their names."""
    timeout: float = 10.0
    """Seconds that a query may take."""
    most_rows: int = 20_000
    """Rows of one query; with more it fails, and should restrict them."""


def database_options(table: Mapping[str, Any]) -> DatabaseOptions:
    """Return the options of the table `database`; raises ConfigError for one that is wrong."""
    wanted = options_of(DatabaseOptions, table, "worklist: database")
    if wanted.dsn and wanted.file:
        raise ConfigError("worklist: database: dsn and file are two databases")
    return wanted


def database_of(
    table: Mapping[str, Any], options: Mapping[str, Any], data_dir: Path
) -> WorklistDatabase:
    """Return the source that a table of the configuration describes; raises ConfigError."""
    wanted = database_options(table)
    dsn, is_own = wanted.dsn, not (wanted.dsn or wanted.file)
    if is_own:
        dsn = archive_settings(options).dsn
    connection: WorklistConnection
    if dsn:
        connection = _Postgres(dsn, wanted.timeout)
    else:
        file = Path(wanted.file) if wanted.file else data_dir / FILE
        connection = _Sqlite(file, wanted.timeout, may_create=is_own)
    return WorklistDatabase(connection, wanted, makes_table=is_own and wanted.query == STANDARD)


class WorklistConnection(ABC):
    """The way to a database: one connection for each query."""

    @abstractmethod
    def rows(self, query: str, values: Mapping[str, Any], most: int) -> tuple[list[str], list[Any]]:
        """Return the names of the columns, and the first `most` rows; raises Unavailable.

        Raises ConfigError if the database has no such table or column, or a wrong password.
        """

    @abstractmethod
    def create(self, statement: str) -> None:
        """Perform a statement that makes a table; raises Unavailable or ConfigError."""


class _Sqlite(WorklistConnection):
    """An SQLite file, which is read only."""

    def __init__(self, path: Path, timeout: float, *, may_create: bool) -> None:
        self._path, self._timeout, self._may_create = path, timeout, may_create

    def create(self, statement: str) -> None:
        try:
            self._path.touch(mode=0o600)
            with closing(sqlite3.connect(self._path)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute(statement)
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(f"worklist: {self._path} cannot be made: {error}") from None

    def rows(self, query: str, values: Mapping[str, Any], most: int) -> tuple[list[str], list[Any]]:
        if not self._path.exists():
            raise ConfigError(f"worklist: database: there is no file {self._path}")
        end = time.monotonic() + self._timeout
        try:
            where = f"{self._path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(where, timeout=self._timeout, uri=True)) as connection:
                connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
                connection.text_factory = _text
                found = connection.execute(query, dict(values))
                return [one[0] for one in found.description or ()], found.fetchmany(most)
        except sqlite3.Error as error:
            raise self._failure(error) from None

    def _failure(self, error: sqlite3.Error) -> ConfigError | Unavailable:
        text = f"worklist: database {self._path.name}: {error}"
        wrong = ("no such", "syntax error", "incomplete input", "not a database", "ambiguous")
        is_wrong = isinstance(error, sqlite3.ProgrammingError) or any(
            one in str(error) for one in wrong
        )
        if "interrupted" in str(error):
            text = f"worklist: the query took more than {self._timeout:g} s"
        return ConfigError(text) if is_wrong else Unavailable(text)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


class _Postgres(WorklistConnection):
    """A database of PostgreSQL, in transactions that only read."""

    def __init__(self, dsn: str, timeout: float) -> None:
        try:
            import psycopg
        except ImportError:
            raise ConfigError(
                "worklist: database.dsn needs psycopg: pip install 'dicom-gateway[postgres]'"
            ) from None
        self._psycopg = psycopg
        self._dsn, self._timeout = dsn, timeout

    def create(self, statement: str) -> None:
        try:
            with self._connect() as connection:
                connection.execute("SELECT pg_advisory_xact_lock(1464812620)")  # one creates it
                connection.execute(statement)
        except self._psycopg.Error as error:
            raise self._failure(error) from None

    def rows(self, query: str, values: Mapping[str, Any], most: int) -> tuple[list[str], list[Any]]:
        marked = _MARK.sub(r"%(\1)s", query.replace("%", "%%"))
        try:
            with self._connect() as connection, self._psycopg.ClientCursor(connection) as cursor:
                connection.read_only = True
                cursor.execute(f"{_limited(marked)} LIMIT {most:d}", dict(values))
                names = [one.name for one in cursor.description or ()]
                return names, cursor.fetchall()
        except self._psycopg.Error as error:
            raise self._failure(error) from None

    def _connect(self) -> Any:
        connection = self._psycopg.connect(
            self._dsn, connect_timeout=max(2, int(self._timeout)), autocommit=True
        )
        connection.execute(f"SET statement_timeout = {int(self._timeout * 1000)}")
        connection.autocommit = False
        return connection

    def _failure(self, error: Any) -> ConfigError | Unavailable:
        """Return what a failure is; errors of values have them in their text, which is left out."""
        state = error.sqlstate or ""
        text = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if state.startswith("22"):
            text = f"a value has the wrong type (SQLSTATE {state})"
        is_wrong = state.startswith(("28", "3D", "3F", "42")) or "authentication failed" in text
        text = f"worklist: database: {text}"
        return ConfigError(text) if is_wrong else Unavailable(text)


def _limited(query: str) -> str:
    return f"SELECT * FROM ({query.strip().rstrip(';')}) AS worklist_rows"


class WorklistDatabase:
    """The worklist items of a query."""

    def __init__(
        self, connection: WorklistConnection, options: DatabaseOptions, *, makes_table: bool
    ) -> None:
        self._connection, self._options = connection, options
        self._makes_table = makes_table
        self._rows = 0
        self.trouble = ""

    def check(self) -> None:
        """Make the table if it is the gateway's own, and see whether the query can be run."""
        if self._makes_table:
            columns = ", ".join(f"{name} TEXT" for name in TABLE_COLUMNS)
            self._connection.create(f"CREATE TABLE IF NOT EXISTS worklist ({columns})")
        names, _ = self._connection.rows(self._options.query, dict.fromkeys(PARAMETERS), 1)
        RowReader(names, self._options.columns or {})

    def facts(self) -> dict[str, Any]:
        return {"rows": self._rows}

    def items(self, query: WorklistQuery, _identifier: Dataset) -> Iterable[Dataset]:
        most = self._options.most_rows
        try:
            values = parameters_of(query)
            names, rows = self._connection.rows(self._options.query, values, most + 1)
            if len(rows) > most:
                raise Unavailable(f"the worklist query has more than {most} rows (most_rows)")
            reader = RowReader(names, self._options.columns or {})
        except ConfigError as error:  # a table that was changed while the worker runs
            raise Unavailable(str(error)) from None
        self._rows = len(rows)
        return self._items(reader, rows)

    def _items(self, reader: RowReader, rows: list[Any]) -> Iterator[Dataset]:
        wrong: dict[str, int] = {}
        passed_over = 0

        def note(column: str) -> None:
            wrong[column] = wrong.get(column, 0) + 1

        for row in rows:
            item = reader.item(row, note)
            if item is None:
                passed_over += 1
            else:
                yield item
        found = [f"column {name} has no valid value in {n} rows" for name, n in wrong.items()]
        if passed_over:
            found.append(f"{passed_over} rows are passed over")
        text = "; ".join(found)
        if text and text != self.trouble:
            log.warning("worklist: %s", text)
        self.trouble = text


def parameters_of(query: WorklistQuery) -> dict[str, str | None]:
    """Return the values that a query of a database may restrict its rows by."""
    step = query.step
    first, last = step.days(_START) if step else ("", "")
    found = {
        "station": step.single(_STATION) if step else "",
        "modality": step.single(_MODALITY) if step else "",
        "patient_id": query.single(_PATIENT_ID),
        "accession_number": query.single(_ACCESSION_NUMBER),
        "first_day": first,
        "last_day": last,
    }
    return {name: value or None for name, value in found.items()}
