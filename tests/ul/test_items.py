"""Items and sub-items: round trips, and what is tolerated or refused in each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RemoteProtocolError
from gateway.ul import encoding
from gateway.ul import items as i
from tests.ul import support as s


def decode(kind, data):
    """The value of one encoded item."""
    ((number, reader),) = encoding.Reader(data, "test").items()
    assert number == kind.kind
    return kind.decode(reader)


UID = st.from_regex(r"[0-9]+(\.[0-9]+){0,8}", fullmatch=True).map(lambda uid: uid[:64])
BYTE, UINT16 = st.integers(0, 255), st.integers(0, 65535)
PROPOSED = st.builds(i.PresentationContextRQ, BYTE, UID, st.lists(UID, max_size=5).map(tuple))
ANSWERED = st.builds(i.PresentationContextAC, BYTE, st.sampled_from(i.ContextResult), UID)
WINDOW = st.builds(i.AsyncOperationsWindow, UINT16, UINT16)
ROLE = st.builds(i.RoleSelection, UID, st.booleans(), st.booleans())
EXTENDED = st.builds(i.SopClassExtended, UID, st.binary(max_size=40))
COMMON = st.builds(i.SopClassCommonExtended, UID, UID, st.lists(UID, max_size=5).map(tuple))
SECRET = st.binary(max_size=300)
IDENTITY_RQ = st.builds(i.UserIdentityRQ, BYTE, st.booleans(), SECRET, SECRET)
IDENTITY_AC = st.builds(i.UserIdentityAC, SECRET)
NAME = st.text("ABC_ 123", max_size=16).map(str.strip)
INFORMATION = st.builds(
    i.UserInformation,
    maximum_length=st.integers(0, 2**32 - 1),
    implementation_class_uid=st.just("") | UID,
    implementation_version_name=NAME,
    async_ops=st.none() | WINDOW,
    roles=st.lists(ROLE, max_size=4).map(tuple),
    sop_class_extended=st.lists(EXTENDED, max_size=4).map(tuple),
    sop_class_common_extended=st.lists(COMMON, max_size=4).map(tuple),
    user_identity=st.none() | IDENTITY_RQ | IDENTITY_AC,
)
ITEM = st.one_of(
    PROPOSED, ANSWERED, WINDOW, ROLE, EXTENDED, COMMON, IDENTITY_RQ, IDENTITY_AC, INFORMATION
)


@given(ITEM)
def test_round_trip(value):
    assert decode(type(value), value.encode()) == value


@given(st.sampled_from([
    i.PresentationContextRQ, i.PresentationContextAC, i.AsyncOperationsWindow, i.RoleSelection,
    i.SopClassExtended, i.SopClassCommonExtended, i.UserIdentityRQ, i.UserIdentityAC,
    i.UserInformation,
]), st.binary(max_size=80))  # fmt: skip
def test_any_bytes_are_a_value_or_one_error(kind, data):
    error = s.error_of(lambda: kind.decode(encoding.Reader(data, "test")))
    assert error is None or (error.source, error.reason) == (2, 6)


def user_information(*sub_items):
    return decode(i.UserInformation, s.item(0x50, b"".join(sub_items)))


def test_the_layout_of_user_information():
    value = i.UserInformation(
        16384,
        "1.2",
        "V1",
        i.AsyncOperationsWindow(3, 4),
        (i.RoleSelection("1.3", True, False),),
        (i.SopClassExtended("1.4", b"\1\2"),),
        (i.SopClassCommonExtended("1.5", "1.6", ("1.7", "1.8")),),
        i.UserIdentityRQ(2, True, b"me", b"pw"),
    )
    assert value.encode() == s.item(
        0x50,
        s.item(0x51, b"\0\0\x40\0")
        + s.item(0x52, b"1.2")
        + s.item(0x53, b"\0\3\0\4")
        + s.item(0x54, b"\0\x031.3\1\0")
        + s.item(0x55, b"V1")
        + s.item(0x56, b"\0\x031.4\1\2")
        + s.item(0x57, b"\0\x031.5\0\x031.6\0\x0a\0\x031.7\0\x031.8")
        + s.item(0x58, b"\2\1\0\2me\0\2pw"),
    )


def test_unknown_sub_items_are_ignored():
    value = user_information(s.item(0x5A, b"what"), s.item(0x51, bytes(4)), s.item(0xFF, b""))
    assert value == i.UserInformation(0)


def test_sub_items_may_come_in_any_order():
    value = user_information(s.item(0x55, b"V"), s.item(0x53, bytes(4)), s.item(0x51, bytes(4)))
    assert value == i.UserInformation(0, "", "V", i.AsyncOperationsWindow(0, 0))


def test_a_peer_that_states_no_maximum_length():
    assert user_information(s.item(0x52, b"1.2")).maximum_length == i.UNSTATED_MAXIMUM_LENGTH


@pytest.mark.parametrize(
    "sub_item",
    [
        s.item(0x51, bytes(3)),
        s.item(0x51, bytes(5)),
        s.item(0x53, bytes(3)),
        s.item(0x53, bytes(5)),
        s.item(0x54, b"\0\x031.2\1"),
        s.item(0x54, b"\0\x031.2\1\1\1"),
        s.item(0x54, b"\0\x091.2\1\1"),
        s.item(0x56, b"\0\x091.2"),
        s.item(0x57, b"\0\x031.2\0\x031.3\0\x04\0\x031"),
        s.item(0x58, b"\1\1\0\2m"),
        s.item(0x58, b"\1\1\0\1m\0\0\0"),
        s.item(0x59, b"\0\2m"),
        s.item(0x59, b"\0\1mm"),
        b"\x51\0\xff\xff\0\0\0\0",
        b"\x51\0",
    ],
)
def test_sub_items_of_a_wrong_length(sub_item):
    with pytest.raises(RemoteProtocolError):
        user_information(sub_item)


def test_what_follows_a_common_extended_item_is_reserved():
    value = user_information(s.item(0x57, b"\0\x031.2\0\x031.3\0\0what may come"))
    assert value.sop_class_common_extended == (i.SopClassCommonExtended("1.2", "1.3"),)


@pytest.mark.parametrize("role", [2, 255])
def test_only_1_offers_a_role(role):
    value = user_information(s.item(0x54, b"\0\x031.2" + bytes((role, 1))))
    assert value.roles == (i.RoleSelection("1.2", False, True),)


def test_reserved_bytes_are_not_tested():
    data = bytearray(s.context(5, s.CT, s.IMPLICIT))
    data[1] = data[5] = data[6] = data[7] = 0xFF
    assert decode(i.PresentationContextRQ, bytes(data)).id == 5


@pytest.mark.parametrize("padding", [b"\0", b" "])
def test_padded_uids(padding):
    data = s.item(
        0x20, b"\1\0\0\0" + s.item(0x30, b"1.2" + padding) + s.item(0x40, b"1.3" + padding)
    )
    assert decode(i.PresentationContextRQ, data) == i.PresentationContextRQ(1, "1.2", ("1.3",))


@pytest.mark.parametrize("count", [0, 2])
def test_a_context_has_one_abstract_syntax(count):
    data = s.item(0x20, b"\1\0\0\0" + s.item(0x30, b"1.2") * count + s.item(0x40, b"1.3"))
    with pytest.raises(RemoteProtocolError, match=f"{count} abstract"):
        decode(i.PresentationContextRQ, data)


def test_a_context_without_transfer_syntax_is_for_negotiation_to_refuse():
    data = s.item(0x20, b"\1\0\0\0" + s.item(0x30, b"1.2") + s.item(0x99, b""))
    assert decode(i.PresentationContextRQ, data).transfer_syntaxes == ()


@pytest.mark.parametrize("count", [0, 2])
def test_an_accepted_context_without_its_one_transfer_syntax(count):
    data = s.item(0x21, b"\1\0\0\0" + s.item(0x40, b"1.3") * count)
    assert decode(i.PresentationContextAC, data).transfer_syntax == ""


@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_transfer_syntax_of_a_refused_context_is_not_significant(count):
    data = s.item(0x21, b"\1\0\4\0" + s.item(0x40, b"1.3") * count)
    assert decode(i.PresentationContextAC, data).result == 4


def test_a_result_the_standard_does_not_have():
    data = s.item(0x21, b"\1\0\5\0" + s.item(0x40, b"1.3"))
    assert decode(i.PresentationContextAC, data).result == 5


def test_secrets_are_not_printed():
    value = i.UserInformation(0, user_identity=i.UserIdentityRQ(2, True, b"name", b"passcode"))
    assert "name'" not in repr(value)
    assert "passcode'" not in repr(value)
    assert "ticket" not in repr(i.UserIdentityAC(b"ticket"))
