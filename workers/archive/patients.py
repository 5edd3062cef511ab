"""Assign studies to patients: patients are merged, and studies are taken under a wrong ID."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gateway.sdk import ConfigError
from workers.archive.assignments import Assignment, append_assignment
from workers.archive.attributes import BY_KEYWORD, Level, of_level
from workers.archive.comparison_keys import name_keys
from workers.archive.index.interface import one_of
from workers.archive.index.search import Query
from workers.archive.stored_text import clean

if TYPE_CHECKING:
    from pathlib import Path

    from workers.archive.index import Index

_PATIENT = tuple(attribute for attribute in of_level(Level.PATIENT))


def patient_attributes(
    index: Index, study: str, patient_id: str, name: str | None
) -> dict[str, str]:
    """Return the attributes of the patient with this ID, by keyword.

    If no study has the ID, they are those of the study itself, with this ID. Raises ConfigError if
    several patients have the ID, or the study has several, and the name does not say which.
    """
    patient_id = clean(patient_id)
    if not patient_id:
        raise ConfigError("the Patient ID is empty")
    known = [one for one in index.patients_of(patient_id) if _has_name(one, name)]
    found = known or [one for one in _patients_of_study(index, study) if _has_name(one, name)]
    if not found and name is not None:
        return {"PatientID": patient_id, "PatientName": clean(name)}
    if len(found) > 1:
        names = ", ".join(sorted({repr(one["PatientName"]) for one in found}))
        raise ConfigError(f"there are several patients: give one of the names {names} with --name")
    return {**(found[0] if found else {}), "PatientID": patient_id}


def _has_name(patient: dict[str, str], name: str | None) -> bool:
    return name is None or name_keys(patient["PatientName"]) == name_keys(name)


def _patients_of_study(index: Index, study: str) -> list[dict[str, str]]:
    condition = one_of(Level.STUDY, BY_KEYWORD["StudyInstanceUID"].column, [study])
    rows = index.search(Query(Level.STUDY, _PATIENT, conditions=(condition,)))
    return [
        dict(zip((one.keyword for one in _PATIENT), (text or "" for text in row), strict=True))
        for row in rows
    ]


def assign_study(root: Path, index: Index, study: str, patient: dict[str, str] | None) -> int:
    """Assign a study to a patient, or return it to those in its files; return its instances.

    The journal in the archive is written first: after a crash the next start makes the change.
    """
    condition = one_of(Level.STUDY, BY_KEYWORD["StudyInstanceUID"].column, [study])
    if not index.count(Query(Level.STUDY, conditions=(condition,))):
        return 0
    assignment = Assignment(study, patient, time.time())
    append_assignment(root, assignment)
    return index.assign(assignment)
