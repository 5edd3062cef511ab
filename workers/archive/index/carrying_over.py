"""What a rebuild of the index must not lose: what no file says.

That is the outbox, what is held, performed procedure steps, what was received before a transform,
which store the objects are in, and how far readers of the journal are.

A rebuild writes a line into the journal for each file, as if it had arrived. Readers that had read
the journal before go on after these lines; what they had not read yet is written once more.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.archive.index.records import ENTRY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from workers.archive.index.grouping import Execute
    from workers.archive.index.interface import Index

_COPIED = (
    *("outbox", "outbox_control", "hold", "step", "step_message", "line_receiver", "original"),
    "object_store",
)
_LINE = f"kind, at, study_instance_uid, series_instance_uid, {ENTRY}"
_MARKS = ", ".join("?" * len(_LINE.split(", ")))
_PAGE = 1000

log = logging.getLogger("workers.archive")


class ReaderState(NamedTuple):
    """A reader of the journal before a rebuild."""

    name: str
    unread: Sequence[Sequence[Any]]
    """The lines that it had not read, as rows of `_LINE`."""


def readers_before(execute: Execute, names_end_in: str = "") -> list[ReaderState]:
    """Return the readers with such names, and what each has not read."""
    readers = execute("SELECT name, seq FROM journal_reader").fetchall()
    text = f"SELECT {_LINE} FROM journal WHERE seq > ? AND kind IN ('stored', 'replaced')"
    return [
        ReaderState(name, execute(f"{text} ORDER BY seq", (seq,)).fetchall())
        for name, seq in readers
        if name.endswith(names_end_in)
    ]


def pass_over(execute: Execute, readers: Iterable[ReaderState]) -> None:
    """Have readers go on after what a rebuild has written, with what they had not read."""
    readers = list(readers)
    (end,) = execute("SELECT COALESCE(MAX(seq), 0) FROM journal").fetchone()
    for name, _ in readers:
        execute(
            "INSERT INTO journal_reader VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seq = "
            "excluded.seq",
            (name, end),
        )
    longest = max((unread for _, unread in readers), key=len, default=())
    for line in longest:
        execute(f"INSERT INTO journal ({_LINE}) VALUES ({_MARKS})", line)


def carry_over(old: Path, index: Index) -> None:
    """Copy from the file of an index that is replaced; what cannot be read of it is lost."""
    try:
        uri = f"{old.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as source:
            known = {row[0] for row in source.execute("SELECT name FROM sqlite_master")}
            if "outbox" not in known:  # of an earlier version
                return
            readers = readers_before(source.execute)
            for table in known.intersection(_COPIED):
                _copy(source, table, index)
    except sqlite3.Error as error:
        log.warning("the outbox of the index before cannot be read and is lost: %s", error)
        return
    index.change(lambda execute: pass_over(execute, readers))


def _copy(source: sqlite3.Connection, table: str, index: Index) -> None:
    found = source.execute(f"SELECT * FROM {table}")
    names = [column[0] for column in found.description]  # an earlier version has fewer
    marks = ", ".join("?" * len(names))
    text = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks}) ON CONFLICT DO NOTHING"
    while rows := found.fetchmany(_PAGE):

        def insert(execute: Execute, rows: list[Any] = rows) -> None:
            for row in rows:
                execute(text, row)

        index.change(insert)
