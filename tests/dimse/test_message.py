from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dimse.base import encode_message
from gateway.dimse.command_elements import CommandField
from gateway.dimse.command_set import LIMIT
from gateway.dimse.command_set import decode as decode_set
from gateway.dimse.errors import MessageError, RespondTo
from gateway.dimse.message import (
    MESSAGES,
    CCancelRQ,
    CEchoRQ,
    CFindRQ,
    CGetRQ,
    CGetRSP,
    CMoveRQ,
    CMoveRSP,
    CStoreRQ,
    CStoreRSP,
    DataSet,
    NActionRQ,
    NCreateRQ,
    NEventReportRQ,
    NGetRQ,
    NSetRQ,
    Request,
    Response,
    UnrecognizedRSP,
    decode,
    decode_message,
    error_response,
)
from gateway.errors import LocalProtocolError, RemoteProtocolError

from .samples import IDS, SAMPLES

CT = "1.2.840.10008.5.1.4.1.1.2"
STORE = CStoreRQ(7, CT, "1.2.3.4")

each_sample = pytest.mark.parametrize("message", SAMPLES, ids=IDS)


def elements(message, **changes) -> dict[int, bytes]:
    """The raw elements of a command set, those in `changes` replaced, or dropped if None."""
    data = message.encode(message.data_set is not DataSet.NEVER)
    raw, offset = {}, 12
    while offset < len(data):
        tag, length = int.from_bytes(data[offset + 2 : offset + 4], "little"), data[offset + 4]
        raw[tag] = data[offset + 8 : offset + 8 + length]
        offset += 8 + length
    raw |= {int(name[1:], 16): value for name, value in changes.items()}
    return {tag: value for tag, value in sorted(raw.items()) if value is not None}


def command_set(message, **changes) -> bytes:
    raw = elements(message, **changes)
    body = b"".join(pack("<HHL", 0, tag, len(v)) + v for tag, v in raw.items())
    return pack("<HHLL", 0, 0, 4, len(body)) + body


def failure(data: bytes) -> MessageError:
    with pytest.raises(MessageError) as caught:
        decode(data)
    return caught.value


def test_there_are_23_messages():
    assert len(MESSAGES) == 23
    assert set(MESSAGES) == set(CommandField)
    assert all(kind.command_field == field for field, kind in MESSAGES.items())
    assert len({type(message) for message in SAMPLES}) == 23


@each_sample
@pytest.mark.parametrize("has_data_set", [False, True])
def test_round_trip(message, has_data_set):
    if message.data_set is DataSet.REQUIRED and not has_data_set:
        return
    encoded = message.encode(has_data_set)
    assert decode(encoded) == (message, has_data_set)
    assert decode_message(encoded) == message
    assert decode_message(encoded).encode(has_data_set) == encoded
    assert len(encoded) % 2 == 0
    assert decode_set(encoded)[0] == len(encoded) - 12


@each_sample
def test_messages_are_frozen_and_have_no_dict(message):
    with pytest.raises(FrozenInstanceError):
        setattr(message, fields(message)[0].name, 1)
    assert not hasattr(message, "__dict__")


def outcome(data: bytes) -> object:
    """Return the result of decoding, which must be a message or one of our errors."""
    try:
        result, _ = decode(data)
    except (MessageError, RemoteProtocolError) as error:
        result = error
    if isinstance(result, RemoteProtocolError):
        assert (result.source, result.reason) == (0, 0)
    elif isinstance(result, MessageError):
        assert result.status in (0x0117, 0x0211, 0x0212, 0xA801)
        answer = decode_set(error_response(result).encode())
        assert answer[0x0120] == result.respond_to.message_id
        assert answer[0x0100] == result.respond_to.command_field | 0x8000
        assert answer[0x0900] == result.status
    else:
        result.encode()
        result.parameters()
        if isinstance(result, Request):
            assert decode_message(result.response(0).encode()).status == 0
    return result


@each_sample
def test_truncation_at_each_length(message):
    encoded = message.encode(True)
    for length in range(len(encoded)):
        result = outcome(encoded[:length])
        if length > len(encoded) - 10:  # the last value is cut
            assert result != message


@each_sample
def test_flip_of_each_byte(message):
    encoded = message.encode(True)
    for index in range(len(encoded)):
        for mask in (0x01, 0x80, 0xFF):
            outcome(encoded[:index] + bytes((encoded[index] ^ mask,)) + encoded[index + 1 :])


@given(st.binary(max_size=300))
def test_decoding_is_total(data):
    outcome(data)


