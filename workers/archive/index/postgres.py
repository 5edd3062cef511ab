"""The index in a PostgreSQL database, which several gateways may share.

Transactions that write take an advisory lock first: sequence numbers of the journal then appear in
the order in which they are committed, and no two hosts wait for each other's rows in a circle.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

try:
    import psycopg
except ImportError as error:
    from gateway.sdk import ConfigError

    raise ConfigError(
        "the archive's dsn needs psycopg: pip install 'dicom-gateway[postgres]'"
    ) from error

from gateway.sdk import ConfigError
from workers.archive.index.schema import MIGRATIONS
from workers.archive.index.store import Index

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workers.archive.index.grouping import Execute
    from workers.archive.index.search import Dialect

_LOCK = 0x44434D49
"""Names the advisory lock of those who write."""
_CONNECT_TIMEOUT = 10


class PostgresDialect:
    """PostgreSQL's ways to say it."""

    def is_one_of(self, column: str, values: Sequence[str]) -> tuple[str, Any]:
        return f"{column} = ANY(?)", list(values)

    def joined(self, column: str, source: str) -> str:
        inner = f"SELECT DISTINCT {column} AS v FROM {source}"
        return f"(SELECT string_agg(v, '\\' ORDER BY v) FROM ({inner}) AS w WHERE v <> '')"


class PostgresIndex(Index):
    """The database that `dsn` leads to; raises ConfigError if it cannot be used."""

    ERRORS = (psycopg.Error,)
    WORDS = {  # noqa: RUF012 - a constant
        "id": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "seq": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "text": 'TEXT COLLATE "C"',
        "blob": "BYTEA",
        "real": "DOUBLE PRECISION",
    }

    def __init__(self, dsn: str, *, durable: bool = True) -> None:
        super().__init__()
        self._dsn = dsn
        self._durable = durable
        self._writer: psycopg.Connection[Any] | None = None
        try:
            with self._transaction() as execute:
                self._open(execute)
        except psycopg.Error as error:
            self.close()
            why = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
            raise ConfigError(f"the index in PostgreSQL cannot be used: {why}") from None
        except ConfigError:
            self.close()
            raise

    @property
    def dialect(self) -> Dialect:
        return PostgresDialect()

    @property
    def names_holders(self) -> bool:
        return True

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
        self._migrate(execute, row[0] if row else 0, "the index in PostgreSQL")
        execute("DELETE FROM schema_version")
        execute("INSERT INTO schema_version VALUES (?)", (len(MIGRATIONS),))

    def _connect(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(self._dsn, autocommit=True, connect_timeout=_CONNECT_TIMEOUT)
        if not self._durable:
            connection.execute("SET synchronous_commit = off")
        return connection

    def _executing(self, connection: Any) -> Execute:
        def execute(text: str, parameters: Any = None) -> Any:
            return connection.execute(text.replace("%", "%%").replace("?", "%s"), parameters or ())

        return execute

    @contextmanager
    def _transaction(self) -> Iterator[Execute]:
        """A lost connection fails those who are in it; the next one connects anew."""
        if self._writer is None or self._writer.closed:
            self._writer = self._connect()
        execute = self._executing(self._writer)
        try:
            execute("BEGIN")
            execute("SELECT pg_advisory_xact_lock(?)", (_LOCK,))
            yield execute
            execute("COMMIT")
        except BaseException:
            with suppress(psycopg.Error):
                execute("ROLLBACK")
            raise
