"""Audit messages and their XML, by the schema of PS3.15 A.5.1."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, tostring

from workers.audit.codes import APPLICATION_SERVER, EventOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.audit.codes import AuditAction, AuditCode

_NOT_XML = re.compile("[^ -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has not, and line ends: a message is one line."""

PERSON, SYSTEM_OBJECT = "1", "2"
"""ParticipantObjectTypeCode."""
PATIENT, REPORT, SECURITY_RESOURCE = "1", "3", "13"
"""ParticipantObjectTypeCodeRole."""
_MACHINE_NAME, _IP_ADDRESS = "1", "2"
"""NetworkAccessPointTypeCode."""


@dataclass(frozen=True, slots=True)
class Participant:
    """An ActiveParticipant: who or what took part in an event."""

    user_id: str
    alternative_user_id: str = ""
    is_requestor: bool = False
    role: AuditCode | None = None
    address: str = ""
    """IP address or host name; empty: not known."""
    media: AuditCode | None = None


@dataclass(frozen=True, slots=True)
class ObjectIdentification:
    """A ParticipantObjectIdentification: what an event was about."""

    id_type: AuditCode
    object_id: str
    type_code: str
    role: str
    name: str = ""
    query: bytes | None = None
    """The query in place of a name."""
    details: tuple[tuple[str, bytes], ...] = ()
    sop_classes: tuple[tuple[str, int], ...] = ()
    """SOP classes with their numbers of instances."""


@dataclass(frozen=True, slots=True)
class AuditMessage:
    """An audit message, without the identification of its source."""

    event: AuditCode
    action: AuditAction
    participants: tuple[Participant, ...]
    objects: tuple[ObjectIdentification, ...] = ()
    types: tuple[AuditCode, ...] = ()
    outcome: EventOutcome = EventOutcome.SUCCESS
    text: str = ""
    """EventOutcomeDescription."""
    at: float | None = None
    """Seconds since 1970; None: now."""

    def failed(self, text: str) -> AuditMessage:
        """Return the message for the same event, but for that part of it that failed."""
        return replace(self, outcome=EventOutcome.MINOR_FAILURE, text=text)


@dataclass(frozen=True, slots=True)
class AuditSource:
    """The AuditSourceIdentification of a gateway."""

    source_id: str
    site: str = ""

    def encode(self, message: AuditMessage) -> str:
        """Return a message as one line of XML (PS3.15 A.5.1)."""
        root = Element("AuditMessage")
        _add_event(root, message)
        for participant in message.participants:
            _add_participant(root, participant)
        site = {"AuditEnterpriseSiteID": self.site} if self.site else {}
        source = _add(root, "AuditSourceIdentification", {**site, "AuditSourceID": self.source_id})
        _add_code(source, "AuditSourceTypeCode", APPLICATION_SERVER)
        for one in message.objects:
            _add_object(root, one)
        return f'<?xml version="1.0" encoding="UTF-8"?>{tostring(root, encoding="unicode")}'


def timestamp(seconds: float | None) -> str:
    """Return a time as xsd:dateTime in UTC, as RFC 5424 has it too."""
    when = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}Z"


def clean(text: str) -> str:
    """Return a text that XML can carry, on one line."""
    return _NOT_XML.sub("\ufffd", text)


def _add_event(root: Element, message: AuditMessage) -> None:
    event = _add(
        root,
        "EventIdentification",
        {
            "EventActionCode": message.action.value,
            "EventDateTime": timestamp(message.at),
            "EventOutcomeIndicator": message.outcome.value,
        },
    )
    _add_code(event, "EventID", message.event)
    for code in message.types:
        _add_code(event, "EventTypeCode", code)
    if message.text:
        _add(event, "EventOutcomeDescription").text = clean(message.text)


def _add_participant(root: Element, participant: Participant) -> None:
    values = {"UserID": participant.user_id}
    if participant.alternative_user_id:
        values["AlternativeUserID"] = participant.alternative_user_id
    values["UserIsRequestor"] = "true" if participant.is_requestor else "false"
    if participant.address:
        values["NetworkAccessPointID"] = participant.address
        values["NetworkAccessPointTypeCode"] = _access_point_type(participant.address)
    element = _add(root, "ActiveParticipant", values)
    if participant.role is not None:
        _add_code(element, "RoleIDCode", participant.role)
    if participant.media is not None:
        _add_code(_add(element, "MediaIdentifier"), "MediaType", participant.media)


def _access_point_type(address: str) -> str:
    try:
        ip_address(address)
    except ValueError:
        return _MACHINE_NAME
    return _IP_ADDRESS


def _add_object(root: Element, one: ObjectIdentification) -> None:
    values = {
        "ParticipantObjectID": one.object_id,
        "ParticipantObjectTypeCode": one.type_code,
        "ParticipantObjectTypeCodeRole": one.role,
    }
    element = _add(root, "ParticipantObjectIdentification", values)
    _add_code(element, "ParticipantObjectIDTypeCode", one.id_type)
    if one.query is not None:
        _add(element, "ParticipantObjectQuery").text = _base64(one.query)
    else:
        _add(element, "ParticipantObjectName").text = clean(one.name)
    for kind, value in one.details:
        _add(element, "ParticipantObjectDetail", {"type": kind, "value": _base64(value)})
    for uid, number in one.sop_classes:
        _add(element, "SOPClass", {"UID": uid, "NumberOfInstances": str(number)})


def _add_code(parent: Element, name: str, code: AuditCode) -> None:
    values = {
        "csd-code": code.value,
        "codeSystemName": code.system,
        "originalText": code.meaning,
    }
    _add(parent, name, values)


def _add(parent: Element, name: str, values: Mapping[str, str] | None = None) -> Element:
    return SubElement(parent, name, {key: clean(text) for key, text in (values or {}).items()})


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
