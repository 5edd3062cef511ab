"""How each association ended: a bounded table on disk that can be searched.

It is what EVT_ASSOCIATION_ENDED tells, without anything of a patient. A notification may be lost:
this is for people who look for a reason, and not an audit trail.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger("workers.web")

KEPT = 100_000
"""Associations that are kept, the latest ones."""
PAGE = 100
"""Associations in one answer."""
MOST_WAITING = 10_000
"""Associations that wait to be written; further ones are dropped."""
_TEXT_LIMIT = 500
"""Characters of a text that are kept."""
COLUMNS = (
    *("at", "ended", "why", "calling", "called", "host", "seconds", "contexts"),
    *("messages", "instances", "received", "sent", "statuses"),
)
_SEARCHED = "calling || ' ' || called || ' ' || host || ' ' || why || ' ' || statuses"


class History:
    """The history in a file; `take` and the rest may be called from different threads.

    A file that cannot be used is told in `trouble`; the gateway does not depend on it.
    """

    def __init__(self, path: Path, kept: int = KEPT) -> None:
        self._path = path
        self._kept = kept
        self._waiting: list[tuple[Any, ...]] = []
        self._lock = threading.Lock()
        self.trouble = ""
        """Why nothing is kept at present; empty: it is."""

    def take(self, at: float, told: dict[str, Any]) -> None:
        """Take the body of a notification that came at a time, in seconds since 1970."""
        row = (at, *(_short(told.get(name)) for name in COLUMNS[1:]))
        with self._lock:
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append(row)

    def write(self) -> None:
        """Write what was taken, and forget what is beyond the limit."""
        with self._lock:
            rows, self._waiting = self._waiting, []
        if not rows:
            return
        marks = ", ".join("?" * len(COLUMNS))
        try:
            with closing(self._open()) as database, database:
                into = f"INSERT INTO ended ({', '.join(COLUMNS)}) VALUES ({marks})"
                database.executemany(into, rows)
                database.execute(
                    "DELETE FROM ended WHERE id <= (SELECT MAX(id) FROM ended) - ?", (self._kept,)
                )
            self.trouble = ""
        except (sqlite3.Error, OSError) as error:
            self._failed(error)

    def search(self, text: str = "", ended: str = "", before: int = 0) -> list[dict[str, Any]]:
        """Return the latest associations, newest first, a page at a time.

        `text` is found in titles, host, reason and statuses; `ended` is released, rejected or
        aborted; `before` is the `id` of the last row of the page before.
        """
        conditions, values = ["1"], []
        if text:
            conditions.append(f"{_SEARCHED} LIKE ? ESCAPE '!'")
            values.append(f"%{_escaped(text[:_TEXT_LIMIT])}%")
        if ended:
            conditions.append("ended = ?")
            values.append(ended)
        if before:
            conditions.append("id < ?")
            values.append(str(before))
        names = "id", *COLUMNS
        statement = (
            f"SELECT {', '.join(names)} FROM ended WHERE {' AND '.join(conditions)} "
            f"ORDER BY id DESC LIMIT {PAGE}"
        )
        try:
            with closing(self._open()) as database:
                rows = database.execute(statement, values).fetchall()
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            return []
        return [dict(zip(names, row, strict=True)) for row in rows]

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = sqlite3.connect(self._path, timeout=5.0)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        known = [row[1] for row in database.execute("PRAGMA table_info(ended)")]
        if known and known != ["id", *COLUMNS]:  # of another version
            database.execute("DROP TABLE ended")
        database.execute(
            "CREATE TABLE IF NOT EXISTS ended (id INTEGER PRIMARY KEY AUTOINCREMENT, "
            f"{', '.join(COLUMNS)})"
        )
        return database

    def _failed(self, error: Exception) -> None:
        text = f"the history of associations: {error}"
        if text != self.trouble:
            log.error("%s", text)
        self.trouble = text
        is_damaged = isinstance(error, sqlite3.DatabaseError)
        if is_damaged and not isinstance(error, sqlite3.OperationalError):
            self._begin_anew()

    def _begin_anew(self) -> None:
        """Set a damaged file aside: a history that begins now is better than none."""
        with suppress(OSError):
            self._path.replace(self._path.with_suffix(".damaged"))
            for suffix in ("-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


def _short(value: Any) -> str | int | float:
    """Return a value that can be kept, of whatever version of the gateway it is from."""
    return value if isinstance(value, int | float) else str(value)[:_TEXT_LIMIT]


def _escaped(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
