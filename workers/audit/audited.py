"""The audit messages of this gateway, each by its table in PS3.15 A.5.3."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workers.audit import codes
from workers.audit.audit_message import (
    PATIENT,
    PERSON,
    REPORT,
    SECURITY_RESOURCE,
    SYSTEM_OBJECT,
    AuditMessage,
    ObjectIdentification,
    Participant,
)
from workers.audit.codes import AuditAction, EventOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workers.audit.codes import AuditCode

UNKNOWN = "unknown"
"""Stands for an identifier that PS3.15 demands and nobody knows."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The patient and the studies of an event; a message is about one patient."""

    patient_id: str
    patient_name: str
    studies: Mapping[str, Mapping[str, int]]
    """SOP classes with their numbers of instances, by Study Instance UID."""

    def objects(self) -> tuple[ObjectIdentification, ...]:
        """Return the studies, and then the patient."""
        found = [
            ObjectIdentification(
                codes.STUDY_UID,
                uid or UNKNOWN,
                SYSTEM_OBJECT,
                REPORT,
                sop_classes=tuple(sorted(classes.items())),
            )
            for uid, classes in self.studies.items()
        ]
        patient = self.patient_id or UNKNOWN
        person = ObjectIdentification(
            codes.PATIENT_NUMBER, patient, PERSON, PATIENT, self.patient_name
        )
        return (*found, person)


def ae_titles(*titles: str) -> str:
    """Return the AlternativeUserID of a DICOM application (A.5.2.2)."""
    return f"AETITLES={';'.join(title for title in titles if title)}"


def application_activity(kind: AuditCode, application: Participant) -> AuditMessage:
    """The gateway has started, or stops (A.5.3.1)."""
    one = replace(application, role=codes.APPLICATION)
    return AuditMessage(codes.APPLICATION_ACTIVITY, AuditAction.EXECUTE, (one,), types=(kind,))


def begin_transferring(
    source: Participant, destination: Participant, others: Iterable[Participant], subject: Subject
) -> AuditMessage:
    """Instances are about to be sent (A.5.3.3)."""
    return AuditMessage(
        codes.BEGIN_TRANSFERRING,
        AuditAction.EXECUTE,
        _from_to(source, destination, others),
        subject.objects(),
    )


def instances_transferred(
    action: AuditAction,
    source: Participant,
    destination: Participant,
    others: Iterable[Participant],
    subject: Subject,
) -> AuditMessage:
    """Instances have been sent or received (A.5.3.7)."""
    return AuditMessage(
        codes.INSTANCES_TRANSFERRED,
        action,
        _from_to(source, destination, others),
        subject.objects(),
    )


def instances_accessed(action: AuditAction, by: Participant, subject: Subject) -> AuditMessage:
    """Stored instances were deleted, or changed (A.5.3.6)."""
    one = replace(by, is_requestor=True)
    return AuditMessage(codes.INSTANCES_ACCESSED, action, (one,), subject.objects())


def study_deleted(by: Participant, subject: Subject) -> AuditMessage:
    """All instances of a study were deleted (A.5.3.8)."""
    one = replace(by, is_requestor=True)
    return AuditMessage(codes.STUDY_DELETED, AuditAction.DELETE, (one,), subject.objects())


def data_export(by: Participant, place: str, subject: Subject) -> AuditMessage:
    """Instances were copied to somewhere outside, such as a folder (A.5.3.4)."""
    return AuditMessage(
        codes.EXPORT,
        AuditAction.READ,
        (
            replace(by, is_requestor=True, role=codes.SOURCE),
            Participant(place, role=codes.DESTINATION_MEDIA, media=codes.URI),
        ),
        subject.objects(),
    )


def procedure_record(
    action: AuditAction, by: Participant, own: Participant, subject: Subject
) -> AuditMessage:
    """A performed procedure step was created, or changed its state (A.5.3.15)."""
    who = (replace(by, is_requestor=True), own)
    return AuditMessage(codes.PROCEDURE_RECORD, action, who, subject.objects())


def query(
    source: Participant, responder: Participant, sop_class: str, syntax: str, identifier: bytes
) -> AuditMessage:
    """A query was received (A.5.3.10); its results are not recorded."""
    asked = ObjectIdentification(
        codes.SOP_CLASS_UID,
        sop_class,
        SYSTEM_OBJECT,
        REPORT,
        query=identifier,
        details=(("TransferSyntax", syntax.encode()),),
    )
    who = _from_to(replace(source, is_requestor=True), responder, ())
    return AuditMessage(codes.QUERY, AuditAction.EXECUTE, who, (asked,))


def security_alert(
    kind: AuditCode, reporter: Participant, text: str, outcome: EventOutcome, node: str = ""
) -> AuditMessage:
    """Something happened that a security officer should know (A.5.3.11)."""
    alert = (("Alert Description", text.encode()),)
    subject = ObjectIdentification(
        codes.NODE_ID, node, SYSTEM_OBJECT, SECURITY_RESOURCE, details=alert
    )
    return AuditMessage(
        codes.SECURITY_ALERT,
        AuditAction.EXECUTE,
        (replace(reporter, is_requestor=True),),
        (subject,) if node else (),
        types=(kind,),
        outcome=outcome,
        text=text,
    )


def user_authentication(
    kind: AuditCode, user: Participant, node: Participant, text: str = ""
) -> AuditMessage:
    """A user has logged in or out, or with a text: was refused (A.5.3.12)."""
    outcome = EventOutcome.MINOR_FAILURE if text else EventOutcome.SUCCESS
    return AuditMessage(
        codes.USER_AUTHENTICATION,
        AuditAction.EXECUTE,
        (replace(user, is_requestor=True), node),
        types=(kind,),
        outcome=outcome,
        text=text,
    )


def _from_to(
    source: Participant, destination: Participant, others: Iterable[Participant]
) -> tuple[Participant, ...]:
    sender = replace(source, role=codes.SOURCE)
    return (sender, replace(destination, role=codes.DESTINATION), *others)