@settings(max_examples=300)
@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=9), st.integers(0, 9)), max_size=4),
)
def test_decoding_is_total_for_damaged_messages(message, damages):
    data = message.encode(True)
    for at, inserted, removed in damages:
        data = data[:at] + inserted + data[at + removed :]
    outcome(data)


def test_a_command_set_over_the_limit_is_aborted():
    with pytest.raises(RemoteProtocolError, match="65537 bytes"):
        decode(b"\0" * (LIMIT + 1))


@each_sample
def test_parameters_have_ps37_keywords(message):
    parameters = message.parameters()
    assert None not in parameters.values()
    assert all(type(v) in (int, str, list) for v in parameters.values())
    if isinstance(message, Request):
        assert parameters["MessageID"] == message.message_id


def test_parameters_of_a_store():
    request = CStoreRQ(1, CT, "1.2.3", 2, "ORIGINATOR", 65535)
    assert request.parameters() == {
        "MessageID": 1,
        "AffectedSOPClassUID": CT,
        "AffectedSOPInstanceUID": "1.2.3",
        "Priority": 2,
        "MoveOriginatorApplicationEntityTitle": "ORIGINATOR",
        "MoveOriginatorMessageID": 65535,
    }
    assert NGetRQ(0, "1.2", "1.3", (0x00100010,)).parameters()["AttributeIdentifierList"] == [
        0x00100010
    ]


# Faults of requests


@pytest.mark.parametrize(
    ("changes", "status", "offending"),
    [
        ({"x1000": None}, 0x0117, 0x1000),
        ({"x1000": b""}, 0x0117, 0x1000),
        ({"x1000": b"1..2"}, 0x0117, 0x1000),
        ({"x1000": b"../../etc/passwd"}, 0x0117, 0x1000),
        ({"x1000": b"1.2;$(id)\n "}, 0x0117, 0x1000),
        ({"x1000": b"1." + b"2" * 64}, 0x0117, 0x1000),
        ({"x1000": b"1.2\\1.3\0"}, 0x0117, 0x1000),
        ({"x1000": b"1.2\0/x\0\0"}, 0x0117, 0x1000),
        ({"x0002": None}, 0x0212, 0x0002),
        ({"x0002": b"CT Image"}, 0x0212, 0x0002),
        ({"x0800": None}, 0x0212, 0x0800),
        ({"x0800": b"\1\1"}, 0x0212, 0x0800),
        ({"x0800": b"\1\1\1\1"}, 0x0212, 0x0800),
    ],
)
def test_missing_and_malformed_elements(changes, status, offending):
    error = failure(command_set(STORE, **changes))
    assert (error.status, error.offending_element) == (status, (offending,))
    response = error_response(error)
    assert isinstance(response, CStoreRSP)
    assert response.message_id_being_responded_to == 7
    assert response.offending_element == (offending,)
    assert response.error_comment


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x1000": b"1.2.03"}, replace(STORE, affected_sop_instance_uid="1.2.03")),
        ({"x1030": b""}, STORE),
        ({"x1030": b" OTHER\0\0"}, replace(STORE, move_originator_ae_title="OTHER")),
        ({"x0120": b"\1\0", "x0900": b"\0\0"}, STORE),
        ({"x0010": b"ACR-NEMA 2.0"}, STORE),
    ],
    ids=["leading-zero", "empty-optional", "spaces", "foreign-elements", "retired-element"],
)
def test_what_is_tolerated(changes, message):
    assert decode(command_set(STORE, **changes)) == (message, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"x0700": None},
        {"x0700": b""},
        {"x0700": b"\0"},
        {"x0700": b"\3\0"},
        {"x0700": b"\xff\xff"},
        {"x0700": b"\1\0\0\0"},
        {"x0700": b"HIGH"},
        {"x1030": b"SEVENTEEN_LETTERS "},
        {"x1030": b"A\\B "},
        {"x1030": b"\xd6T\xc0\0"},
        {"x1030": b"A\nB "},
        {"x1030": b"\0\0\0\0"},
        {"x1030": b"\0BEHIND A NUL"},
        {"x1031": b"\7"},
        {"x1031": b"\7\0\0"},
        {"x0901": b"\1"},
        {"x0902": b"\xff" * 300},
        {"x0903": b"\1"},
        {"x1020": b"\1\0\0"},
    ],
    ids=str,
)
def test_what_says_nothing_of_the_instance_never_decides(changes):
    assert decode(command_set(STORE, **changes)) == (STORE, True)


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        (b"ORIGINATOR", "ORIGINATOR"),
        (b"ORIGINATOR\0\0\0\0\0\0", "ORIGINATOR"),
        (b"ORIGINATOR      \0\0", "ORIGINATOR"),
        (b"A\0rest of a C string", "A"),
        (b"SIXTEEN_LETTERS_" + b" " * 4, "SIXTEEN_LETTERS_"),
        (b"SEVENTEEN_LETTERS ", None),
    ],
)
def test_the_move_originator_is_told_as_far_as_it_is_an_ae_title(raw, title):
    decoded = decode_message(command_set(STORE, x1030=raw))
    assert decoded == replace(STORE, move_originator_ae_title=title)


