"""Assign a study to another patient, and take that back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from workers.archive.index.newest import PATIENT
from workers.archive.index.placing import (
    Placing,
    delete_empty,
    digest,
    drop_empty_study,
    recompute,
    studies_of,
)
from workers.archive.index.records import ENTRY
from workers.archive.index.updates import entry_of, note

if TYPE_CHECKING:
    from workers.archive.assignments import Assignment
    from workers.archive.index.grouping import Execute
    from workers.archive.index.search import Dialect

_UPSERT = (
    "INSERT INTO assignment (key, study_instance_uid, patient, at) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (key) DO UPDATE SET patient = excluded.patient, at = excluded.at"
)
_ENTRY = ", ".join(f"instance.{name}" for name in ENTRY.split(", "))


def assign(execute: Execute, dialect: Dialect, assignment: Assignment) -> int:
    """Move all instances of a study to the patient of the assignment; return their number.

    Later instances of the study follow. If the assignment is taken back, each instance returns to
    the patient that its file names.
    """
    uid, patient = assignment.study_instance_uid, None
    if assignment.patient is not None:
        patient = json.dumps({keyword: assignment.patient.get(keyword, "") for keyword in PATIENT})
    execute(_UPSERT, (digest(uid), uid, patient, assignment.at))
    before = studies_of(execute, uid)
    headers = [row for study in before for row in _headers(execute, study)]
    placing = Placing(dialect)
    series = {header: placing.series_of(execute, json.loads(text)) for header, _, text in headers}
    for header, old, _ in headers:
        execute("UPDATE header SET series = ? WHERE id = ?", (series[header], header))
        if series[header] != old:
            delete_empty(execute, "series", old, "header")
    for study in studies_of(execute, uid) | before:
        execute("UPDATE study SET assigned = ? WHERE id = ?", (patient, study))
        if not drop_empty_study(execute, study):
            recompute(execute, study)
    return sum(_note(execute, header) for header in series)


def _headers(execute: Execute, study: int) -> list[tuple[int, int, str]]:
    text = (
        "SELECT header.id, series.id, header.texts FROM series "
        "JOIN header ON header.series = series.id WHERE series.study = ?"
    )
    return [tuple(row) for row in execute(text, (study,)).fetchall()]


def _note(execute: Execute, header: int) -> int:
    """Add a line to the journal for each instance; return the number."""
    text = f"SELECT {_ENTRY} FROM instance WHERE header = ? ORDER BY id"
    entries = [entry_of(row) for row in execute(text, (header,)).fetchall()]
    (texts,) = execute("SELECT texts FROM header WHERE id = ?", (header,)).fetchone()
    values = json.loads(texts)
    uids = values.get("StudyInstanceUID", ""), values.get("SeriesInstanceUID", "")
    for entry in entries:
        note(execute, "assigned", entry, uids)
    return len(entries)
