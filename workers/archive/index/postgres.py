"""The index in a PostgreSQL database, which several gateways may share.

Transactions that write take an advisory lock first: sequence numbers of the journal then appear in
the order in which they are committed, and no two hosts wait for each other's rows in a circle.

Theory of operation, when the server was restarted or a connection lost. An idle connection that the
server has closed is noticed by the first statement on it. A read is asked once more, of a new
connection. A transaction that was interrupted before its COMMIT was sent cannot have been
committed - the server rolls back what loses its client - and is done once more as a whole, over a
new connection. If the answer to a COMMIT is what got lost, nobody knows: that is not repeated here,
but is an IndexFailure, which becomes a failure status or an error message. Who tries again finds
out: every change looks first at what stands (`writing`), so that an instance which was committed
is the same instance with the same path, a success, one row, one line in the journal. Its file is
not deleted meanwhile: one without row is adopted at the next start.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo
except ImportError as error:
    from gateway.sdk import ConfigError

    raise ConfigError(
        "the archive's dsn needs psycopg: pip install 'dicom-gateway[postgres]'"
    ) from error

from gateway.sdk import ConfigError
from workers.archive.index.grouping import Interrupted
from workers.archive.index.schema import MIGRATIONS
from workers.archive.index.store import Index

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from workers.archive.index.grouping import Execute
    from workers.archive.index.search import Dialect

_LOCK = 0x44434D49
"""Names the advisory lock of those who write."""
_PATIENCE: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""What the DSN need not say: a server that is gone without a word is noticed within a minute."""


class PostgresDialect:
    """PostgreSQL's ways to say it."""

    def is_one_of(self, column: str, values: Sequence[str]) -> tuple[str, Any]:
        return f"{column} = ANY(?)", list(values)

    def joined(self, column: str, source: str) -> str:
        inner = f"SELECT DISTINCT {column} AS v FROM {source}"
        return f"(SELECT string_agg(v, '\\' ORDER BY v) FROM ({inner}) AS w WHERE v <> '')"


class _Interrupted(psycopg.OperationalError, Interrupted):
    """As `Interrupted`, and still an error of the database if it happens again."""


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
        where = make_conninfo(**(_PATIENCE | conninfo_to_dict(self._dsn)))
        connection = psycopg.connect(where, autocommit=True)
        if not self._durable:
            connection.execute("SET synchronous_commit = off")
        return connection

    def _executing(self, connection: Any) -> Execute:
        def execute(text: str, parameters: Any = None) -> Any:
            return connection.execute(text.replace("%", "%%").replace("?", "%s"), parameters or ())

        return execute

    def _together(self) -> AbstractContextManager[object]:
        if self._writer is None or not psycopg.Pipeline.is_supported():
            return nullcontext()
        return self._writer.pipeline()

    def _is_lost(self, connection: psycopg.Connection[Any]) -> bool:
        return connection.closed

    @contextmanager
    def _transaction(self) -> Iterator[Execute]:
        """Raises _Interrupted if the connection was lost before the COMMIT."""
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
                raise _Interrupted(str(error)) from error
            _roll_back(writer)
            raise
        try:
            execute("COMMIT")
        except BaseException:
            _roll_back(writer)
            raise


def _roll_back(connection: psycopg.Connection[Any]) -> None:
    with suppress(psycopg.Error):
        connection.execute("ROLLBACK")
