"""The audit message for a group of instances of the journal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from workers.archive.index.notes import DROPPED, EXPORTED, SENT
from workers.archive.procedure_steps import IN_PROGRESS, NOTES, StepTable
from workers.audit.arrivals import STEPS
from workers.audit.audit_message import Participant
from workers.audit.audited import (
    UNKNOWN,
    Subject,
    ae_titles,
    data_export,
    instances_accessed,
    instances_transferred,
    procedure_record,
    study_deleted,
)
from workers.audit.codes import AuditAction

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.settings import Destination
    from workers.archive.index import Index
    from workers.audit.arrivals import ArrivalOrigin, ArrivedGroup
    from workers.audit.audit_message import AuditMessage
    from workers.audit.subjects import Subjects

_PATIENT_NAME, _PATIENT_ID = "00100010", "00100020"
_ACTIONS = {
    "stored": AuditAction.CREATE,
    "conflict": AuditAction.CREATE,
    "replaced": AuditAction.UPDATE,
    SENT: AuditAction.READ,
}
_ACCESSED = {
    "removed": AuditAction.DELETE,
    DROPPED: AuditAction.DELETE,
    "assigned": AuditAction.UPDATE,
}


class Surroundings(NamedTuple):
    """What messages are made with."""

    archive: Index
    subjects: Subjects
    own: Participant
    destination: Callable[[str], Destination | None]
    """Returns the entry of `[destinations]` with an AE title."""


def message_of(group: ArrivedGroup, known: Surroundings) -> AuditMessage:
    """Return the message for a group; raises GatewayError if the index cannot be read."""
    own, kind = known.own, group.kind
    if kind in STEPS:
        return _step_message(group, known)
    subject = known.subjects.of_study(known.archive, group.study, group.sop_classes)
    if kind == "removed" and group.study and not known.subjects.has(known.archive, group.study):
        return study_deleted(own, subject)
    if kind in _ACCESSED:
        return instances_accessed(_ACCESSED[kind], own, subject)
    if kind == EXPORTED:
        user, _, place = group.about.partition(" ")
        return data_export(Participant(user), place, subject)
    ends = _to_destination(group, known) if kind == SENT else _ends(group.origin, own)
    return instances_transferred(_ACTIONS[kind], *ends, (), subject)


def _to_destination(group: ArrivedGroup, known: Surroundings) -> tuple[Participant, Participant]:
    """Return the gateway and the destination that instances were forwarded to."""
    found = known.destination(group.about)
    title = (found and found.ae_title) or group.about
    address = found.host if found else ""
    to = Participant(title, ae_titles(title), address=address)
    return replace(known.own, is_requestor=True), to


def _step_message(group: ArrivedGroup, known: Surroundings) -> AuditMessage:
    """Return the message for a procedure step, whose study may have no instances yet."""
    step = StepTable(known.archive).find(group.about)
    patient, name = (step.text(_PATIENT_ID), step.text(_PATIENT_NAME)) if step else ("", "")
    by = Participant(UNKNOWN)
    if step is not None:
        by = Participant(step.peer or UNKNOWN, ae_titles(step.peer), address=step.address)
    is_new = group.kind == NOTES[IN_PROGRESS]
    action = AuditAction.CREATE if is_new else AuditAction.UPDATE
    return procedure_record(action, by, known.own, Subject(patient, name, {group.study: {}}))


def _ends(origin: ArrivalOrigin | None, own: Participant) -> tuple[Participant, Participant]:
    """Return who sent the instances, and who received them."""
    if origin is None:
        return Participant(UNKNOWN), own
    sender = Participant(
        origin.calling,
        ae_titles(origin.calling),
        is_requestor=True,
        address=origin.remote,
    )
    return sender, Participant(own.user_id, ae_titles(origin.called), address=origin.local)
