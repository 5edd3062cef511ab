"""Statements for instances that move between the directory and an object store.

Each function runs in one transaction of `Index.change` or `Index.ask`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.archive.index.records import ENTRY, IndexedFile
from workers.archive.index.updates import entry_of, plan_deletion
from workers.archive.layout import OBJECTS

if TYPE_CHECKING:
    from workers.archive.index.grouping import Execute

_IN_FILES = f"holder = ? AND path < '{OBJECTS}/'"
"""The paths of files begin with a digit, or with `conflicts`."""


def move(execute: Execute, known: IndexedFile, path: str) -> bool:
    """Set the path of an instance to where its content is as well; plan to delete the other one.

    Returns False, and changes nothing, if the instance is no longer where it is known to be.
    """
    entry, table = known.entry, "conflict" if known.is_conflict else "instance"
    found = execute(
        f"UPDATE {table} SET path = ? "
        "WHERE sop_instance_uid = ? AND holder = ? AND path = ? RETURNING id",
        (path, entry.sop_instance_uid, entry.holder, entry.path),
    ).fetchone()
    if found is not None:
        execute(
            "UPDATE original SET path = ? WHERE holder = ? AND path = ?",
            (path, entry.holder, entry.path),
        )
        plan_deletion(execute, entry)
        execute("DELETE FROM to_delete WHERE holder = ? AND path = ?", (entry.holder, path))
    return found is not None


def in_files(execute: Execute, holder: str, after: str, limit: int) -> list[IndexedFile]:
    """Return some of what a gateway has in files, in the order of the paths after `after`."""
    found = []
    for table in ("instance", "conflict"):
        text = f"SELECT {ENTRY} FROM {table} WHERE {_IN_FILES} AND path > ? ORDER BY path LIMIT ?"
        rows = execute(text, (holder, after, limit)).fetchall()
        found += [IndexedFile(entry_of(row), table == "conflict") for row in rows]
    return sorted(found, key=lambda one: one.entry.path)[:limit]


def bytes_in_files(execute: Execute, holder: str) -> int:
    """Return how many bytes of data sets a gateway has in files."""
    size = 0
    for table in ("instance", "conflict"):
        text = f"SELECT COALESCE(SUM(size), 0) FROM {table} WHERE {_IN_FILES}"
        size += int(execute(text, (holder,)).fetchone()[0])
    return size
