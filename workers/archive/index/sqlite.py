"""The index in an SQLite file in the archive.

With WAL and `synchronous=FULL` a commit is on disk when it returns. SQLite makes processes poll
while another one writes, for hundreds of milliseconds; so each transaction takes a blocking lock
first.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sqlite3
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from gateway.sdk import ConfigError, GatewayError, Unavailable
from workers.archive.file_system import is_full, not_writable, rename_new, sync_file, sync_folder
from workers.archive.index.grouping import Contested
from workers.archive.index.insertion import insert_prepared
from workers.archive.index.interface import Index
from workers.archive.index.records import IndexFailure
from workers.archive.index.schema import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from workers.archive.index.grouping import Execute
    from workers.archive.index.insertion import NewInstance
    from workers.archive.index.search import Dialect

REBUILD = "stop the gateway and run `dicom-gateway archive reindex`"
_CHECKED = 64 << 20
"""Bytes up to which a file is checked when it is opened, which takes a tenth of a second."""
_BUSY_TIMEOUT = 30.0
"""Seconds to wait for a lock of another program, such as a backup."""
_HEADER = b"SQLite format 3\0"


def open_mark(path: Path) -> int:
    """Open the file whose lock says that the index is open (shared) or rebuilt (exclusive)."""
    name = path.with_name(f"{path.name}.open")
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


class SqliteDialect:
    """Expressions in the SQL of SQLite."""

    def is_one_of(self, column: str, values: Sequence[str]) -> tuple[str, Any]:
        return f"{column} IN (SELECT value FROM json_each(?))", json.dumps(list(values))

    def among(self, column: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
        return f"{column} IN ({', '.join('?' * len(values))})", list(values)

    def joined(self, column: str, source: str) -> str:
        inner = f"SELECT DISTINCT {column} AS v FROM {source} ORDER BY v"
        return f"(SELECT group_concat(v, '\\') FROM ({inner}) WHERE v <> '')"

    def insert(self, execute: Execute, table: str, row: Mapping[str, Any]) -> int:
        marks = ", ".join("?" * len(row))
        text = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks}) RETURNING id"
        return int(execute(text, tuple(row.values())).fetchone()[0])


class SqliteIndex(Index):
    """The index in the file `path`, which is created if it is missing and `create` is true.

    Raises Unavailable, which says what to do, for a file that is damaged or missing or a disk that
    is full, and ConfigError for a file that is too new or not accessible for this user.
    """

    ERRORS = (sqlite3.Error,)
    TYPES = {  # noqa: RUF012 - a constant
        "id": "INTEGER PRIMARY KEY",
        "seq": "INTEGER PRIMARY KEY AUTOINCREMENT",
        "text": "TEXT",
        "blob": "BLOB",
        "real": "REAL",
    }
    dialect: Dialect = SqliteDialect()
    names_holders = False
    is_file = True

    def __init__(self, path: Path, *, durable: bool = True, create: bool = True) -> None:
        super().__init__()
        self._path = path
        self._durable = durable
        self._lock_fd = self._open_fd = -1
        try:
            self._lock_fd = os.open(
                path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            self._open_fd = self._join()
            self._check_file(create)
            with self._locked():
                self._writer = self._connect(create=create)
                self._open()
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise _refusal(path, error) from None
        except GatewayError:
            self.close()
            raise

    def close(self) -> None:
        if self._lock_fd < 0:
            return
        for connection in (*self._idle, *([self._writer] if hasattr(self, "_writer") else [])):
            with suppress(sqlite3.Error):
                connection.close()
        self._idle.clear()
        os.close(self._lock_fd)
        if self._open_fd >= 0:
            os.close(self._open_fd)
        self._lock_fd = self._open_fd = -1

    def write_anew(self) -> None:
        """Write the index, whose file was deleted, to a new file of its name.

        The caller sees to it that nothing is written meanwhile and afterwards. Raises IndexFailure
        or OSError, and FileExistsError if there is a file again.
        """
        draft = self._path.with_name(f"{self._path.name}.draft")
        draft.unlink(missing_ok=True)
        try:
            with closing(sqlite3.connect(draft)) as target, self._group.lock:
                self._writer.backup(target)
            sync_file(draft)
            for suffix in ("-wal", "-shm"):  # of the deleted file: not of the new one
                self._path.with_name(f"{self._path.name}{suffix}").unlink(missing_ok=True)
            rename_new(draft, self._path)
            sync_folder(self._path.parent)
        except sqlite3.Error as error:
            raise IndexFailure(f"the index cannot be written anew: {error}") from error
        finally:
            draft.unlink(missing_ok=True)

    def begin_journal_at(self, seq: int) -> None:
        """Start the journal of a rebuilt index after the numbers that consumers have read."""
        self._write(
            lambda execute: execute("INSERT INTO sqlite_sequence VALUES ('journal', ?)", (seq,))
        )

    def _join(self) -> int:
        """Mark the index as open, so that it is not replaced."""
        fd = open_mark(self._path)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise Unavailable(f"the index {self._path} is being rebuilt: try later") from None
        return fd

    def _check_file(self, create: bool) -> None:
        """Check that a file is a database: SQLite would overwrite a short one that is not."""
        try:
            with self._path.open("rb") as file:
                head = file.read(len(_HEADER))
        except FileNotFoundError:
            if not create:
                raise Unavailable(
                    f"there are instances but no index {self._path}: {REBUILD}"
                ) from None
            return
        if head and head != _HEADER:
            raise Unavailable(f"the index {self._path} is damaged (not a database): {REBUILD}")
        if not head and not create:
            raise Unavailable(f"the index {self._path} is damaged (empty): {REBUILD}")

    def _open(self) -> None:
        execute = self._writer.execute
        (mode,) = execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise ConfigError(f"the index {self._path} cannot be used: no WAL on this file system")
        if self._path.stat().st_size <= _CHECKED:
            (found,) = execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise Unavailable(f"the index {self._path} is damaged ({found[:80]}): {REBUILD}")
        (version,) = execute("PRAGMA user_version").fetchone()
        if version < len(MIGRATIONS):
            execute("BEGIN IMMEDIATE")
            self._migrate(execute, version, f"the index {self._path}")
            execute(f"PRAGMA user_version={len(MIGRATIONS)}")
            execute("COMMIT")
            if self._durable:
                sync_folder(self._path.parent)
        else:
            self._migrate(execute, version, f"the index {self._path}")

    def _connect(self, *, create: bool = False) -> sqlite3.Connection:
        """Return a connection; an index that was deleted is not replaced by an empty file."""
        where = f"{self._path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}"
        connection = sqlite3.connect(
            where, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, uri=True
        )
        connection.execute(f"PRAGMA synchronous={'FULL' if self._durable else 'NORMAL'}")
        connection.execute("PRAGMA case_sensitive_like=ON")
        connection.execute("PRAGMA foreign_keys=ON")
        return connection

    def _executing(self, connection: Any) -> Execute:
        execute: Execute = connection.execute
        return execute

    @contextmanager
    def _reading_before_write(self) -> Iterator[Execute]:
        """Read with the writing connection, which has in its cache what it has written."""
        with self._group.lock:
            try:
                yield self._writer.execute
            except sqlite3.Error as error:
                raise IndexFailure(f"the index cannot be read: {error}") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock_fd, fcntl.LOCK_UN)

    def _insert(self, _execute: Execute, new: Sequence[NewInstance]) -> None:
        insert_prepared(self._writer.execute, new)

    @contextmanager
    def _transaction(self) -> Iterator[Execute]:
        execute = self._writer.execute
        fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
        try:
            execute("BEGIN IMMEDIATE")
            yield execute
            execute("COMMIT")
        except BaseException as error:
            if self._writer.in_transaction:
                with suppress(sqlite3.Error):
                    execute("ROLLBACK")
            if isinstance(error, sqlite3.IntegrityError) and _is_taken_key(error):
                raise _TakenKey(str(error)) from error
            raise
        finally:
            fcntl.flock(self._lock_fd, fcntl.LOCK_UN)


class _TakenKey(sqlite3.IntegrityError, Contested):
    """`Contested`, which is also an error of the database if it is raised again."""


def _is_taken_key(error: sqlite3.Error) -> bool:
    """Return whether another process has added what must be there once."""
    return error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_UNIQUE


def _refusal(path: Path, error: sqlite3.Error | OSError) -> GatewayError:
    """Return why the index cannot be opened; a full disk does not mean that it is damaged."""
    if isinstance(error, OSError):
        return not_writable(path, error)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL or (code in _NO_ROOM and is_full(path.parent)):
        return not_writable(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Unavailable(f"the index {path} is damaged ({error}): {REBUILD}")
    return Unavailable(f"the index {path} cannot be used: {error}; if it is damaged, {REBUILD}")


_NO_ROOM = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
"""What SQLite also reports if it cannot make its -wal and -shm files on a full disk."""
