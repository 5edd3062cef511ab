from __future__ import annotations

from io import BytesIO
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pynetdicom.dsutils import decode as their_decode

from gateway.dimse import command_elements, command_set
from gateway.dimse.command_set import (
    COMMENT_LENGTH,
    LIMIT,
    PeerUid,
    decode,
    default_repertoire,
    encode,
    split,
)
from gateway.errors import LocalProtocolError, RemoteProtocolError


def element(number: int, value: bytes, group: int = 0) -> bytes:
    return pack("<HHL", group, number, len(value)) + value


def test_elements_are_those_of_the_dictionary():
    ours = [(e.tag, e.keyword, e.vr.value) for e in command_elements.ELEMENTS]
    tags = [e.tag for e in command_elements.ELEMENTS]
    assert ours == [(tag, keyword_for_tag(tag), dictionary_VR(tag)) for tag in tags]
    assert tags == sorted(set(tags))


def test_encoding_is_ascending_with_the_true_group_length():
    encoded = encode({0x0900: 0xFF00, 0x0002: "1.2.3", 0x0000: 99, 0x0110: None})
    assert encoded == (
        element(0x0000, pack("<L", 24)) + element(0x0002, b"1.2.3\0") + element(0x0900, b"\0\xff")
    )


@pytest.mark.parametrize(
    ("tag", "value", "raw"),
    [
        (0x0002, "1.2.34", b"1.2.34"),
        (0x0002, "1.2.3", b"1.2.3\0"),
        (0x0600, "ODD", b"ODD "),
        (0x0600, " SCP ", b"SCP "),
        (0x0902, "even", b"even"),
        (0x0902, "odd", b"odd "),
        (0x0110, 0, b"\0\0"),
        (0x0110, 65535, b"\xff\xff"),
        (0x0901, (0x00100020,), b"\x10\0\x20\0"),
        (0x0901, 0x7FE00010, b"\xe0\x7f\x10\0"),
        (0x1005, (0x00100020, 0x00080018), b"\x10\0\x20\0\x08\0\x18\0"),
    ],
)
def test_values(tag, value, raw):
    assert encode({tag: value})[12:] == element(tag, raw)


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (0x0002, "1..2"),
        (0x0002, "1" * 65),
        (0x0002, ""),
        (0x0002, "../x"),
        (0x0002, 5),
        (0x0600, "SEVENTEEN_LETTERS"),
        (0x0600, "A\\B"),
        (0x0600, "A\n"),
        (0x0600, "é"),
        (0x0600, "A\0B"),
        (0x0600, "  "),
        (0x0600, 5),
        (0x0110, 65536),
        (0x0110, -1),
        (0x0110, "1"),
        (0x0901, "0010"),
        (0x0901, (1 << 32,)),
        (0x0902, 5),
        (0x00100010, "x"),
        (0x4000, b""),
    ],
)
def test_what_cannot_be_sent_is_a_local_error(tag, value):
    with pytest.raises(LocalProtocolError):
        encode({tag: value})


def test_a_command_set_has_64_kib_at_the_most():
    room = (LIMIT - 12 - 8) // 4
    assert len(encode({0x1005: tuple(range(room))})) <= LIMIT
    with pytest.raises(LocalProtocolError, match="command set of"):
        encode({0x1005: tuple(range(room + 1))})


GOOD = element(0x0100, b"\x30\0") + element(0x0110, b"\1\0")


@pytest.mark.parametrize(
    "prefix",
    [b"", element(0, pack("<L", 999)), element(0, b""), element(0, b"\1")[:9]],
    ids=["missing", "wrong", "empty", "of-one-byte"],
)
def test_any_group_length_is_tolerated(prefix):
    values, damage = split(prefix + GOOD)
    assert (values[0x0100], damage) == (b"\x30\0", "")


def test_order_and_retired_elements_are_tolerated():
    data = element(0x0110, b"\1\0") + element(0x5110, b"abc") + element(0x0100, b"\x30\0")
    assert decode(data) == {0x0110: 1, 0x5110: b"abc", 0x0100: 0x30}


@pytest.mark.parametrize(
    ("data", "damage"),
    [
        (GOOD + b"\0" * 7, "7 trailing bytes"),
        (GOOD + element(0x0002, b"1.2", group=8), "group 0008"),
        (GOOD + pack("<HHL", 0, 2, 0xFFFFFFFF), "longer than its command set"),
        (GOOD + pack("<HHL", 0, 2, 1), "longer than its command set"),
        (GOOD + element(0x0110, b"\2\0"), "occurs twice"),
    ],
)
def test_damage_is_told_and_what_precedes_it_given(data, damage):
    values, told = split(data)
    assert damage in told
    assert values == {0x0100: b"\x30\0", 0x0110: b"\1\0"}
    with pytest.raises(RemoteProtocolError, match=damage) as caught:
        decode(data)
    assert (caught.value.source, caught.value.reason) == (0, 0)


