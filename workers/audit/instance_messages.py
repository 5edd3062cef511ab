"""The audit message for a group of instances of the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.audit.audit_message import Participant
from workers.audit.audited import (
    UNKNOWN,
    ae_titles,
    instances_accessed,
    instances_transferred,
    study_deleted,
)
from workers.audit.codes import AuditAction

if TYPE_CHECKING:
    from workers.archive.index import Index
    from workers.audit.arrivals import ArrivalOrigin, ArrivedGroup
    from workers.audit.audit_message import AuditMessage
    from workers.audit.subjects import Subjects

_ACTIONS = {
    "stored": AuditAction.CREATE,
    "conflict": AuditAction.CREATE,
    "replaced": AuditAction.UPDATE,
}


def message_of(
    group: ArrivedGroup, subjects: Subjects, index: Index, own: Participant
) -> AuditMessage:
    """Return the message for a group; raises GatewayError if the index cannot be read."""
    subject = subjects.of_study(index, group.study, group.sop_classes)
    if group.kind == "removed":
        if group.study and not subjects.has(index, group.study):
            return study_deleted(own, subject)
        return instances_accessed(AuditAction.DELETE, own, subject)
    if group.kind not in _ACTIONS:  # assigned to another patient
        return instances_accessed(AuditAction.UPDATE, own, subject)
    source, destination = _ends(group.origin, own)
    return instances_transferred(_ACTIONS[group.kind], source, destination, (), subject)


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
