"""Responses as a status and a data set."""

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from gateway.datasets.coding import encode
from gateway.dimse import message as dimse
from gateway.sdk.peer_responses import PeerResponse, answer_of

SOP_CLASS, INSTANCE = "1.2.840.10008.3.1.2.3.3", "1.2.3"
FOUND = Dataset()
FOUND.PatientID = "1"
ENCODED = encode(FOUND, ImplicitVRLittleEndian)
FIND = dimse.CFindRQ(1, SOP_CLASS)
GET = dimse.CGetRQ(1, SOP_CLASS)
SET = dimse.NSetRQ(1, SOP_CLASS, INSTANCE)


def answer(request, status, data=None, **elements):
    response = PeerResponse(status, elements, data)
    found, data_set = answer_of(request, response, ImplicitVRLittleEndian)
    return {element.keyword: element.value for element in found}, data_set


@pytest.mark.parametrize(
    ("request_", "status", "expected"),
    [
        (FIND, 0xFF00, FOUND),
        (FIND, 0x0000, None),
        (GET, 0xFF00, None),
        (GET, 0xB000, FOUND),
        (GET, 0xFE00, FOUND),
        (GET, 0x0000, None),
        (SET, 0x0000, FOUND),
        (SET, 0x0116, FOUND),
        (SET, 0x0110, None),
    ],
)
def test_which_responses_have_a_data_set(request_, status, expected):
    assert answer(request_, status, ENCODED) == ({"Status": status}, expected)


@pytest.mark.parametrize(
    ("request_", "status", "expected"),
    [
        (FIND, 0xFF00, Dataset()),
        (FIND, 0x0000, None),
        (GET, 0xB000, Dataset()),
        (GET, 0xFE00, Dataset()),
        (GET, 0x0000, None),
        (GET, 0x1234, None),
        (SET, 0x0000, Dataset()),
        (SET, 0x0110, None),
    ],
)
def test_a_data_set_that_is_missing(request_, status, expected):
    assert answer(request_, status) == ({"Status": status}, expected)


def test_a_data_set_that_cannot_be_decoded():
    assert answer(FIND, 0xFF00, b"\xff" * 20) == ({"Status": 0xFF00}, None)
    assert answer(SET, 0x0000, b"\xff" * 20) == ({"Status": 0x0110}, None)


def test_elements_of_a_status():
    said = {"ErrorComment": "why", "ErrorID": 3, "AffectedSOPInstanceUID": INSTANCE, "MessageID": 1}
    assert answer(SET, 0x0110, **said)[0] == {"Status": 0x0110, "ErrorComment": "why", "ErrorID": 3}
    assert answer(GET, 0xFF00, NumberOfRemainingSuboperations=4)[0] == {
        "Status": 0xFF00,
        "NumberOfRemainingSuboperations": 4,
    }


def test_the_uid_that_a_peer_assigns():
    named = dimse.NCreateRQ(1, SOP_CLASS, INSTANCE)
    assert answer(named, 0, AffectedSOPInstanceUID=INSTANCE)[0] == {"Status": 0}
    assigned = answer(dimse.NCreateRQ(1, SOP_CLASS), 0, AffectedSOPInstanceUID=INSTANCE)[0]
    assert assigned == {"Status": 0, "AffectedSOPInstanceUID": INSTANCE}
