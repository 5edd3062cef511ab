"""From a worker's answer to a status: nothing a worker says becomes a success by mistake."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.acceptor.answer_status import failures_of, status_of, status_of_whole
from gateway.dimse.message import CEchoRQ, CFindRQ, CStoreRQ, NCreateRQ
from gateway.events import EVT_ASSOCIATE, EVT_C_ECHO, EVT_C_FIND, EVT_C_STORE, EVT_N_CREATE
from gateway.uid import KEYWORDS

CT = KEYWORDS["CTImageStorage"]
ASSOCIATION = SimpleNamespace(name="test")
STORE = CStoreRQ(1, CT, "1.2.3")
FIND = CFindRQ(1, KEYWORDS["PatientRootQueryRetrieveInformationModelFind"])

GARBLED: list[dict[str, Any]] = [
    {},
    {"status": None},
    {"status": "0000"},
    {"status": True},
    {"status": -1},
    {"status": 0x10000},
    {"status": 0.0},
    {"status": 0, "elements": None},
    {"status": 0, "elements": ["ErrorComment"]},
    {"status": 0, "elements": {"PatientName": "x"}},
    {"status": 0, "elements": {"ErrorComment": 7}},
    {"status": 0, "elements": {"OffendingElement": 0x00100010}},
    {"status": 0, "elements": {"OffendingElement": [-1]}},
    {"status": 0, "elements": {"ErrorID": 0x10000}},
    {"status": 0, "elements": {"AffectedSOPInstanceUID": "../x"}},
    {"status": 0, "elements": {"AffectedSOPClassUID": ""}},
    {"status": 0xC000, "elements": {"OffendingElement": [0x00100010] * 40_000}},
]


@pytest.mark.parametrize("payload", GARBLED, ids=repr)
def test_a_garbled_answer_is_a_failure(payload: dict[str, Any]) -> None:
    assert status_of(EVT_C_STORE, STORE, payload, ASSOCIATION) == (0xC002, {})


@pytest.mark.parametrize(
    ("kind", "status"),
    [("raised", 0xC211), ("no_status", 0xC001), ("bad_status", 0xC002), ("forbidden", 0xC002)],
)
def test_a_failed_handler_has_the_status_of_the_catalogue(kind: str, status: int) -> None:
    payload = {"failed": kind, "error": "why", "status": 0}
    assert status_of(EVT_C_STORE, STORE, payload, ASSOCIATION) == (status, {})


def test_a_failure_of_a_kind_nobody_knows_is_a_failure() -> None:
    assert status_of(EVT_C_STORE, STORE, {"failed": "unheard of"}, ASSOCIATION) == (0xC002, {})


@pytest.mark.parametrize("status", [0xFF00, 0xFF01, 0xFE00])
def test_what_does_not_end_a_store_is_forbidden(status: int) -> None:
    assert status_of(EVT_C_STORE, STORE, {"status": status}, ASSOCIATION) == (0xC002, {})


def test_what_a_service_streams_it_may_answer() -> None:
    assert status_of(EVT_C_FIND, FIND, {"status": 0xFF00}, ASSOCIATION) == (0xFF00, {})


def test_a_status_outside_the_services_table_is_sent_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert status_of(EVT_C_STORE, STORE, {"status": 0x1234}, ASSOCIATION) == (0x1234, {})
    assert "status=0x1234 is not one of the service" in caplog.text


def test_optional_elements_come_along() -> None:
    elements = {"ErrorComment": "no room", "OffendingElement": [0x00080018]}
    payload = {"status": 0xA700, "elements": elements}
    assert status_of(EVT_C_STORE, STORE, payload, ASSOCIATION) == (0xA700, elements)


def test_an_echo_vouches_for_the_association_only() -> None:
    payload = {"failed": "raised", "error": "x"}
    assert status_of(EVT_C_ECHO, CEchoRQ(1), payload, ASSOCIATION) == (0x0000, {})


def test_a_negotiation_event_has_no_status() -> None:
    with pytest.raises(TypeError, match="EVT_ASSOCIATE"):
        failures_of(EVT_ASSOCIATE)


@pytest.mark.parametrize(
    ("asked", "status", "assigned", "expected"),
    [
        (None, 0x0000, None, 0x0110),
        (None, 0x0107, None, 0x0110),
        (None, 0x0111, None, 0x0111),
        (None, 0x0000, "1.2.3", 0x0000),
        ("1.2.4", 0x0000, None, 0x0000),
    ],
)
def test_a_created_instance_has_a_uid(asked, status, assigned, expected):
    request = NCreateRQ(1, KEYWORDS["ModalityPerformedProcedureStep"], asked)
    elements = {"AffectedSOPInstanceUID": assigned} if assigned else {}
    payload = {"status": status, "elements": elements}
    assert status_of_whole(EVT_N_CREATE, request, payload, ASSOCIATION) == (expected, elements)
