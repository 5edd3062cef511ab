"""C-GETs and C-MOVEs: what is asked for, before any of it is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.datasets.bounded import IDENTIFIER, decode_bounded
from gateway.sdk import GatewayError
from workers.archive.attributes import Level
from workers.archive.fetching import fetched_uids
from workers.archive.identifier import Model, retrieve_query
from workers.archive.index.interface import one_of
from workers.archive.index.search import Query
from workers.archive.matching import BadIdentifier
from workers.audit.audited import Subject

if TYPE_CHECKING:
    from workers.archive.index import Index
    from workers.audit.audit_message import Participant
    from workers.audit.subjects import Subjects


@dataclass(frozen=True, slots=True)
class AuditedRetrieval:
    """A C-GET or C-MOVE under way."""

    source: Participant
    destination: Participant
    others: tuple[Participant, ...]
    subjects: tuple[Subject, ...]


def subjects_of(
    subjects: Subjects, index: Index | None, sop_class: str, syntax: str, identifier: bytes
) -> tuple[Subject, ...]:
    """Return the patients whose instances are asked for.

    Where the index does not have them, because another worker answers, the identifier's own UIDs
    and Patient ID stand for them.
    """
    try:
        asked = decode_bounded(identifier, syntax, IDENTIFIER)
        if index is not None:
            if uids := fetched_uids(asked):
                only = one_of(Level.IMAGE, "sop_instance_uid", uids)
                query = Query(Level.IMAGE, conditions=(only,))
            else:
                query = retrieve_query(asked, Model.of(sop_class), relational=True)
            if found := tuple(subjects.of_query(index, query)):
                return found
    except (BadIdentifier, GatewayError, KeyError, ValueError):
        return ()
    study = asked.get("StudyInstanceUID") or ()
    studies = [study] if isinstance(study, str) else list(study)
    if not studies:
        return ()
    return (Subject(str(asked.get("PatientID") or ""), "", {str(one): {} for one in studies}),)
