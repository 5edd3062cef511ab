"""What must not be deleted, and how long ago each study received something.

A worker that still needs instances holds them under a name of its own (`hold`). One that reads the
journal says how far it is (`read_to`): what was stored after that it has not seen yet.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from workers.archive.index.search import head
from workers.archive.index.updates import remove

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workers.archive.index.grouping import Execute
    from workers.archive.index.records import IndexEntry

_IN_STUDY = (
    "FROM study JOIN series ON series.study = study.id JOIN header ON header.series = series.id "
    "JOIN instance ON instance.header = header.id "
    f"WHERE {head('study.study_instance_uid')} = {head('?')} "
    "AND study.study_instance_uid || '' = ?"
)
NEWEST_OF_STUDIES = (
    "SELECT study.id, study.study_instance_uid, (SELECT MAX(instance.received) FROM series "
    "JOIN header ON header.series = series.id JOIN instance ON instance.header = header.id "
    "WHERE series.study = study.id) FROM study "
    "WHERE study.study_instance_uid <> '' AND study.id > ? ORDER BY study.id LIMIT ?"
)
"""A page of studies, with the time at which each received its last instance."""


class StudyState(NamedTuple):
    """What decides whether a study may be deleted."""

    newest: str
    """The time of receipt of its newest instance, as `layout.received` writes it; empty: none."""
    instances: int
    """Those of the holder that asks."""
    size: int
    """Their bytes."""
    held_by: tuple[str, ...]
    """The names of those who need one of its instances, or have not seen it yet."""


def hold(execute: Execute, owner: str, sop_instance_uids: Iterable[str]) -> None:
    """Note that a worker needs instances."""
    now = time.time()
    for uid in sop_instance_uids:
        execute("INSERT INTO hold VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (owner, uid, now))


def let_go(execute: Execute, owner: str) -> None:
    """Note that a worker needs nothing any more that it holds under this name."""
    execute("DELETE FROM hold WHERE owner = ?", (owner,))


def read_to(execute: Execute, reader: str, seq: int | None) -> None:
    """Note how far a reader of the journal is; None: it reads it no more."""
    if seq is None:
        execute("DELETE FROM journal_reader WHERE name = ?", (reader,))
        return
    execute(
        "INSERT INTO journal_reader VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seq = "
        "excluded.seq",
        (reader, seq),
    )


def state_of(execute: Execute, study_instance_uid: str, holder: str) -> StudyState:
    """Return the state of a study, whatever patients it has."""
    uids = study_instance_uid, study_instance_uid
    newest, instances, size = execute(
        "SELECT MAX(instance.received), COUNT(CASE WHEN instance.holder = ? THEN 1 END), "
        f"SUM(CASE WHEN instance.holder = ? THEN instance.size ELSE 0 END) {_IN_STUDY}",
        (holder, holder, *uids),
    ).fetchone()
    owners = execute(
        f"SELECT DISTINCT owner FROM hold WHERE sop_instance_uid IN (SELECT "
        f"instance.sop_instance_uid {_IN_STUDY})",
        uids,
    ).fetchall()
    readers = execute(
        "SELECT name FROM journal_reader WHERE EXISTS (SELECT 1 FROM journal "
        "WHERE journal.seq > journal_reader.seq AND journal.study_instance_uid = ?)",
        (study_instance_uid,),
    ).fetchall()
    queued = execute(
        f"SELECT DISTINCT 'outbox' FROM outbox WHERE {head('study_instance_uid')} = {head('?')} "
        "AND study_instance_uid || '' = ?",
        uids,
    ).fetchall()
    held_by = sorted({str(row[0]) for row in (*owners, *readers, *queued)})
    return StudyState(newest or "", int(instances or 0), int(size or 0), tuple(held_by))


def remove_unused(
    execute: Execute, study_instance_uid: str, holder: str, before: str, most: int
) -> list[IndexEntry]:
    """Remove up to `most` instances of a holder from a study, and return them.

    No instance is removed if the study received something at `before` or later, or if somebody
    needs one of them.
    """
    state = state_of(execute, study_instance_uid, holder)
    if state.newest >= before or state.held_by:
        return []
    rows = execute(
        f"SELECT instance.sop_instance_uid {_IN_STUDY} AND instance.holder = ? "
        "ORDER BY instance.id LIMIT ?",
        (study_instance_uid, study_instance_uid, holder, most),
    ).fetchall()
    return remove(execute, [row[0] for row in rows])
