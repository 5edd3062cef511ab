"""Forget the files of a holder, so that they can be indexed anew, and note how far that is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from workers.archive.index.placing import drop_empty_study, recompute
from workers.archive.index.updates import ENTRY

if TYPE_CHECKING:
    from workers.archive.index.grouping import Execute

_ENTRY = ", ".join(f"instance.{name}" for name in ENTRY.split(", "))
_ABOVE = (
    "FROM instance JOIN header ON header.id = instance.header "
    "JOIN series ON series.id = header.series JOIN study ON study.id = series.study "
    "WHERE instance.holder = ?"
)
_NOTE = (
    f"INSERT INTO journal ({ENTRY}, kind, at, study_instance_uid, series_instance_uid) "
    f"SELECT {_ENTRY}, 'removed', ?, COALESCE(study.study_instance_uid, ''), "
    f"COALESCE(series.series_instance_uid, '') {_ABOVE} ORDER BY instance.id"
)
_EMPTY = (
    ("header", "NOT EXISTS (SELECT 1 FROM instance WHERE instance.header = header.id)"),
    ("series", "NOT EXISTS (SELECT 1 FROM header WHERE header.series = series.id)"),
)


def begin_rebuild(execute: Execute, holder: str, *, anew: bool) -> bool:
    """Forget all files of a holder; return False if an earlier rebuild is to be continued."""
    begun = execute("SELECT 1 FROM rebuild WHERE holder = ?", (holder,)).fetchone()
    if begun and not anew:
        return False
    studies = execute(f"SELECT DISTINCT study.id {_ABOVE}", (holder,)).fetchall()
    execute(_NOTE, (time.time(), holder))
    execute("DELETE FROM instance WHERE holder = ?", (holder,))
    for table, condition in _EMPTY:
        execute(f"DELETE FROM {table} WHERE {condition}")
    for (study,) in studies:
        if not drop_empty_study(execute, study):
            recompute(execute, study)
    execute("DELETE FROM conflict WHERE holder = ?", (holder,))
    execute("DELETE FROM bucket WHERE holder = ?", (holder,))
    execute("INSERT INTO rebuild VALUES (?) ON CONFLICT DO NOTHING", (holder,))
    return True


def end_rebuild(execute: Execute, holder: str) -> None:
    """Note that the files of a holder are in the index again."""
    execute("DELETE FROM rebuild WHERE holder = ?", (holder,))
