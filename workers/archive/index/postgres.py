"""The index in a PostgreSQL database, which several gateways can share.

Transactions that write take an advisory lock first. So the sequence numbers of the journal appear
in the order of the commits, and two hosts cannot deadlock on each other's rows.

When the server is restarted or a connection is lost, the first statement on the connection fails. A
read is repeated on a new connection. A transaction that was interrupted before its COMMIT was sent
cannot have been committed, because the server rolls it back, and is repeated as a whole. If the
response to a COMMIT is lost, the outcome is unknown. That is not repeated here but raises
IndexFailure, which becomes a failure status. A peer that sends the instance again gets the right
answer, because every change first looks at the existing row: if the commit did succeed, the
instance is the same with the same path, which is a success with one row and one line in the
journal. Its file is not deleted in the meantime.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo
except ImportError as error:
    from gateway.sdk import ConfigError

    raise ConfigError("archive.dsn needs psycopg: pip install 'dicom-gateway[postgres]'") from error

from gateway.sdk import ConfigError, Unavailable
from workers.archive.index.grouping import Interrupted
from workers.archive.index.interface import Index
from workers.archive.index.schema import MIGRATIONS, RETIRED, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from workers.archive.index.grouping import Execute
    from workers.archive.index.search import Dialect

_LOCK = 0x44434D49
"""The number of the advisory lock for writing."""
_TIMEOUTS: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""Defaults for the DSN: a server that is gone without closing is noticed within a minute."""


class PostgresDialect:
    """Expressions in the SQL of PostgreSQL."""

    def is_one_of(self, column: str, values: Sequence[str]) -> tuple[str, Any]:
        return f"{column} = ANY(?)", list(values)

    def joined(self, column: str, source: str) -> str:
        inner = f"SELECT DISTINCT {column} AS v FROM {source}"
        return f"(SELECT string_agg(v, '\\' ORDER BY v) FROM ({inner}) AS w WHERE v <> '')"


class _InterruptedTransaction(psycopg.OperationalError, Interrupted):
    """`Interrupted`, which is also an error of the database if it is raised again."""


class PostgresIndex(Index):
    """The index in the database `dsn`.

    Raises ConfigError if it cannot be used as it is set, and Unavailable if it cannot at present.
    With `anew` tables of a version that is no longer supported are replaced by empty ones.
    """

    ERRORS = (psycopg.Error,)
    TYPES = {  # noqa: RUF012 - a constant
        "id": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "seq": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "text": 'TEXT COLLATE "C"',
        "blob": "BYTEA",
        "real": "DOUBLE PRECISION",
    }
    dialect: Dialect = PostgresDialect()
    names_holders = True

    def __init__(self, dsn: str, *, durable: bool = True, anew: bool = False) -> None:
        super().__init__()
        self._dsn = dsn
        self._anew = anew
        self._durable = durable
        self._writer: psycopg.Connection[Any] | None = None
        try:
            with self._transaction() as execute:
                self._open(execute)
        except psycopg.Error as error:
            self.close()
            why = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
            text = f"archive.dsn: the database cannot be used: {why}"
            raise (ConfigError if _is_wrong(error) else Unavailable)(text) from None
        except ConfigError:
            self.close()
            raise

    def close(self) -> None:
        writer = [self._writer] if self._writer is not None else []
        for connection in (*self._idle, *writer):
            with suppress(psycopg.Error):
                connection.close()
        self._idle.clear()
        self._writer = None

    def _open(self, execute: Execute) -> None:
        execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
        row = execute("SELECT version FROM schema_version").fetchone()
        version = row[0] if row else 0
        is_replaced = self._anew and 0 < version <= RETIRED
        if is_replaced:
            version = 0
            for table in TABLES:
                execute(f"DROP TABLE IF EXISTS {table}")
        self._migrate(execute, version, "the index in PostgreSQL")
        if is_replaced:  # after the numbers that consumers have read
            execute(f"ALTER TABLE journal ALTER COLUMN seq RESTART WITH {int(time.time() * 1000)}")
        execute("DELETE FROM schema_version")
        execute("INSERT INTO schema_version VALUES (?)", (len(MIGRATIONS),))

    def _connect(self) -> psycopg.Connection[Any]:
        where = make_conninfo(**(_TIMEOUTS | conninfo_to_dict(self._dsn)))
        connection = psycopg.connect(where, autocommit=True)
        if not self._durable:
            connection.execute("SET synchronous_commit = off")
        return connection

    def _executing(self, connection: Any) -> Execute:
        def execute(text: str, parameters: Any = None) -> Any:
            return connection.execute(text.replace("%", "%%").replace("?", "%s"), parameters or ())

        return execute

    def _pipeline(self) -> AbstractContextManager[object]:
        if self._writer is None or not psycopg.Pipeline.is_supported():
            return nullcontext()
        return self._writer.pipeline()

    def _is_lost(self, connection: psycopg.Connection[Any]) -> bool:
        return connection.closed

    @contextmanager
    def _transaction(self) -> Iterator[Execute]:
        """Raises _InterruptedTransaction if the connection is lost before the COMMIT."""
        if self._writer is None or self._writer.closed:
            self._writer = self._connect()
        writer = self._writer
        execute = self._executing(writer)
        try:
            execute("BEGIN")
            execute("SELECT pg_advisory_xact_lock(?)", (_LOCK,))
            yield execute
        except BaseException as error:
            if isinstance(error, psycopg.Error) and self._is_lost(writer):
                raise _InterruptedTransaction(str(error)) from error
            _roll_back(writer)
            raise
        try:
            execute("COMMIT")
        except BaseException:
            _roll_back(writer)
            raise


_WRONG = ("28", "3D", "3F", "42")
"""Classes of SQLSTATE that no waiting can mend: password, database, schema, rights."""
_WRONG_TEXTS = ("authentication failed", "no password supplied", "does not exist", "no pg_hba.conf")
"""The same for a connection that is refused, for which libpq hands on a text only."""


def _is_wrong(error: psycopg.Error) -> bool:
    """Return whether only another setting, or a right that is granted, can help."""
    if error.sqlstate is not None:
        return error.sqlstate.startswith(_WRONG)
    text = str(error)
    return isinstance(error, psycopg.ProgrammingError) or (
        "FATAL" in text and any(one in text for one in _WRONG_TEXTS)
    )


def _roll_back(connection: psycopg.Connection[Any]) -> None:
    with suppress(psycopg.Error):
        connection.execute("ROLLBACK")
