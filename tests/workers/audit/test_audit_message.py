"""Each audit message by the schema and by its table in PS3.15 A.5.3."""

from __future__ import annotations

import base64

import pytest

from tests.workers.audit.schema import (
    code,
    event,
    objects,
    participant,
    types,
    validated,
    with_role,
)
from workers.audit import audited, codes
from workers.audit.audit_message import AuditMessage, AuditSource, Participant, timestamp
from workers.audit.audited import Subject, ae_titles
from workers.audit.codes import AuditAction, EventOutcome

SOURCE = AuditSource("gateway-1", "Site")
OWN = Participant("4711", ae_titles("GATEWAY"), address="10.0.0.1")
PEER = Participant("CT1", ae_titles("CT1"), is_requestor=True, address="10.0.0.7")
CT = "1.2.840.10008.5.1.4.1.1.2"
SUBJECT = Subject("P-1", "Doe^Jane", {"1.2.3": {CT: 12}, "1.2.4": {}})


def encoded(message: AuditMessage):
    return validated(SOURCE.encode(message))


def is_requestor(element) -> bool:
    return element.attrib["UserIsRequestor"] == "true"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            audited.application_activity(codes.APPLICATION_START, OWN),
            ("110100", "E", "0", ["110120"]),
        ),
        (
            audited.application_activity(codes.APPLICATION_STOP, OWN),
            ("110100", "E", "0", ["110121"]),
        ),
        (audited.begin_transferring(OWN, PEER, (), SUBJECT), ("110102", "E", "0", [])),
        (
            audited.instances_accessed(AuditAction.DELETE, OWN, SUBJECT),
            ("110103", "D", "0", []),
        ),
        (
            audited.instances_transferred(AuditAction.CREATE, PEER, OWN, (), SUBJECT),
            ("110104", "C", "0", []),
        ),
        (audited.study_deleted(OWN, SUBJECT), ("110105", "D", "0", [])),
        (audited.query(PEER, OWN, "1.2.3", "1.2", b"\x08\x00"), ("110112", "E", "0", [])),
        (
            audited.security_alert(
                codes.NODE_AUTHENTICATION, OWN, "why", EventOutcome.MINOR_FAILURE, "10.0.0.9"
            ),
            ("110113", "E", "4", ["110126"]),
        ),
        (
            audited.user_authentication(codes.LOGIN, PEER, OWN, "wrong passcode"),
            ("110114", "E", "4", ["110122"]),
        ),
        (audited.user_authentication(codes.LOGOUT, PEER, OWN), ("110114", "E", "0", ["110123"])),
    ],
)
def test_event_codes(message: AuditMessage, expected) -> None:
    root = encoded(message)
    identification = root.find("EventIdentification")
    kinds = [code(one)[0] for one in root.iter("EventTypeCode")]
    _, action, outcome = event(root)
    assert (code(identification.find("EventID")), action, outcome, kinds) == (
        (expected[0], "DCM"),
        *expected[1:],
    )


def test_a_transfer_names_both_ends_the_requestor_the_studies_and_the_patient() -> None:
    third = Participant("WS", ae_titles("WS"), is_requestor=True, address="workstation.example")
    message = audited.instances_transferred(
        AuditAction.READ, OWN, Participant("PACS"), (third,), SUBJECT
    )
    root = encoded(message)
    source = with_role(root, "Source Role ID")
    assert source.attrib == {
        "UserID": "4711",
        "AlternativeUserID": "AETITLES=GATEWAY",
        "UserIsRequestor": "false",
        "NetworkAccessPointID": "10.0.0.1",
        "NetworkAccessPointTypeCode": "2",
    }
    assert with_role(root, "Destination Role ID").attrib["UserID"] == "PACS"
    other = participant(root, is_requestor)
    assert (other.attrib["UserID"], other.attrib["NetworkAccessPointTypeCode"]) == ("WS", "1")
    assert objects(root) == {"Study Instance UID": ["1.2.3", "1.2.4"], "Patient Number": ["P-1"]}
    study, _, patient = root.iter("ParticipantObjectIdentification")
    assert study.attrib["ParticipantObjectTypeCode"] == "2"
    assert study.attrib["ParticipantObjectTypeCodeRole"] == "3"
    assert study.find("SOPClass").attrib == {"UID": CT, "NumberOfInstances": "12"}
    assert patient.attrib["ParticipantObjectTypeCode"] == "1"
    assert patient.attrib["ParticipantObjectTypeCodeRole"] == "1"
    assert code(patient.find("ParticipantObjectIDTypeCode")) == ("2", "RFC-3881")
    assert patient.find("ParticipantObjectName").text == "Doe^Jane"


