"""The parameters of DIMSE messages, made and filled in by programs, beside pynetdicom's."""

from io import BytesIO

import pynetdicom.dimse_primitives as theirs
import pytest
from pydicom.tag import Tag
from pydicom.uid import UID

import gateway.dimse_primitives as ours
from gateway.sdk.request_parameters import REQUESTS, RequestParameters

KINDS = [
    "C_CANCEL", "C_ECHO", "C_FIND", "C_GET", "C_MOVE", "C_STORE",
    "N_ACTION", "N_CREATE", "N_DELETE", "N_EVENT_REPORT", "N_GET", "N_SET",
]  # fmt: skip
UID_VALUES = ["1.2.3", b"1.2.3", UID("1.2"), "", None, 12, "1" * 65]
NUMBERS = [0, 1, 2, 0xFFFF, 0x10000, -1, None, "1", 1.5, True]
STREAMS = [BytesIO(b"12"), None, b"12", "12", 5]
TITLES = ["STORE", "", " ", " STORE ", "A" * 17, "A\\B", "\u00fc", None, 5]
VALUES = {
    "AttributeIdentifierList": [
        None, 0x00100010, "PatientName", (0x0010, 0x0010), [0x00100010], ["PatientName"],
        ["PatientName", 0x00100020], "NoSuchKeyword", ["x"], 1.5,
    ],
    "MoveDestination": TITLES,
    "MoveOriginatorApplicationEntityTitle": TITLES,
    "ErrorComment": ["text", None],
    "ErrorID": [1, None],
    "OffendingElement": [[0x00100010], None],
}  # fmt: skip
DATA_SETS = {
    "ActionInformation", "ActionReply", "AttributeList", "DataSet", "EventInformation",
    "EventReply", "Identifier", "ModificationList",
}  # fmt: skip


def parameters(kind):
    made = getattr(theirs, kind)()
    return [n for n in dir(made) if n[:1].isupper() and n.upper() != n]


def values_of(name):
    kind = UID_VALUES if name.endswith("UID") else STREAMS if name in DATA_SETS else NUMBERS
    return VALUES.get(name, kind)


def outcome(lib, kind, name, value):
    """What a parameter is after it was assigned, or what the assignment raised."""
    made = getattr(lib, kind)()
    try:
        setattr(made, name, value)
    except (TypeError, ValueError) as error:
        return type(error), str(error)
    found = getattr(made, name)
    return type(found), found


ASSIGNMENTS = [(kind, name) for kind in KINDS for name in parameters(kind)]


@pytest.mark.filterwarnings("ignore:The value length")
@pytest.mark.parametrize(("kind", "name"), ASSIGNMENTS)
def test_what_is_assigned_is_checked_as_by_pynetdicom(kind, name):
    for value in values_of(name):
        known = outcome(theirs, kind, name, value)
        if name == "RequestedSOPClassUID" and known[0] in (TypeError, ValueError):
            known = known[0], known[1].replace("Instance", "Class")  # a slip of pynetdicom's
        assert outcome(ours, kind, name, value) == known, value


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_one_has_the_same_parameters(kind):
    mine, known = getattr(ours, kind)(), getattr(theirs, kind)()
    for name in parameters(kind):
        assert getattr(mine, name) == getattr(known, name), name
    others = {name for other in KINDS for name in parameters(other)} - set(parameters(kind))
    assert {name for name in others if hasattr(mine, name)} <= {"AttributeIdentifierList"}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "C_CANCEL"])
def test_what_a_valid_message_needs(kind):
    mine, known = getattr(ours, kind)(), getattr(theirs, kind)()
    for name in ("REQUEST_KEYWORDS", "RESPONSE_KEYWORDS", "STATUS_OPTIONAL_KEYWORDS"):
        assert sorted(getattr(mine, name)) == sorted(getattr(known, name))
    for name in parameters(kind):
        assert (mine.is_valid_request, mine.is_valid_response) == (
            known.is_valid_request, known.is_valid_response
        )  # fmt: skip
        value = "1.2" if name.endswith("UID") else BytesIO(b"1") if name in DATA_SETS else 1
        for made in (mine, known):
            setattr(made, name, "A" if "Destination" in name or "Title" in name else value)
    assert mine.is_valid_request
    assert mine.is_valid_response
    assert mine.msg_type == known.msg_type


@pytest.mark.parametrize("name", ["MoveDestination", "MoveOriginatorApplicationEntityTitle"])
def test_titles_may_still_be_bytes(name):
    for lib in (ours, theirs):
        made = (lib.C_MOVE if name == "MoveDestination" else lib.C_STORE)()
        with pytest.warns(DeprecationWarning, match="The use of bytes with"):
            setattr(made, name, b" STORE ")
        assert getattr(made, name) == "STORE"


def test_a_request_that_came_in_may_be_read_more_than_once_and_changed():
    sent = {"MessageID": 7, "RequestedSOPClassUID": "1.2.3", "RequestedSOPInstanceUID": "1.2.3.4"}
    request = REQUESTS["EVT_N_SET"](
        {**sent, "AttributeIdentifierList": [0x00100010]}, lambda: b"12"
    )
    assert isinstance(request, ours.N_SET)
    assert isinstance(request, RequestParameters)
    assert request.is_valid_request
    assert not request.is_valid_response
    assert request.AttributeIdentifierList == Tag(0x00100010)
    assert request.RequestedSOPClassUID == UID("1.2.3")
    assert request.ModificationList is request.ModificationList
    assert request.ModificationList.read() == b"12"
    request.Status = 0
    request.MessageIDBeingRespondedTo = request.MessageID
    assert request.is_valid_response
    assert "Status=0" in repr(request)
    assert "Status" not in sent


def test_a_data_set_is_not_read_to_know_that_it_is_there():
    def read():
        raise AssertionError("read")

    sent = {"MessageID": 7, "AffectedSOPClassUID": "1.2.3", "AffectedSOPInstanceUID": "1.2.3.4"}
    assert REQUESTS["EVT_C_STORE"](sent, read).is_valid_request
