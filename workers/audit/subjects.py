"""The patients and studies that an audit message is about, looked up in the index."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

from workers.archive.attributes import Level
from workers.archive.index.interface import one_of
from workers.archive.index.search import Query
from workers.archive.stored_text import readable
from workers.audit.audited import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from workers.archive.index import Index

MOST_COUNTED = 20
"""Studies of a retrieval for which the SOP classes are counted."""
REMEMBERED = 10_000
"""Studies whose patient is remembered, for when they are deleted."""


class Subjects:
    """Looks for subjects; all methods raise GatewayError if the index cannot be read."""

    def __init__(self) -> None:
        self._patients: OrderedDict[str, tuple[str, str]] = OrderedDict()

    def of_study(self, index: Index, study: str, sop_classes: Mapping[str, int]) -> Subject:
        """Return the patient of a study of which these instances are meant."""
        known = self._patient(index, study) if study else None
        patient, name = known or self._patients.get(study, ("", ""))
        return Subject(patient, name, {study: sop_classes})

    def has(self, index: Index, study: str) -> bool:
        """Return whether a study has any instance."""
        return bool(index.count(_of_study(study)))

    def of_query(self, index: Index, query: Query) -> Iterator[Subject]:
        """Yield the patients of a query for instances, with their studies."""
        by_patient: dict[str, list[str]] = {}
        studies = index.patients(query)
        for study, patients in studies.items():
            for patient in patients:
                by_patient.setdefault(patient, []).append(study)
        for patient, theirs in by_patient.items():
            counts = {
                one: _kinds(index, query, one) if len(studies) <= MOST_COUNTED else {}
                for one in theirs
            }
            yield Subject(readable(patient), self._name(index, patient), counts)

    def _patient(self, index: Index, study: str) -> tuple[str, str] | None:
        found = index.patients(_of_study(study)).get(study)
        if not found:
            return None
        told = self._patients.get(study)
        if told is None or told[0] != readable(found[0]):
            told = readable(found[0]), self._name(index, found[0])
        self._patients[study] = told
        self._patients.move_to_end(study)
        if len(self._patients) > REMEMBERED:
            self._patients.popitem(last=False)
        return told

    @staticmethod
    def _name(index: Index, patient_id: str) -> str:
        names = (one.get("PatientName", "") for one in index.patients_of(patient_id))
        return readable(next(names, ""))


def _of_study(study: str) -> Query:
    return Query(Level.IMAGE, conditions=(one_of(Level.STUDY, "study_instance_uid", [study]),))


def _kinds(index: Index, query: Query, study: str) -> dict[str, int]:
    """Return the SOP classes of a query in one study, with their numbers of instances."""
    conditions = (*query.conditions, *_of_study(study).conditions)
    counts: Counter[str] = Counter()
    for sop_class, _, number in index.kinds(Query(Level.IMAGE, conditions=conditions)):
        counts[sop_class] += number
    return dict(counts)
