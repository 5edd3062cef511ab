"""The index in a PostgreSQL database, which several gateways can share.

Transactions of several hosts run at the same time. One that changes studies first locks their UIDs,
in one order; so it waits only for others that change the same studies, and reads what they wrote.
Patients are locked as their rows are written. What is contested all the same - one instance at two
hosts, a deadlock - is repeated. For the order of the journal see `journal_order`.

A host that hangs in a transaction loses it after `_HUNG` seconds: those that wait for its locks end
it (`end_hung`). The server does so too (`database_session`), but not in the middle of a pipeline.

When the server is restarted or a connection is lost, the first statement on the connection fails. A
read is repeated on a new connection. A transaction that was interrupted before its COMMIT was sent
cannot have been committed, because the server rolls it back, and is repeated as a whole. So is one
that adds instances, whose COMMIT is sent with its other statements: every change first looks at the
existing row, and if the commit did succeed, the instance is the same with the same path, which is a
success with one row and one line in the journal. If the response to another COMMIT is lost, the
outcome is unknown. That is not repeated here but raises IndexFailure, which becomes a failure
status. A peer that sends the instance again gets the right answer, for the same reason. Its file is
not deleted in the meantime.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager, nullcontext, suppress
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

try:
    import psycopg
except ImportError as error:
    from gateway.sdk import ConfigError

    raise ConfigError("archive.dsn needs psycopg: pip install 'dicom-gateway[postgres]'") from error

from gateway.sdk import ConfigError, Unavailable
from workers.archive.index.array_insertion import (
    insert_at_once,
    number_array,
)
from workers.archive.index.database_check import check_database, check_tables
from workers.archive.index.database_session import connected
from workers.archive.index.grouping import Contested, Interrupted
from workers.archive.index.interface import Index
from workers.archive.index.journal_order import SETTLED, order_journal
from workers.archive.index.known_function import CREATION, add_below_known
from workers.archive.index.known_headers import KnownHeaders, are_each_once, keys_of
from workers.archive.index.postgres_dialect import PostgresDialect
from workers.archive.index.postgres_errors import is_contested, is_outage, is_wrong, why_unusable
from workers.archive.index.records import NEWLY_ADDED, AddResult, IndexEntry, SharingGateway, Texts
from workers.archive.index.schema import MIGRATIONS, RETIRED, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from workers.archive.index.grouping import Execute
    from workers.archive.index.insertion import NewInstance
    from workers.archive.index.search import Dialect

log = logging.getLogger("workers.archive")

_LOCK = 0x44434D49
"""The class of the advisory locks, for studies by digest; without one, for the tables."""
_READING = {"plan_cache_mode": "force_custom_plan"}
_BY_KEYS = {"enable_seqscan": "off", "plan_cache_mode": "force_generic_plan"}
"""Settings for statements that are prepared while a table is small: a plan that reads all of it
would be kept until the server has counted its rows again, minutes later. What is written is looked
up by keys only, so one plan is right for all, and to make it takes longer than to execute it.
"""
_NOW = "extract(epoch FROM clock_timestamp())::double precision"
_PAUSE = 0.2
"""Seconds between two attempts to connect to a server that is away."""
_HUNG = 2.0
"""Seconds for which the server waits in a transaction until another host may end it."""
_END_HUNG = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid IN (SELECT pid "
    "FROM pg_locks WHERE locktype = 'advisory' AND classid = ? AND granted) "
    "AND datname = current_database() AND usename = current_user AND wait_event_type = 'Client' "
    "AND state_change < clock_timestamp() - make_interval(secs => ?)"
)


class _InterruptedTransaction(psycopg.OperationalError, Interrupted):
    """`Interrupted`, which is also an error of the database if it is raised again."""


class _ContestedTransaction(_InterruptedTransaction, Contested):
    """`Contested`, which is also an error of the database if it is raised again."""


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
    names_holders = True
    commits_elsewhere = True
    settled = SETTLED

    def __init__(self, dsn: str, *, durable: bool = True, anew: bool = False) -> None:
        super().__init__()
        self.dialect: Dialect = PostgresDialect()
        self._dsn = dsn
        self._anew = anew
        self._durable = durable
        self._away_since: float | None = None
        self._checking: psycopg.Connection[Any] | None = None
        self._keyed: list[psycopg.Connection[Any]] = []
        """Idle connections for reads by keys."""
        self._is_committing = False
        """Whether the COMMIT of the transaction was sent with its other statements."""
        self._writer: psycopg.Connection[Any] | None = None
        self._known = KnownHeaders()
        self._has_function = False
        """Whether the writing connection has `known_function`, for which the user needs TEMP."""
        try:
            with self._transaction() as execute:
                self._open(execute)
        except psycopg.Error as error:
            self.close()
            text = f"archive.dsn: the database cannot be used: {why_unusable(error)}"
            raise (ConfigError if is_wrong(error) else Unavailable)(text) from None
        except (ConfigError, Unavailable):
            self.close()
            raise

    def close(self) -> None:
        for connection in (*self._idle, *self._keyed, self._writer, self._checking):
            if connection is not None:
                with suppress(psycopg.Error):
                    connection.close()
        self._idle.clear()
        self._keyed.clear()
        self._writer = self._checking = None

    def check(self) -> None:
        """Raise IndexFailure, at once, if the server is away; end what holds up other hosts."""
        try:
            if self._checking is None or self._checking.closed:
                self._checking = self._connect_once()
            self._executing(self._checking)("SELECT 1 FROM instance LIMIT 1")
        except psycopg.Error as error:
            self._away_since = self._away_since or time.monotonic()
            raise self._failure("read", error) from error
        self._away_since = None
        if ended := self.end_hung():
            log.warning("transactions of other hosts that hang ended=%d", ended)

    def clock(self) -> float:
        with self._reading() as execute:
            return float(execute(f"SELECT {_NOW}").fetchone()[0])

    def gateways(self) -> dict[str, SharingGateway]:
        text = (
            "SELECT holder, identity, ae_title, address, port, tls, "
            f"{_NOW} - heartbeat FROM gateway"
        )
        with self._reading() as execute:
            rows = execute(text).fetchall()
        return {
            holder: SharingGateway(holder, identity, title, address, port, bool(tls), float(age))
            for holder, identity, title, address, port, tls, age in rows
        }

    def note_gateway(self, own: SharingGateway, silent: float) -> bool:
        where = own.holder, own.identity, own.ae_title, own.address, own.port, int(own.tls)
        with self._reading() as execute:
            done = execute(
                "INSERT INTO gateway VALUES (?, ?, ?, COALESCE(NULLIF(?, ''), "
                f"host(inet_client_addr()), '127.0.0.1'), ?, ?, {_NOW}) "
                "ON CONFLICT (holder) DO UPDATE SET identity = excluded.identity, "
                "ae_title = excluded.ae_title, address = excluded.address, "
                "port = excluded.port, tls = excluded.tls, heartbeat = excluded.heartbeat "
                "WHERE gateway.identity = excluded.identity "
                "OR gateway.heartbeat < excluded.heartbeat - ?",
                (*where, silent),
            )
            return done.rowcount > 0

    def add_all(
        self,
        news: Sequence[tuple[IndexEntry, Texts]],
        *,
        replace: bool = False,
        refuse: bool = False,
        absent: frozenset[str] = frozenset(),
    ) -> list[AddResult | Exception]:
        keys = keys_of(news)
        if keys and self._known.are_known(keys) and are_each_once(news, absent):
            try:
                if self._add_below_known(news, keys):
                    return [NEWLY_ADDED] * len(news)
                self._known.failed(keys)
            except (psycopg.Error, ValueError) as error:
                absent = frozenset()  # one was not, or all were committed
                self._has_function &= not isinstance(error, psycopg.ProgrammingError)
        added = super().add_all(news, replace=replace, refuse=refuse, absent=absent)
        self._known.used(keys)
        return added

    def _add_below_known(
        self, news: Sequence[tuple[IndexEntry, Texts]], keys: Sequence[bytes]
    ) -> bool:
        """Add instances that are not in the index, with one message to the server, or none of them.

        Returns whether the rows above allow it. After an error they may have been added.
        """
        studies = {texts.get("StudyInstanceUID") or "" for _, texts in news}
        with self._group.lock:
            if self._writer is None or self._writer.closed or not self._has_function:
                return False
            execute = self._executing(self._writer)
            return add_below_known(execute, news, keys, (_LOCK, _numbers(studies)))

    def end_hung(self) -> int:
        """End transactions for which the readers of the journal, and perhaps hosts, would wait.

        Returns their number. A host that goes on repeats its transaction.
        """
        with self._reading() as execute:
            return int(execute(_END_HUNG, (_LOCK, _HUNG)).fetchone()[0])

    def _open(self, execute: Execute) -> None:
        check_database(execute)
        execute("SELECT pg_advisory_xact_lock(?)", (_LOCK,))  # one creates the tables
        execute("SET LOCAL statement_timeout = 0")
        execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
        row = execute("SELECT version::integer FROM schema_version").fetchone()
        version = row[0] if row else 0
        is_replaced = self._anew and 0 < version <= RETIRED
        if is_replaced:
            version = 0
            for table in TABLES:
                execute(f"DROP TABLE IF EXISTS {table}")
        self._migrate(execute, version, "the index in PostgreSQL")
        check_tables(execute)
        # After the numbers that consumers have read.
        order_journal(execute, int(time.time() * 1000) if is_replaced else 0)
        if version < len(MIGRATIONS):
            execute("DELETE FROM schema_version")
            execute("INSERT INTO schema_version VALUES (?)", (len(MIGRATIONS),))

    def _connect(self, more: Mapping[str, str] = _READING) -> psycopg.Connection[Any]:
        while True:
            try:
                connection = self._connect_once(more)
            except psycopg.Error as error:
                self._away_since = self._away_since or time.monotonic()
                away = time.monotonic() - self._away_since
                if away >= self.patience or not self._is_outage(error):
                    raise
                time.sleep(_PAUSE)
            else:
                self._away_since = None
                return connection

    def _connect_once(self, more: Mapping[str, str] = _READING) -> psycopg.Connection[Any]:
        return connected(self._dsn, more, durable=self._durable)

    def _lock_studies(self, execute: Execute, study_instance_uids: Iterable[str]) -> None:
        numbers = _numbers(study_instance_uids)
        text = "SELECT pg_advisory_xact_lock(?, number) FROM unnest(?::int[]) AS number"
        execute(text, (_LOCK, number_array(numbers)))

    def _insert(self, execute: Execute, new: Sequence[NewInstance]) -> None:
        insert_at_once(execute, new)

    def _executing(self, connection: Any) -> Execute:
        def execute(text: str, parameters: Any = None) -> Any:
            return connection.execute(_with_marks(text), parameters or ())

        return execute

    def _reading_before_write(self) -> AbstractContextManager[Execute]:
        return self._lent(self._keyed, lambda: self._connect(_BY_KEYS))

    def _commit(self, execute: Execute) -> None:
        self._is_committing = True
        execute("COMMIT")

    def _pipeline(self) -> AbstractContextManager[object]:
        if self._writer is None or not psycopg.Pipeline.is_supported():
            return nullcontext()
        return self._writer.pipeline()

    def _is_outage(self, error: Exception) -> bool:
        return is_outage(error)

    def _is_lost(self, connection: psycopg.Connection[Any]) -> bool:
        return connection.closed

    @contextmanager
    def _transaction(self) -> Iterator[Execute]:
        """Raises Interrupted if the connection is lost before the COMMIT, or others contest it."""
        if self._writer is None or self._writer.closed:
            self._writer = self._connect(_BY_KEYS)
            self._has_function = _created(self._writer)
        writer = self._writer
        execute = self._executing(writer)
        self._is_committing = False
        try:
            yield _beginning(execute)
        except BaseException as error:
            if isinstance(error, psycopg.Error) and self._is_lost(writer):
                raise _InterruptedTransaction(str(error)) from error
            _roll_back(writer)
            if is_contested(error):
                with suppress(psycopg.Error):
                    execute(_END_HUNG, (_LOCK, _HUNG))
                raise _ContestedTransaction(str(error)) from error
            raise
        if self._is_committing:
            return
        try:
            execute("COMMIT")
        except BaseException:
            _roll_back(writer)
            raise


def _beginning(execute: Execute) -> Execute:
    """Return what begins a transaction with its first statement, in the same pipeline."""
    has_begun = False

    def execute_begun(text: str, parameters: Any = None) -> Any:
        nonlocal has_begun
        if not has_begun:
            has_begun = True
            execute("BEGIN")
        return execute(text, parameters)

    return execute_begun


@lru_cache(256)
def _with_marks(text: str) -> str:
    """Return a statement with the marks of psycopg for its parameters."""
    return text.replace("%", "%%").replace("?", "%s")


def _created(connection: psycopg.Connection[Any]) -> bool:
    """Make `known_function` on a connection; return False where the user has no right to."""
    try:
        for statement in CREATION:
            connection.execute(statement)
    except psycopg.Error:
        return False
    return True


def _numbers(study_instance_uids: Iterable[str]) -> list[int]:
    """Return the numbers of the locks of studies, in the order in which they are taken."""
    return sorted({_number(uid) for uid in study_instance_uids})


def _number(study_instance_uid: str) -> int:
    """Return the number of the lock of a study."""
    digest = blake2b(study_instance_uid.encode("utf-8", "replace"), digest_size=4).digest()
    return int.from_bytes(digest, "big", signed=True)


def _roll_back(connection: psycopg.Connection[Any]) -> None:
    with suppress(psycopg.Error):
        connection.execute("ROLLBACK")