def test_a_query_carries_the_identifier_and_its_transfer_syntax() -> None:
    root = encoded(audited.query(PEER, OWN, "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840", b"\x00\xff"))
    (asked,) = root.iter("ParticipantObjectIdentification")
    assert code(asked.find("ParticipantObjectIDTypeCode")) == ("110181", "DCM")
    assert base64.b64decode(asked.find("ParticipantObjectQuery").text) == b"\x00\xff"
    detail = asked.find("ParticipantObjectDetail")
    assert detail.attrib["type"] == "TransferSyntax"
    assert base64.b64decode(detail.attrib["value"]) == b"1.2.840"
    assert with_role(root, "Source Role ID").attrib["UserID"] == "CT1"


def test_an_alert_describes_what_happened_and_where() -> None:
    root = encoded(
        audited.security_alert(
            codes.NODE_AUTHENTICATION, OWN, "no", EventOutcome.MINOR_FAILURE, "::1"
        )
    )
    (node,) = root.iter("ParticipantObjectIdentification")
    assert node.attrib["ParticipantObjectID"] == "::1"
    detail = node.find("ParticipantObjectDetail")
    assert (detail.attrib["type"], base64.b64decode(detail.attrib["value"])) == (
        "Alert Description",
        b"no",
    )
    assert participant(root, is_requestor).attrib["UserID"] == "4711"
    assert types(root) == ["Node Authentication"]
    assert root.find("EventIdentification/EventOutcomeDescription").text == "no"


def test_what_is_unknown_is_said_to_be() -> None:
    root = encoded(audited.study_deleted(OWN, Subject("", "", {"": {}})))
    assert objects(root) == {"Study Instance UID": ["unknown"], "Patient Number": ["unknown"]}


def test_the_failed_part_is_a_message_of_its_own() -> None:
    message = audited.instances_transferred(AuditAction.READ, OWN, PEER, (), SUBJECT).failed(
        "1 of 2"
    )
    assert event(encoded(message)) == ("DICOM Instances Transferred", "R", "4")


def test_hostile_text_stays_text_on_one_line() -> None:
    hostile = 'A"<B>&\n\r\t\x00\x1b]]>\ud800'
    peer = Participant(hostile, hostile, address=hostile)
    root = encoded(audited.study_deleted(peer, Subject(hostile, hostile, {hostile: {}})))
    clean = 'A"<B>&\ufffd\ufffd\ufffd\ufffd\ufffd]]>\ufffd'
    assert participant(root, is_requestor).attrib["UserID"] == clean
    assert objects(root)["Patient Number"] == [clean]


def test_the_source_names_gateway_and_site() -> None:
    root = encoded(audited.application_activity(codes.APPLICATION_START, OWN))
    source = root.find("AuditSourceIdentification")
    assert source.attrib == {"AuditEnterpriseSiteID": "Site", "AuditSourceID": "gateway-1"}
    assert code(source.find("AuditSourceTypeCode")) == ("4", "RFC-3881")


def test_times_are_utc() -> None:
    assert timestamp(1.5) == "1970-01-01T00:00:01.500Z"
