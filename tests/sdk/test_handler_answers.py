from enum import IntEnum
from types import SimpleNamespace

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID, ImplicitVRLittleEndian

from gateway import events, evt
from gateway.datasets.coding import encode
from gateway.sdk import handler_answers
from tests.data_sets import data_set
from tests.sdk.conftest import dimse_event


def status(value=None, **elements):
    return data_set(**elements) if value is None else data_set(Status=value, **elements)


def told(answer, event=evt.EVT_C_STORE):
    return handler_answers.answer_to(dimse_event(event), answer)


def failed(answer, event=evt.EVT_C_STORE):
    reply = told(answer, event)
    assert reply.final
    assert reply.payload["error"]
    return reply.payload["failed"]


class Code(IntEnum):
    SUCCESS = 0x0000


@pytest.mark.parametrize("answer", [0x0000, 0xA700, 0xB000, 0xC123, 0x0110, 0x8000, Code.SUCCESS])
def test_a_status(answer):
    reply = told(answer)
    assert reply.payload == {"status": int(answer), "elements": {}}
    assert (reply.data, reply.final) == (None, True)
    assert type(reply.payload["status"]) is int


def test_a_status_with_elements():
    answer = status(0xA700, ErrorComment="Disk full", OffendingElement=[0x00100010, 0x00100020])
    assert told(answer).payload == {
        "status": 0xA700,
        "elements": {"ErrorComment": "Disk full", "OffendingElement": [0x00100010, 0x00100020]},
    }
    assert told(status(0xC000, OffendingElement=0x00080018, ErrorID=4)).payload["elements"] == {
        "OffendingElement": [0x00080018],
        "ErrorID": 4,
    }


def test_an_error_comment_is_64_characters_of_the_default_repertoire():
    ds = status(0xA700)
    ds.add_new(0x00000902, "LT", "Pl\u00e4tz\n\x1b[31m\\" + "x" * 100)
    comment = told(ds).payload["elements"]["ErrorComment"]
    assert comment == ("Pl?tz??[31m?" + "x" * 100)[:64]
    answer = told(status(0xA700, ErrorComment=r"not \xff"))  # two values to pydicom
    assert answer.payload["elements"]["ErrorComment"] == "not ?xff"


def test_an_element_of_no_status_is_told_in_the_log(caplog):
    assert told(status(0x0000, PatientName="Secret^Name")).payload["elements"] == {}
    assert "(0010,0010) does not belong to a status" in caplog.text
    assert "Secret" not in caplog.text


def test_a_data_set_without_status():
    assert failed(status(ErrorComment="?")) == "no_status"


@pytest.mark.parametrize("answer", [None, "0000", 0.0, True, False, b"", [0], (0, None), object()])
def test_no_status_at_all(answer):
    assert failed(answer) == "bad_status"


@pytest.mark.parametrize("answer", [-1, 0x10000])
def test_no_us_value(answer):
    assert failed(answer) == "bad_status"


def test_a_status_element_that_is_empty():
    ds = Dataset()
    ds.Status = None
    assert failed(ds) == "bad_status"


@pytest.mark.parametrize("answer", [0xFF00, 0xFF01, 0xFE00, status(0xFF00)])
@pytest.mark.parametrize("event", [evt.EVT_C_STORE, evt.EVT_C_ECHO, evt.EVT_N_DELETE])
def test_classes_that_the_service_does_not_have(event, answer):
    assert failed(answer, event) == "forbidden"


def test_a_pair():
    ds = status(PatientID="1")
    event = dimse_event(evt.EVT_N_GET, syntax=ImplicitVRLittleEndian)
    reply = handler_answers.answer_to(event, (0x0000, ds))
    assert reply.payload == {"status": 0, "elements": {}}
    assert reply.data == encode(ds, ImplicitVRLittleEndian)
    assert handler_answers.answer_to(event, (status(0x0110), None)).payload["status"] == 0x0110


@pytest.mark.parametrize("answer", [None, 0x0000, (0x0000,), (0, None, None), [0, None], "ab"])
def test_no_pair(answer):
    assert failed(answer, evt.EVT_N_CREATE) == "bad_status"


def test_pairs_that_fail():
    assert failed((None, None), evt.EVT_N_SET) == "bad_status"
    assert failed((0xFF00, None), evt.EVT_N_SET) == "forbidden"
    assert failed((status(), None), evt.EVT_N_SET) == "no_status"
    assert failed((0x0000, "text"), evt.EVT_N_SET) == "encoding"


