from contextlib import nullcontext
from dataclasses import replace

import msgpack
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    MRImageStorage,
)

from gateway import events, evt
from gateway.datasets import Instance
from gateway.datasets.coding import decode
from gateway.datasets.conversion import encoded_instance
from gateway.sdk import streams
from gateway.sdk.get_answers import IN_LIST, PIECE
from gateway.sdk.handler_answers import SUCCEEDED
from gateway.sdk.move.routes import Routes
from gateway.sdk.stream_values import CANCELLED
from gateway.settings import Destination
from gateway.spool import Claim
from tests.sdk.conftest import ASSOC, TOKEN, dimse_event

MATCH = Dataset()
MATCH.PatientID = "1"


class Nowhere(Routes):
    """Routes to destinations that no test of this module goes to."""

    def associate(self, address, proposal):
        raise AssertionError(f"{address} is not to be called")


def converter(event, **parameters):
    made = dimse_event(event, MoveDestination="THERE", **parameters)
    made._blob = msgpack.packb(ASSOC)
    return streams.converter(made, Nowhere({"KNOWN": Destination("host", 104)}), nullcontext)


def told(event, *values):
    """The replies to the values up to the final one; an end of the generator ends them too."""
    convert = converter(event)
    replies = []
    for value in values:
        replies.append(convert(value))
        if replies[-1] is not None and replies[-1].final:
            return replies
    return [*replies, convert.end()]


def summary(replies):
    return [
        (r.payload.get("status", r.payload.get("failed")), r.data is not None, r.final)
        for r in replies
        if r is not None
    ]


def test_every_stream_has_a_converter():
    for event in events.INTERVENTIONS.values():
        if event.streams:
            assert converter(event)


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
    assert streams.stream_failure(dimse_event(evt.EVT_C_FIND), None) is SUCCEEDED
    for event, result in [
        (evt.EVT_C_GET, None), (evt.EVT_C_FIND, 0), (evt.EVT_C_FIND, Dataset()),
        (evt.EVT_C_FIND, "ab"),
    ]:  # fmt: skip
        assert streams.stream_failure(dimse_event(event), result).payload["failed"] == "bad_status"
    assert streams.stream_failure(dimse_event(evt.EVT_C_FIND), []) is None


def image(number=1):
    made = Dataset()
    made.SOPClassUID = CTImageStorage
    made.SOPInstanceUID = f"1.2.3.{number}"
    return made


def test_get():
    replies = told(evt.EVT_C_GET, 2, (0xFF00, image()), [0xFF00, image(2)])
    assert replies[0].payload == {"number": 2}
    assert replies[2].payload == {
        "status": 0xFF00,
        "elements": {},
        "sop_class_uid": CTImageStorage,
        "sop_instance_uid": "1.2.3.2",
        "context_id": 1,
    }
    assert decode(replies[2].data, ExplicitVRLittleEndian) == image(2)
    assert summary(replies[1:]) == [
        (0xFF00, True, False),
        (0xFF00, True, False),
        (0x0000, False, True),
    ]


def test_a_get_warning_ends_it():
    uids = Dataset()
    uids.FailedSOPInstanceUIDList = ["1.2"]
    replies = told(evt.EVT_C_GET, 2, (0xB000, uids))
    assert summary(replies[1:]) == [(0xB000, True, True)]


def test_what_no_context_takes_fails_one_sub_operation():
    other = image()
    other.SOPClassUID = MRImageStorage
    big = image(2)
    big.file_meta = Dataset()
    big.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    replies = told(evt.EVT_C_GET, 3, (0xFF00, other), (0xFF00, big), (0xFF00, None))
    assert summary(replies[1:]) == [("encoding", False, False)] * 3 + [(0, False, True)]
    assert [r.payload["sop_instance_uid"] for r in replies[1:4]] == ["1.2.3.1", "1.2.3.2", ""]


def test_too_many():
    assert summary(told(evt.EVT_C_GET, 65536)) == [("too_many", False, True)]
    assert told(evt.EVT_C_GET, 65535)[0].payload == {"number": 65535}
    assert summary(told(evt.EVT_C_MOVE, ("host", 104), 65536)) == [("too_many", False, True)]


