import pytest
from pydicom.dataset import Dataset

from gateway import events, evt
from gateway.sdk import streams
from gateway.spool import Claim
from tests.sdk.conftest import TOKEN, dimse_event

MATCH = Dataset()
MATCH.PatientID = "1"


def told(event, *values):
    """The replies to the values up to the final one; an end of the generator ends them too."""
    converter = streams.converter(dimse_event(event))
    replies = []
    for value in values:
        replies.append(converter(value))
        if replies[-1].final:
            return replies
    return [*replies, converter.end()]


def summary(replies):
    return [
        (r.payload.get("status", r.payload.get("failed")), r.data is not None, r.final)
        for r in replies
    ]


def test_every_stream_has_a_converter():
    named = {e.name for e in events.INTERVENTIONS.values() if e.streams}
    assert named == set(streams.CONVERTERS)


def test_find():
    replies = told(evt.EVT_C_FIND, (0xFF00, MATCH), (0xFF01, MATCH), (0xB000, None))
    assert summary(replies) == [
        (0xFF00, True, False),
        (0xFF01, True, False),
        (0xB000, False, False),
        (0x0000, False, True),
    ]


@pytest.mark.parametrize("status", [0x0000, 0xFE00, 0xA700, 0xC001])
def test_a_find_ends_with_its_status(status):
    assert summary(told(evt.EVT_C_FIND, (status, None), (0xFF00, MATCH))) == [(status, False, True)]


@pytest.mark.parametrize(
    ("value", "failure"),
    [(None, "bad_status"), (0, "bad_status"), ((Dataset(), None), "no_status"),
     ((None, None), "bad_status"), ((0xFF00, "text"), "encoding")],
)  # fmt: skip
def test_a_find_that_fails(value, failure):
    assert summary(told(evt.EVT_C_FIND, value)) == [(failure, False, True)]


def test_what_is_no_stream():
    assert streams.refused(dimse_event(evt.EVT_C_FIND), None) is streams.SUCCESS
    for event, result in [
        (evt.EVT_C_GET, None), (evt.EVT_C_FIND, 0), (evt.EVT_C_FIND, Dataset()),
        (evt.EVT_C_FIND, "ab"),
    ]:  # fmt: skip
        assert streams.refused(dimse_event(event), result).payload["failed"] == "bad_status"
    assert streams.refused(dimse_event(evt.EVT_C_FIND), []) is None


def test_get():
    replies = told(evt.EVT_C_GET, 2, (0xFF00, MATCH), (0xFF00, MATCH))
    assert replies[0].payload == {"number": 2}
    assert summary(replies[1:]) == [
        (0xFF00, True, False),
        (0xFF00, True, False),
        (0x0000, False, True),
    ]


def test_a_file_or_claim_is_sent_without_decoding(tmp_path):
    claim = Claim(TOKEN, str(tmp_path), 10, 20, bytes(32))
    _, path, taken, _ = told(evt.EVT_C_GET, 2, (0xFF00, tmp_path / "x"), (0xFF00, claim))
    assert path.payload == {"status": 0xFF00, "elements": {}, "path": str(tmp_path / "x")}
    assert taken.payload["claim"] == claim.to_map()


def test_a_first_status_is_sent_as_that():
    failure = Dataset()
    failure.Status = 0xA701
    assert summary(told(evt.EVT_C_GET, failure)) == [(0xA701, False, True)]
    assert summary(told(evt.EVT_C_GET, (0xA701, None))) == [(0xA701, False, True)]
    assert summary(told(evt.EVT_C_MOVE, (0xA701, None))) == [(0xA701, False, True)]
    assert summary(told(evt.EVT_C_MOVE, failure)) == [(0xA701, False, True)]


@pytest.mark.parametrize("value", [None, -1, True, "2", 2.0])
def test_a_wrong_number(value):
    assert summary(told(evt.EVT_C_GET, value)) == [("number", False, True)]
    assert summary(told(evt.EVT_C_MOVE, ("host", 104), value))[1:] == [("number", False, True)]


def test_ending_before_the_first_values():
    assert summary(told(evt.EVT_C_GET)) == [("raised", False, True)]
    assert summary(told(evt.EVT_C_MOVE)) == [("raised", False, True)]
    assert summary(told(evt.EVT_C_MOVE, ("host", 104)))[1:] == [("raised", False, True)]


def test_a_data_set_that_cannot_be_encoded_fails_one_sub_operation():
    broken = Dataset()
    broken.Rows = 1
    broken["Rows"]._value = "many"
    replies = told(evt.EVT_C_GET, 2, (0xFF00, broken), (0xFF00, MATCH))
    assert summary(replies[1:]) == [
        ("encoding", False, False),
        (0xFF00, True, False),
        (0x0000, False, True),
    ]


def test_move():
    first, number, *_ = told(evt.EVT_C_MOVE, ("host", 104), 0)
    assert first.payload == {"destination": ["host", 104], "options": {}}
    assert number.payload == {"number": 0}
    first, *_ = told(evt.EVT_C_MOVE, ("host", 104, {"ae_title": "THERE"}), 0)
    assert first.payload["options"] == {"ae_title": "THERE"}


def test_an_unknown_destination():
    (reply,) = told(evt.EVT_C_MOVE, (None, None))
    assert reply.payload == {"destination": None}
    assert reply.final


@pytest.mark.parametrize("value", [None, "host", ("host",), (104, "host"), (None, 104)])
def test_an_invalid_destination(value):
    assert summary(told(evt.EVT_C_MOVE, value)) == [("destination", False, True)]
