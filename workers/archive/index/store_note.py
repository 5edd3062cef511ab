"""Statements for the note of which store the objects of an index are in.

Each function runs in one transaction of `Index.change` or `Index.ask`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workers.archive.layout import OBJECTS

if TYPE_CHECKING:
    from workers.archive.index.grouping import Execute


class NotedStore(NamedTuple):
    """The store that an index has its objects in."""

    identity: str
    """As an object in the store says it."""
    place: str
    """In words, for people."""
    sample: str
    """The path of one of the objects; empty: there are none."""
    own: str
    """The path of one that the asking gateway has put there."""


def noted_store(execute: Execute, holder: str) -> NotedStore | None:
    """Return what is noted, as seen by a holder; None: nothing."""
    row = execute("SELECT identity, place FROM object_store").fetchone()
    if row is None:
        return None
    identity, place = row
    sample = _sample(execute, "", ())
    own = _sample(execute, "AND holder = ?", (holder,)) if sample else ""
    return NotedStore(identity, place, sample, own)


def note_store(execute: Execute, identity: str, place: str) -> None:
    """Note the store, in place of what was noted."""
    execute(
        "INSERT INTO object_store VALUES (1, ?, ?) ON CONFLICT (number) DO UPDATE SET "
        "identity = excluded.identity, place = excluded.place",
        (identity, place),
    )


def note_first_store(execute: Execute, identity: str, place: str) -> None:
    """Note the store, unless one is noted."""
    execute(
        "INSERT INTO object_store VALUES (1, ?, ?) ON CONFLICT (number) DO NOTHING",
        (identity, place),
    )


def _sample(execute: Execute, condition: str, values: tuple[str, ...]) -> str:
    for table in ("instance", "conflict"):
        text = f"SELECT path FROM {table} WHERE path > ? AND path < ? {condition} LIMIT 1"
        row = execute(text, (f"{OBJECTS}/", f"{OBJECTS}0", *values)).fetchone()
        if row is not None:
            return str(row[0])
    return ""