@pytest.mark.parametrize(
    ("event", "values", "status"),
    [
        (evt.EVT_C_FIND, [(0xFF00, MATCH)], 0xFE00),
        (evt.EVT_C_FIND, [(0xB000, None)], 0xFE00),
        (evt.EVT_C_FIND, [(0xA700, None)], 0xA700),
        (evt.EVT_C_FIND, [(0x0000, None)], 0x0000),
        (evt.EVT_C_GET, [1], 0xFE00),
        (evt.EVT_C_GET, [1, (0xFF00, image())], 0xFE00),
        (evt.EVT_C_GET, [1, (0xC000, None)], 0xC000),
        (evt.EVT_C_MOVE, [("host", 104)], 0xFE00),
        (evt.EVT_C_MOVE, [("host", 104), 3, (0xFF00, image())], 0xFE00),
        (evt.EVT_C_MOVE, [("host", 104), 3, (0xFE00, None)], 0xFE00),
        (evt.EVT_C_MOVE, [("host", 104), 3, None], "bad_status"),
    ],
)
def test_the_first_value_after_a_cancel_is_the_last(event, values, status):
    convert = converter(event)
    for value in values[:-1]:
        convert(value)
    told = convert.cancelled(values[-1])
    assert told.final
    assert told.payload.get("status", told.payload.get("failed")) == status
    if event is evt.EVT_C_MOVE and status == 0xFE00 and len(values) > 1:
        assert told.payload["elements"]["NumberOfRemainingSuboperations"] == 3


def test_a_generator_that_ends_after_a_cancel_was_cancelled():
    assert converter(evt.EVT_C_FIND).end(is_cancelled=True) is CANCELLED
    assert converter(evt.EVT_C_GET).end(is_cancelled=True) is CANCELLED
    getting = converter(evt.EVT_C_GET)
    getting(0)
    assert getting.end(is_cancelled=True) is SUCCEEDED, "the acceptor knows what remains"


@pytest.mark.parametrize(
    ("event", "values", "kind"),
    [
        (evt.EVT_C_FIND, [], "raised"),
        (evt.EVT_C_FIND, [(0xFF00, MATCH)], "raised"),
        (evt.EVT_C_GET, [], "first"),
        (evt.EVT_C_GET, [1], "raised"),
        (evt.EVT_C_MOVE, [], "first"),
        (evt.EVT_C_MOVE, [("host", 104)], "number"),
    ],
)
def test_what_it_is_called_when_a_handler_raises(event, values, kind):
    convert = converter(event)
    for value in values:
        convert(value)
    assert convert.raised(KeyError("x")).payload == {"failed": kind, "error": "KeyError: 'x'"}


def test_a_file_or_claim_is_sent_without_decoding(tmp_path):
    claim = Claim(TOKEN, str(tmp_path), 10, 20, bytes(32))
    _, path, taken, _ = told(evt.EVT_C_GET, 2, (0xFF00, tmp_path / "x"), (0xFF00, claim))
    assert path.payload == {"status": 0xFF00, "elements": {}, "path": str(tmp_path / "x")}
    assert taken.payload["claim"] == claim.to_map()


def get_answers(values, *, lists=True):
    event = dimse_event(evt.EVT_C_GET)
    event._blob = msgpack.packb(ASSOC)
    event._payload = {**event._payload, "lists": lists}
    convert = streams.converter(event, Nowhere({}), nullcontext)
    convert(3)
    return [answer for value in values for answer in (convert(value), *convert.rest())]


def in_file(number, syntax=ExplicitVRLittleEndian):
    return Instance(CTImageStorage, f"1.2.3.{number}", syntax, 20, f"/a/{number}", 10)


def test_files_of_a_list_are_one_answer():
    files = [in_file(n) for n in range(IN_LIST + 2)]
    first, second = get_answers([(0xFF00, files)])
    rows = [
        [one.payload["context_id"], CTImageStorage, f"1.2.3.{n}", f"/a/{n}", 10, 20]
        for n, one in enumerate(get_answers([(0xFF00, files)], lists=False))
    ]
    assert [first.payload["instances"], second.payload["instances"]] == [
        rows[:IN_LIST],
        rows[IN_LIST:],
    ]


def test_what_is_not_a_file_as_it_is_sent_has_an_answer_of_its_own():
    made = encoded_instance(image(), ExplicitVRLittleEndian)
    missing = in_file(7, JPEGBaseline8Bit)
    answers = get_answers([(0xFF00, [in_file(1), made, in_file(2), missing, in_file(3)])])
    kinds = [
        "instances" if "instances" in one.payload else one.payload.get("failed", "data")
        for one in answers
    ]
    assert kinds == ["instances", "data", "instances", "encoding", "instances"]
    assert answers[1].data == made.data


def test_files_with_elements_of_the_handler_have_answers_of_their_own():
    status = Dataset()
    status.Status, status.ErrorComment = 0xFF00, "slow"
    answers = get_answers([(status, [in_file(1), in_file(2)])])
    assert [one.payload["path"] for one in answers] == ["/a/1", "/a/2"]
    assert {one.payload["elements"]["ErrorComment"] for one in answers} == {"slow"}


