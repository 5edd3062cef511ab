"""Forget the files of a holder, so that they can be indexed anew, and note how far that is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from workers.archive.index.placing import drop_empty_study, recompute
from workers.archive.index.records import ENTRY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workers.archive.index.grouping import Execute

_STUDIES = 50
"""Studies that are forgotten in one transaction."""
_ENTRY = ", ".join(f"instance.{name}" for name in ENTRY.split(", "))
_BELOW = (
    "FROM series JOIN header ON header.series = series.id "
    "JOIN instance ON instance.header = header.id "
    "WHERE instance.holder = ? AND series.study = "
)
_NOTE = (
    f"INSERT INTO journal ({ENTRY}, kind, at, study_instance_uid, series_instance_uid) "
    f"SELECT {_ENTRY}, 'removed', ?, COALESCE(study.study_instance_uid, ''), "
    "COALESCE(series.series_instance_uid, '') FROM study JOIN series ON series.study = study.id "
    "JOIN header ON header.series = series.id JOIN instance ON instance.header = header.id "
    "WHERE study.id = ? AND instance.holder = ? ORDER BY instance.id"
)
_EMPTY = (
    "DELETE FROM header WHERE series IN (SELECT id FROM series WHERE study = ?) "
    "AND NOT EXISTS (SELECT 1 FROM instance WHERE instance.header = header.id)",
    "DELETE FROM series WHERE study = ? "
    "AND NOT EXISTS (SELECT 1 FROM header WHERE header.series = series.id)",
)


def next_studies(execute: Execute, holder: str, after: int) -> list[tuple[int, str]]:
    """Return some studies of a holder, in the order of their ids, with their UIDs."""
    rows = execute(
        "SELECT study.id, study.study_instance_uid FROM study WHERE study.id > ? "
        f"AND EXISTS (SELECT 1 {_BELOW}study.id) ORDER BY study.id LIMIT ?",
        (after, holder, _STUDIES),
    ).fetchall()
    return [(row[0], row[1] or "") for row in rows]


def forget_buckets(execute: Execute, holder: str) -> None:
    """Forget which buckets agree with the index, before it is changed."""
    execute("DELETE FROM bucket WHERE holder = ?", (holder,))
    execute("DELETE FROM conflict WHERE holder = ?", (holder,))


def forget_studies(execute: Execute, holder: str, studies: Iterable[int]) -> None:
    """Forget a holder's files of studies."""
    for study in studies:
        execute(_NOTE, (time.time(), study, holder))
        execute(f"DELETE FROM instance WHERE id IN (SELECT instance.id {_BELOW}?)", (holder, study))
        for text in _EMPTY:
            execute(text, (study,))
        if not drop_empty_study(execute, study):
            recompute(execute, study)


def note_begun(execute: Execute, holder: str) -> None:
    """Note that all files of a holder are forgotten, and can be indexed."""
    execute("INSERT INTO rebuild VALUES (?) ON CONFLICT DO NOTHING", (holder,))


def end_rebuild(execute: Execute, holder: str) -> None:
    """Note that the files of a holder are in the index again."""
    execute("DELETE FROM rebuild WHERE holder = ?", (holder,))