def test_a_data_set_that_cannot_be_encoded(caplog):
    ds = status(Rows=1)
    ds["Rows"]._value = "many"
    assert failed((0x0000, ds), evt.EVT_N_GET) == "encoding"
    (record,) = caplog.records
    assert "Failed to encode the data set" in record.message
    assert "(0028,0010)" in record.message
    assert record.exc_info is None
    assert "\n" not in record.message


def test_a_data_set_that_is_encoded_already():
    event = dimse_event(evt.EVT_C_FIND, syntax=ImplicitVRLittleEndian)
    reply = handler_answers.pair_answer(event, (0xFF00, b"encoded"))
    assert (reply.data, reply.final) == (b"encoded", False)


def test_an_error_is_told_in_one_line():
    assert handler_answers.raised(ValueError("first\nsecond")).payload == {
        "failed": "raised",
        "error": "ValueError: first",
    }
    assert handler_answers.raised(KeyError()).payload["error"] == "KeyError"
    assert handler_answers.raised(OSError("a\udc80b")).payload["error"] == "OSError: a?b"
    assert (
        len(handler_answers.raised(ValueError("x" * 9999)).payload["error"])
        == handler_answers.MAX_ERROR
    )


COMMON = {
    "sop_class_uid": "1.2",
    "service_class_uid": "1.3",
    "related_general_sop_class_identification": ["1.4"],
}


@pytest.mark.parametrize(
    ("event", "answer", "value"),
    [
        (evt.EVT_ASSOCIATE, True, True),
        (evt.EVT_ASSOCIATE, False, False),
        (evt.EVT_ASSOCIATE, (1, 1, 7), [1, 1, 7]),
        (evt.EVT_ASYNC_OPS, (2, 1), [2, 1]),
        (evt.EVT_ASYNC_OPS, (0, 65535), [0, 65535]),
        (evt.EVT_SOP_EXTENDED, {UID("1.2"): b"\1"}, {"1.2": b"\1"}),
        (evt.EVT_SOP_COMMON, {}, {}),
        (evt.EVT_SOP_COMMON, {"1.2": SimpleNamespace(**COMMON)}, {"1.2": COMMON}),
        (evt.EVT_USER_ID, (True, None), [True, None]),
        (evt.EVT_USER_ID, (False, b"no"), [False, b"no"]),
    ],
)
def test_negotiation_is_answered_with_plain_values(event, answer, value):
    assert told(answer, event).payload == {"value": value}


@pytest.mark.parametrize(
    ("event", "answer"),
    [
        (evt.EVT_ASSOCIATE, None), (evt.EVT_ASSOCIATE, (1, 2)), (evt.EVT_ASSOCIATE, (0, 0, 0)),
        (evt.EVT_ASSOCIATE, (1, 1, 300)), (evt.EVT_ASSOCIATE, "yes"), (evt.EVT_ASSOCIATE, 0),
        (evt.EVT_ASYNC_OPS, None), (evt.EVT_ASYNC_OPS, (1,)), (evt.EVT_ASYNC_OPS, (-1, 1)),
        (evt.EVT_ASYNC_OPS, (1, 65536)), (evt.EVT_ASYNC_OPS, (1, "1")), (evt.EVT_ASYNC_OPS, 5),
        (evt.EVT_SOP_EXTENDED, None), (evt.EVT_SOP_EXTENDED, {"1.2": "text"}),
        (evt.EVT_SOP_COMMON, None), (evt.EVT_SOP_COMMON, {"1.2": 3}),
        (evt.EVT_USER_ID, True), (evt.EVT_USER_ID, (1, None)), (evt.EVT_USER_ID, (True, "no")),
        (evt.EVT_USER_ID, None), (evt.EVT_USER_ID, (True,)),
    ],
)  # fmt: skip
def test_a_wrong_answer_to_a_negotiation_is_named(event, answer, caplog):
    payload = told(answer, event).payload
    assert payload["failed"] == "bad_status"
    assert payload["error"].startswith(f"{event}: the answer is not a ")
    assert payload["error"].removeprefix(f"{event}: ") in caplog.text


def test_the_catalogue_has_a_status_for_each_failure():
    for kind in ("raised", "no_status", "bad_status", "forbidden"):
        assert hasattr(events.EVT_C_STORE.failures, kind)