@pytest.mark.parametrize("raw", [b"\x09\0", b"\x09\0\0\0", b"\x09\0\1\0"])
def test_of_several_numbers_the_first_counts(raw):
    decoded = decode_message(command_set(STORE, x1031=raw, x0110=raw))
    assert decoded == replace(STORE, move_originator_message_id=9, message_id=9)
    response = decode_message(command_set(CStoreRSP(1, 0), x0120=raw, x0900=raw))
    assert response == CStoreRSP(9, 9, affected_sop_class_uid=None)


@pytest.mark.parametrize("request_", [CFindRQ(1, "1.2"), CGetRQ(1, "1.2"), CMoveRQ(1, "1.2", "A")])
@pytest.mark.parametrize("priority", [None, b"\3\0", b"\0\0\0\0", b"\7"])
def test_the_priority_of_a_query_never_decides(request_, priority):
    assert decode(command_set(request_, x0700=priority)) == (request_, True)


def test_a_c_echo_needs_no_class():
    assert decode(command_set(CEchoRQ(1), x0002=None)) == (CEchoRQ(1), False)


@pytest.mark.parametrize("raw", [b"SEVENTEEN_LETTERS ", b"A\\B ", b"\xd6 ", b"", None])
def test_a_destination_that_nobody_can_know_is_unknown(raw):
    error = failure(command_set(CMoveRQ(1, "1.2", "AE"), x0600=raw))
    assert (error.status, error.offending_element) == (0xA801, (0x0600,))
    assert error_response(error).command_field == CommandField.C_MOVE_RSP


def test_what_names_the_attributes_to_get_decides():
    error = failure(command_set(NGetRQ(1, "1.2", "1.3", (0x00100010,)), x1005=b"\1\0"))
    assert (error.status, error.offending_element) == (0x0212, (0x1005,))


@pytest.mark.parametrize(
    "changes",
    [
        {"x0901": b"\1"},
        {"x0901": b"\1\0\2"},
        {"x1020": b"\1"},
        {"x1021": b"\1\0\0"},
        {"x1022": b"many!"},
        {"x1023": b""},
        {"x0903": b"\7", "x1030": b"\xff\xff", "x0700": b"\7\0"},
    ],
    ids=str,
)
@pytest.mark.parametrize("response", [CMoveRSP(1, 0xFF00), CGetRSP(1, 0xFF00)])
def test_odd_elements_of_a_response_are_left_out(response, changes):
    assert decode_message(command_set(response, **changes)) == response


@pytest.mark.parametrize("type_", [b"\0\0", b"\1\0", b"\2\1", b"\xff\xff"])
def test_any_data_set_type_but_0101h_means_a_data_set(type_):
    assert decode(command_set(STORE, x0800=type_)) == (STORE, True)
    assert decode(command_set(CEchoRQ(1), x0800=type_)) == (CEchoRQ(1), True)


@pytest.mark.parametrize(
    "message",
    [STORE, CFindRQ(1, "1.2"), CMoveRQ(1, "1.2", "AE"), NSetRQ(1, "1.2", "1.3")],
)
def test_a_required_data_set_is_missed_at_the_command_set(message):
    error = failure(message.encode(False))
    assert (error.status, error.offending_element) == (0x0212, (0x0800,))
    assert not error.has_data_set


def test_the_data_set_of_a_failed_request_is_announced():
    assert failure(command_set(STORE, x1000=None)).has_data_set
    assert not failure(command_set(CEchoRQ(1), x0002=b"x.")).has_data_set


@pytest.mark.parametrize("message_id", [0, 65535])
def test_message_ids_0_and_65535_are_legal(message_id):
    request = CEchoRQ(message_id)
    assert decode_message(request.encode()) == request
    assert request.response(0).message_id_being_responded_to == message_id


