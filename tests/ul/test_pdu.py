"""The seven PDUs: round trips, truncation at each length, a flip of each byte."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.ul.items import UserIdentityAC, UserIdentityRQ, UserInformation
from gateway.ul.pdu import (
    PDV,
    AAbort,
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    AReleaseRP,
    AReleaseRQ,
    PDataTF,
    check_header,
    decode_pdu,
    pdu_name,
)
from tests.ul import support as s
from tests.ul import test_items as items

AE_TITLE = st.text("ABC xyz_09", min_size=0, max_size=16).map(str.strip)
PDVS = st.builds(PDV, items.BYTE, st.booleans(), st.booleans(), st.binary(max_size=60))
PDUS = st.one_of(
    st.builds(
        AAssociateRQ,
        AE_TITLE,
        AE_TITLE,
        st.lists(items.PROPOSED, min_size=1, max_size=4).map(tuple),
        items.INFORMATION,
        items.UID,
        items.UINT16,
    ),
    st.builds(
        AAssociateAC,
        st.lists(items.ANSWERED, max_size=4).map(tuple),
        items.INFORMATION,
        st.binary(min_size=64, max_size=64),
        items.UID,
        items.UINT16,
    ),
    st.builds(AAssociateRJ, st.sampled_from((1, 2)), st.sampled_from((1, 2, 3)), items.BYTE),
    st.builds(PDataTF, st.lists(PDVS, min_size=1, max_size=4).map(tuple)),
    st.builds(AReleaseRQ),
    st.builds(AReleaseRP),
    st.builds(AAbort, items.BYTE, items.BYTE),
)

FULL_RQ = replace(
    s.REQUEST,
    user_information=replace(
        s.REQUEST.user_information, user_identity=UserIdentityRQ(2, True, b"user", b"pass")
    ),
)
FULL_AC = replace(
    s.ACCEPTANCE,
    user_information=replace(s.ACCEPTANCE.user_information, user_identity=UserIdentityAC(b"ok")),
)
EXAMPLES = [
    FULL_RQ,
    FULL_AC,
    AAssociateRJ(1, 1, 7),
    PDataTF((PDV(1, True, True, b"command"), PDV(1, False, True, b""))),
    AReleaseRQ(),
    AReleaseRP(),
    AAbort(2, 6),
]
ENCODED = [pytest.param(example.encode(), id=type(example).__name__) for example in EXAMPLES]


def outcome(data):
    """Decoding is total: a PDU (None here), or the one error with its code."""
    error = s.error_of(lambda: decode_pdu(data))
    assert error is None or (error.source, error.reason) in ((2, 1), (2, 6))
    return error


@given(PDUS)
def test_round_trip(pdu):
    assert decode_pdu(pdu.encode()) == pdu


@given(st.binary(max_size=200))
def test_any_bytes_are_a_pdu_or_one_error(data):
    outcome(data)


@given(st.sampled_from((1, 2, 3, 4, 5, 6, 7)), st.binary(max_size=200))
def test_any_body_is_a_pdu_or_one_error(kind, body):
    outcome(s.pdu(kind, body))


@given(st.binary(max_size=120))
def test_any_items_are_a_pdu_or_one_error(data):
    outcome(s.pdu(1, s.GOOD_RQ[6:74] + data))


@pytest.mark.parametrize("data", ENCODED)
def test_every_truncation_is_an_error(data):
    for length in range(len(data)):
        assert outcome(data[:length]) is not None, length


@pytest.mark.parametrize("data", ENCODED)
def test_every_truncation_with_a_true_length_is_decided(data):
    for length in range(len(data) - 6):
        outcome(s.pdu(data[0], data[6 : 6 + length]))


@pytest.mark.parametrize("data", ENCODED)
def test_every_flip_is_decided(data):
    for position in range(len(data)):
        for flip in (0x01, 0x80, 0xFF):
            changed = bytearray(data)
            changed[position] ^= flip
            outcome(bytes(changed))


@pytest.mark.parametrize("data", ENCODED)
def test_one_byte_too_many(data):
    assert outcome(data + b"\0") is not None


def test_the_layout_of_a_request():
    data = s.associate_rq()
    assert decode_pdu(data) == AAssociateRQ(
        "SERVER",
        "CLIENT",
        s.REQUEST.presentation_contexts[:1],
        UserInformation(s.MAX_PDU, "1.2.3"),
    )
    assert decode_pdu(data).encode() == data


def test_bytes_11_to_74_are_kept_and_echoed():
    raw = b"  odd title\0\0\0\0\0" + b"CLIENT\0\0\0\0\0\0\0\0\0\0" + bytes(range(32))
    request = decode_pdu(s.associate_rq(called=raw[:16], calling=raw[16:32], reserved=raw[32:]))
    assert request.called_ae_title == "odd title"
    assert request.raw_header == request.echo == raw
    acceptance = replace(s.ACCEPTANCE, raw_header=request.echo)
    assert acceptance.encode()[10:74] == raw
    assert (acceptance.called_ae_title, acceptance.calling_ae_title) == ("odd title", "CLIENT")


def test_an_acceptance_without_its_64_bytes_is_a_local_error():
    with pytest.raises(LocalProtocolError):
        replace(s.ACCEPTANCE, raw_header=b"short").encode()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (s.associate_rq(contexts=b""), "without a presentation context"),
        (s.pdu(1, s.GOOD_RQ[6:74]), "0 application contexts, 0 user informations"),
        (s.GOOD_RQ[:2] + s.pdu(1, s.GOOD_RQ[6:] + s.item(0x50, b""))[2:], "2 user informations"),
        (s.pdu(1, s.GOOD_RQ[6:] + s.item(0x10, b"1")), "2 application contexts"),
        (s.pdu(1, s.GOOD_RQ[6:73]), "are needed"),
        (s.pdu(1, b""), "are needed"),
        (s.p_data(b"\0\0\0\0\0\0"), "PDV of length 0"),
        (s.p_data(b"\0\0\0\1\0\0"), "PDV of length 1"),
        (s.p_data(b"\0\0\0\xff\1\3abc"), "are needed"),
        (s.p_data(s.pdv(1, 3, b"ab"), b"\0\0\0"), "are needed"),
    ],
)
def test_what_no_pdu_is(data, text):
    with pytest.raises(RemoteProtocolError, match=text) as info:
        decode_pdu(data)
    assert (info.value.source, info.value.reason) == (2, 6)


def test_items_a_later_standard_may_add_are_skipped():
    data = s.pdu(1, s.GOOD_RQ[6:] + s.item(0x99, b"later"))
    assert decode_pdu(data) == decode_pdu(s.GOOD_RQ)


def test_items_may_come_in_any_order():
    body = s.GOOD_RQ[6:]
    fixed, application, rest = body[:68], body[68:93], body[93:]
    assert application == s.item(0x10, s.DICOM.encode())
    assert decode_pdu(s.pdu(1, fixed + rest + application)) == decode_pdu(s.GOOD_RQ)


@pytest.mark.parametrize("kind", [0, 8, 9, 0x47, 0xFF])
def test_an_unknown_type_is_reason_1(kind):
    with pytest.raises(RemoteProtocolError) as info:
        check_header(kind, 4)
    assert (info.value.source, info.value.reason) == (2, 1)


@pytest.mark.parametrize("kind", [1, 2])
def test_the_longest_association_pdu(kind):
    check_header(kind, 1024 * 1024)
    with pytest.raises(RemoteProtocolError, match="length 1048577"):
        check_header(kind, 1024 * 1024 + 1)


@pytest.mark.parametrize("kind", [3, 5, 6, 7])
@pytest.mark.parametrize("length", [0, 3, 5, 0xFFFFFFFF])
def test_short_pdus_are_4_long(kind, length):
    check_header(kind, 4)
    with pytest.raises(RemoteProtocolError):
        check_header(kind, length)


def test_p_data_lengths():
    check_header(4, 6, 4096)
    check_header(4, 4096, 4096)
    check_header(4, 0xFFFFFFFF, 0)
    for length in (0, 5, 4097):
        with pytest.raises(RemoteProtocolError):
            check_header(4, length, 4096)


def test_header_bits_2_to_7_are_not_tested():
    data = s.p_data(s.pdv(1, 0xFF, b"ab"))
    assert decode_pdu(data) == PDataTF((PDV(1, True, True, b"ab"),))


def test_an_abort_of_any_kind_is_an_abort():
    assert decode_pdu(bytes.fromhex("07ff 00000004 ffff09ee")) == AAbort(9, 0xEE)


def test_the_standards_words():
    assert pdu_name(4) == "P-DATA-TF"
    assert pdu_name(0x47) == "PDU 47H"
    assert AAssociateRJ(1, 1, 7).describe() == "called AE title not recognized"
    assert AAssociateRJ(1, 3, 9).describe() == "reserved reason"
    assert AAbort(0, 0).describe() == "aborted by the service user"
    assert AAbort(2, 6).describe() == "invalid PDU parameter value"
    assert AAbort(2, 99).describe() == "reserved reason"