@pytest.mark.parametrize(
    "data", [element(0x0110, b"\1"), element(0x0901, b"\1\2"), element(0x0600, b"A\\B")]
)
def test_values_that_their_vr_forbids(data):
    with pytest.raises(RemoteProtocolError, match="element"):
        decode(data)


@pytest.mark.parametrize(
    ("raw", "text", "echoed"),
    [
        (b"1.2.3\0", "1.2.3", b"1.2.3\0"),
        (b"1.2.3 ", "1.2.3", b"1.2.3 "),
        (b"1.2.3\0\0\0", "1.2.3", b"1.2.3\0\0\0"),
        (b"1.2.3", "1.2.3", b"1.2.3\0"),
        (b"1.2.34", "1.2.34", b"1.2.34"),
        (b"1.02.3", "1.02.3", b"1.02.3"),
        (b"../../x\0", "../../x", b"../../x\0"),
        (b"1.23\xff\0", "1.23ÿ", b"1.23\xff\0"),
    ],
)
def test_uids_are_echoed_as_they_came(raw, text, echoed):
    uid = decode(element(0x0002, raw))[0x0002]
    assert uid == text
    assert encode({0x0002: uid})[20:] == echoed
    assert (type(uid) is PeerUid) == (raw not in (b"1.2.3\0", b"1.2.34", b"1.02.3"))


@pytest.mark.parametrize("raw", [b"", b"\0\0", b"  "])
def test_empty_values_are_left_out(raw):
    for tag in (0x0002, 0x0600, 0x0902):
        assert decode(element(tag, raw)) == {}
    assert decode(element(0x0110, b"") + element(0x0901, b"")) == {}


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("Out of memory", "Out of memory"),
        ("x" * 500, "x" * 64),
        ("  line one\nline two\t ", "line one line two"),
        ("a\\b", "a?b"),
        ("Größe \x1b[31m \0", "Gr??e ?[31m ?"),
        ("y" * 63 + " z", "y" * 63),
        ("", ""),
        ("漢字", "??"),
    ],
)
def test_comments_are_cut_to_the_default_repertoire(text, cut):
    assert default_repertoire(text) == cut


@given(st.text())
def test_comments_can_always_be_sent(text):
    cut = default_repertoire(text)
    assert len(cut) <= COMMENT_LENGTH
    assert default_repertoire(cut) == cut
    value = decode(encode({0x0902: text})).get(0x0902, "")
    assert value == cut.strip()


@given(st.binary(max_size=200))
def test_splitting_and_decoding_are_total(data):
    values, damage = split(data)
    assert damage or sum(8 + len(value) for value in values.values()) == len(data)
    try:
        decode(data)
    except RemoteProtocolError:
        return
    assert not damage


VALUES = st.fixed_dictionaries(
    {},
    optional={
        0x0002: st.from_regex(r"[1-9]{1,8}(\.[1-9][0-9]{0,5}){1,6}", fullmatch=True),
        0x0110: st.integers(0, 65535),
        0x0600: st.from_regex(r"[A-Z_]{1,16}", fullmatch=True),
        0x0901: st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=5).map(tuple),
        0x0902: st.from_regex(r"[A-Za-z0-9:,]{1,64}", fullmatch=True),
        0x0900: st.integers(0, 65535),
    },
)


@given(VALUES)
def test_what_is_encoded_is_decoded(values):
    encoded = encode(values)
    decoded = decode(encoded)
    assert decoded.pop(0x0000) == len(encoded) - 12
    assert decoded == values


@given(VALUES)
def test_pydicom_reads_the_same(values):
    ds = their_decode(BytesIO(encode(values)), True, True)
    for tag, value in values.items():
        theirs = ds[tag].value
        if isinstance(value, tuple):
            theirs = tuple(theirs) if len(value) > 1 else (theirs,)
        assert theirs == value


def test_the_layout_of_a_command_set_with_many_elements_is_not_kept():
    many = b"".join(element(number, b"") for number in range(0x2000, 0x20C8))
    assert len(split(many)[0]) == 200
    assert len(many) not in command_set._layouts