@pytest.mark.parametrize("field", [0x0000, 0x0002, 0x0070, 0x0FFE, 0x7FFF])
def test_unknown_command_fields_are_0211(field):
    error = failure(command_set(STORE, x0100=pack("<H", field)))
    assert (error.status, error.respond_to) == (0x0211, RespondTo(field, 7, CT, "1.2.3.4"))
    response = error_response(error)
    assert isinstance(response, UnrecognizedRSP)
    assert decode_set(response.encode()) == {
        0x0000: len(response.encode()) - 12,
        0x0002: CT,
        0x0100: field | 0x8000,
        0x0120: 7,
        0x0800: 0x0101,
        0x0900: 0x0211,
        0x0902: f"unknown command field {field:04X}H",
    }


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0" * 100,
        command_set(STORE, x0100=None),
        command_set(STORE, x0100=b"\1"),
        command_set(STORE, x0110=None),
        command_set(STORE, x0110=b"\1"),
        command_set(STORE, x0100=b"\x70\0", x0110=None),
        command_set(STORE, x0100=b"\x70\x80"),
        command_set(CStoreRSP(1, 0), x0120=None),
        command_set(CStoreRSP(1, 0), x0900=None),
        command_set(CStoreRSP(1, 0), x0800=None),
        command_set(CStoreRSP(1, 0)) + b"\0",
        command_set(CCancelRQ(1), x0120=None),
        command_set(CCancelRQ(1), x0120=None, x0110=b"\1\0"),
    ],
)
def test_what_cannot_be_answered_is_aborted(data):
    with pytest.raises(RemoteProtocolError):
        decode(data)


def test_responses_are_not_judged_by_their_uids():
    response = decode_message(command_set(CStoreRSP(1, 0), x1000=b"not-a-uid!", x0002=b"x\0"))
    assert response.affected_sop_instance_uid == "not-a-uid!"
    assert response.parameters()["AffectedSOPClassUID"] == "x"


def test_hostile_comments_are_made_harmless():
    response = decode_message(command_set(CStoreRSP(1, 0), x0902=b"\x1b[2J\r\n" + b"x" * 200))
    assert response.error_comment == "?[2J  " + "x" * 58


def test_damage_after_the_message_id_is_answered():
    error = failure(STORE.encode(True) + b"\0\0\0")
    assert error.status == 0x0212
    assert error.respond_to == RespondTo(1, 7, CT, "1.2.3.4")


def test_uids_of_a_failed_request_are_echoed_unless_too_long_for_one():
    error = failure(command_set(STORE, x1000=b"a/b "))
    assert error.respond_to.sop_instance_uid == "a/b"
    assert b"a/b " in error_response(error).encode()
    error = failure(command_set(STORE, x1000=b"7" * 66))
    assert error.respond_to.sop_instance_uid is None
    assert error_response(error).affected_sop_class_uid == CT


def test_requested_uids_of_a_failed_request_are_echoed_as_affected_ones():
    request = NActionRQ(1, "1.2", "1.3", 1)
    response = error_response(failure(command_set(request, x1008=None)))
    assert (response.affected_sop_class_uid, response.affected_sop_instance_uid) == ("1.2", "1.3")


# Responses


REQUESTS = [message for message in SAMPLES if isinstance(message, Request)]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda m: type(m).__name__)
def test_responses_echo(request_):
    response = request_.response(0x0000)
    assert isinstance(response, Response)
    assert response.command_field == request_.command_field | 0x8000
    assert response.message_id_being_responded_to == request_.message_id
    assert response.affected_sop_class_uid == request_.sop_class_uid
    if hasattr(response, "affected_sop_instance_uid"):
        assert response.affected_sop_instance_uid == request_.sop_instance_uid
    for name in ("event_type_id", "action_type_id"):
        assert getattr(response, name, None) == getattr(request_, name, None)
    assert response.error_comment is None
    assert decode_message(response.encode()) == response


def test_only_the_right_requests_carry_requested_uids():
    requested = {r.command_field for r in REQUESTS if hasattr(r, "requested_sop_class_uid")}
    assert requested == {
        CommandField.N_GET_RQ,
        CommandField.N_SET_RQ,
        CommandField.N_ACTION_RQ,
        CommandField.N_DELETE_RQ,
    }
    assert not any(
        hasattr(m, "requested_sop_class_uid") for m in SAMPLES if isinstance(m, Response)
    )


def test_uids_are_echoed_byte_for_byte():
    request = decode_message(command_set(STORE, x0002=CT.encode() + b" ", x1000=b"1.2\0\0\0"))
    assert (request.sop_class_uid, request.sop_instance_uid) == (CT, "1.2")
    assert type(request.parameters()["AffectedSOPInstanceUID"]) is str
    answer = elements(request.response(0))
    assert (answer[0x0002], answer[0x1000]) == (CT.encode() + b" ", b"1.2\0\0\0")