def test_an_instance_in_memory_is_sent_as_it_is():
    made = encoded_instance(image(), ExplicitVRLittleEndian)
    replies = told(evt.EVT_C_GET, 2, (0xFF00, made), (0xFF00, replace(made, sop_class_uid="1.2")))
    assert (replies[1].payload["sop_instance_uid"], replies[1].data) == ("1.2.3.1", made.data)
    assert summary(replies[1:])[1] == ("encoding", False, False)
    assert replies[2].payload["sop_instance_uid"] == "1.2.3.1"


def test_a_large_instance_is_sent_in_several_answers():
    made = encoded_instance(image(), ExplicitVRLittleEndian)
    pieces = [made.data, b"b" * (PIECE + 1), b"c"]
    convert = converter(evt.EVT_C_GET)
    convert(1)
    first = convert((0xFF00, replace(made, data=None, make=lambda: iter(pieces))))
    answers = [first, *convert.rest()]
    assert b"".join(answer.data for answer in answers) == b"".join(pieces)
    assert [answer.payload.get("more") for answer in answers] == [True, True, True, None]
    assert max(len(answer.data) for answer in answers) == PIECE
    assert "sop_instance_uid" in first.payload
    assert not any("sop_instance_uid" in answer.payload for answer in answers[1:])


def test_a_large_instance_that_fails_half_way():
    def make():
        yield b"a"
        yield b"b"
        raise OSError("gone")

    made = encoded_instance(image(), ExplicitVRLittleEndian)
    convert = converter(evt.EVT_C_GET)
    convert(1)
    first = convert((0xFF00, replace(made, data=None, make=make)))
    *_, last = convert.rest()
    assert first.payload["more"]
    assert (last.payload["failed"], last.final) == ("encoding", False)


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
    assert summary(told(evt.EVT_C_MOVE, ("host", 104), value)) == [("number", False, True)]


def test_ending_before_the_first_values():
    assert summary(told(evt.EVT_C_GET)) == [("first", False, True)]
    assert summary(told(evt.EVT_C_MOVE)) == [("first", False, True)]
    assert summary(told(evt.EVT_C_MOVE, ("host", 104))) == [("number", False, True)]


def test_a_data_set_that_cannot_be_encoded_fails_one_sub_operation():
    broken = image()
    broken.Rows = 1
    broken["Rows"]._value = "many"
    replies = told(evt.EVT_C_GET, 2, (0xFF00, broken), (0xFF00, image()))
    assert summary(replies[1:]) == [
        ("encoding", False, False),
        (0xFF00, True, False),
        (0x0000, False, True),
    ]


def test_move_without_sub_operations():
    nothing, number, final = told(evt.EVT_C_MOVE, ("host", 104), 0)
    assert nothing is None
    assert number.payload == {"number": 0}
    assert final.payload == {
        "status": 0x0000,
        "elements": {
            "NumberOfCompletedSuboperations": 0,
            "NumberOfFailedSuboperations": 0,
            "NumberOfWarningSuboperations": 0,
        },
    }


@pytest.mark.parametrize(
    "value",
    [("host", 104, {"ae_title": "X", "max_pdu": 0}), ("host", 104, None), "KNOWN",
     ("host", 104, {"evt_handlers": [], "ext_neg": []})],
)  # fmt: skip
def test_destinations(value):
    assert converter(evt.EVT_C_MOVE)(value) is None


def test_what_was_announced_and_did_not_come_has_failed():
    *_, final = told(evt.EVT_C_MOVE, ("host", 104), 3)
    assert final.payload["status"] == 0xA702
    assert final.payload["elements"]["NumberOfFailedSuboperations"] == 3


@pytest.mark.parametrize("value", [(None, None), (None, 104), ("host", None), "UNKNOWN"])
def test_an_unknown_destination(value):
    assert summary(told(evt.EVT_C_MOVE, value)) == [(0xA801, False, True)]


@pytest.mark.parametrize(
    "value",
    [None, ("host",), (104, "host"), ("host", 0), ("host", 104, {"what": 1}), 0xA801, ()],
)
def test_an_invalid_destination(value):
    assert summary(told(evt.EVT_C_MOVE, value)) == [("destination", False, True)]


PENDING = Dataset()
PENDING.Status = 0xFF00


@pytest.mark.parametrize("value", [(0xFF00, None), (0xFF00, MATCH), PENDING])
def test_a_pending_status_is_not_a_valid_first_value(value):
    assert summary(told(evt.EVT_C_MOVE, value)) == [("destination", False, True)]
    assert summary(told(evt.EVT_C_GET, value)) == [("number", False, True)]