def test_optional_elements_come_by_keyword_or_by_name():
    by_name = STORE.response(0xA700, error_comment="full", offending_element=(0x00100010,))
    by_keyword = STORE.response(0xA700, {"ErrorComment": "full", "OffendingElement": [0x00100010]})
    assert by_name == by_keyword
    assert by_name.encode() == by_keyword.encode()


def test_what_a_response_cannot_carry_is_left_out():
    response = STORE.response(0xFF00, {"NumberOfRemainingSuboperations": 5, "MessageID": 9})
    assert response == STORE.response(0xFF00)


def test_an_element_cannot_change_the_status_or_the_message_answered():
    response = STORE.response(0xA700, {"Status": 0, "MessageIDBeingRespondedTo": 1})
    assert (response.status, response.message_id_being_responded_to) == (0xA700, 7)


def test_unknown_elements_are_an_error():
    with pytest.raises(TypeError, match="PatientName"):
        STORE.response(0, {"PatientName": "X"})


def test_n_create_may_name_the_instance_in_its_response():
    response = NCreateRQ(1, "1.2").response(0, affected_sop_instance_uid="1.2.9")
    assert response.affected_sop_instance_uid == "1.2.9"


def test_comments_are_cut_on_the_wire():
    response = decode_message(STORE.response(0xC000, error_comment="no\n" + "x" * 500).encode())
    assert response.error_comment == "no " + "x" * 61


@pytest.mark.parametrize("count", [-1, 65536, "5"])
def test_counters_never_wrap(count):
    response = CMoveRQ(1, "1.2", "AE").response(0, number_of_failed_suboperations=count)
    with pytest.raises(LocalProtocolError, match="NumberOfFailedSuboperations"):
        response.encode()


def test_counters():
    request = CMoveRQ(1, "1.2", "AE")
    response = request.response(
        0xFF00,
        number_of_remaining_suboperations=65535,
        number_of_completed_suboperations=0,
        number_of_failed_suboperations=1,
        number_of_warning_suboperations=2,
    )
    assert decode_message(response.encode()) == response
    final = request.response(0x0000, number_of_completed_suboperations=3)
    assert 0x1020 not in decode_set(final.encode())


def test_event_reports_carry_affected_uids():
    request = NEventReportRQ(1, "1.2", "1.3", 2)
    assert (request.sop_class_uid, request.sop_instance_uid) == ("1.2", "1.3")
    assert request.response(0).event_type_id == 2


@pytest.mark.parametrize(
    "request_",
    [
        CEchoRQ(1),
        CStoreRQ(65535, "1.2.3", "1.2.3.4"),
        CFindRQ(7, "1.2.3"),
        NEventReportRQ(2, "1.2.3", "1.2.3.4", 3),
        NGetRQ(3, "1.2.3", "1.2.3.4", (0x00100010,)),
        NCreateRQ(4, "1.2.3"),
        NActionRQ(5, "1.2.3", "1.2.3.4", 6),
    ],
    ids=lambda request: type(request).__name__,
)
@pytest.mark.parametrize("status", [0x0000, 0xA700])
def test_a_plain_response_is_the_response_with_nothing_but_a_status(request_, status) -> None:
    assert request_.plain_response(status) == request_.response(status).encode()


@pytest.mark.parametrize("instance", ["1.2", "1.2.3", "1", "1" * 64, "1.02"])
@pytest.mark.parametrize("originator", [(None, None), ("1", 7), ("MODALITY", 65535)])
@pytest.mark.parametrize("message_id", [0, 1, 0x0110, 65535])
def test_a_store_request_is_encoded_as_any_request(instance, originator, message_id):
    request = CStoreRQ(message_id, "1.2.840.10008.5.1.4.1.1.2", instance, 1, *originator)
    assert request.encode(True) == encode_message(request, request.command_field, True)
    decoded = decode_message(request.encode(True))
    assert decoded == request


@pytest.mark.parametrize(
    "wrong",
    [
        {"message_id": 65536},
        {"message_id": "1"},
        {"affected_sop_instance_uid": "1..x"},
        {"affected_sop_instance_uid": ""},
        {"affected_sop_class_uid": "none"},
        {"priority": [1]},
        {"priority": "high"},
        {"move_originator_ae_title": "\\"},
    ],
)
def test_a_store_request_that_cannot_be_sent_is_refused(wrong):
    request = replace(CStoreRQ(1, "1.2.3", "1.2.3.4"), **wrong)
    with pytest.raises(LocalProtocolError):
        request.encode(True)
