from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.datasets.byte_sources import BytesSource
from gateway.datasets.element_steps import UnreadableDataSet
from gateway.datasets.reencoding import ENCODINGS, reencode, reencoded_size, vr_in_dictionary
from tests.datasets.survey import values_in
from tests.peers import wire

EXPLICIT, IMPLICIT, BIG = (ENCODINGS[s] for s in (wire.EXPLICIT, wire.IMPLICIT, wire.BIG_ENDIAN))


def el(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """An element exactly so; VRs that PS3.5 does not define have a 32-bit length."""
    group, number = tag >> 16, tag & 0xFFFF
    size = len(value) if length is None else length
    if vr in b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split():
        return struct.pack("<HH2sH", group, number, vr, size) + value
    return struct.pack("<HH2sHL", group, number, vr, 0, size) + value


def implicit(tag: int, value: bytes, length: int | None = None) -> bytes:
    size = len(value) if length is None else length
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, size) + value


def through(data: bytes, origin, target) -> bytes:
    encoded = b"".join(reencode(BytesSource(data), origin, target))
    assert reencoded_size(BytesSource(data), origin, target) == len(encoded)
    return encoded


TEXTS = {
    "ISO_IR 13": (b"ISO_IR 13 ", b"CT \xc0\xdb\xb3 1"),
    "two lines of ISO 2022 IR 149": (
        b"\\ISO 2022 IR 149",
        b"\x1b$)C\xb1\xe8\xc8\xf1\r\n\x1b$)C\xc1\xdf ",
    ),
    "Latin-1 under UTF-8": (b"ISO_IR 192", b"M\xfcller "),
    "no character set at all": (b"", b"\xff\xfe\x80\x81"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_keeps_its_bytes(name: str) -> None:
    charset, text = TEXTS[name]
    data = el(0x00080005, b"CS", charset) + el(0x00081030, b"LO", text)
    there = through(data, EXPLICIT, IMPLICIT)
    assert there == implicit(0x00080005, charset) + implicit(0x00081030, text)
    assert through(there, IMPLICIT, EXPLICIT) == data


@pytest.mark.parametrize("vr", [b"  ", b"--", b"??", b"\0\0", b"lo", b"OX"])
def test_what_follows_an_unknown_vr_is_not_lost(vr: bytes) -> None:
    data = el(0x00091001, vr, b"abcd") + el(0x7FE00010, b"OW", b"pixels")
    assert through(data, EXPLICIT, IMPLICIT).endswith(implicit(0x7FE00010, b"pixels"))
    assert through(data, EXPLICIT, BIG).startswith(b"\0\x09\x10\x01UN\0\0\0\0\0\4abcd")


def test_an_unknown_vr_may_have_a_short_length_or_be_none() -> None:
    short = struct.pack("<HH2sH", 0x0010, 0x21B0, b"--", 4) + b"abcd"
    rest = el(0x00280010, b"US", b"\1\0")
    wanted = implicit(0x001021B0, b"abcd") + implicit(0x00280010, b"\1\0")
    assert through(short + rest, EXPLICIT, IMPLICIT) == wanted
    assert through(implicit(0x001021B0, b"abcd") + rest, EXPLICIT, IMPLICIT) == wanted


def test_a_vr_that_is_not_that_of_the_dictionary_stays() -> None:
    data = el(0x00181271, b"FL", b"\0\0\x80\x3f")
    assert through(data, EXPLICIT, IMPLICIT) == implicit(0x00181271, b"\0\0\x80\x3f")
    assert through(data, EXPLICIT, BIG) == b"\0\x18\x12\x71FL\0\4\x3f\x80\0\0"


@pytest.mark.parametrize(
    ("representation", "vr"), [(None, b"US"), (b"\0\0", b"US"), (b"\1\0", b"SS")]
)
def test_pixel_representation_chooses_the_vr(representation: bytes | None, vr: bytes) -> None:
    data = implicit(0x00280103, representation) if representation else b""
    data += implicit(0x00280106, b"\1\0")
    assert through(data, IMPLICIT, EXPLICIT).endswith(el(0x00280106, vr, b"\1\0"))


def test_a_value_that_is_too_long_for_its_vr_becomes_un() -> None:
    data = implicit(0x00102000, bytes(70_000))
    assert through(data, IMPLICIT, EXPLICIT) == el(0x00102000, b"UN", bytes(70_000))


def test_un_is_little_endian_everywhere() -> None:
    numbers = b"\1\0" * 40_000
    there = through(implicit(0x00283006, numbers), IMPLICIT, BIG)
    assert there[4:6] == b"OW", "LUT data"
    too_long = through(implicit(0x00280010, numbers), IMPLICIT, BIG)
    assert too_long == b"\0\x28\0\x10UN\0\0" + struct.pack(">L", 80_000) + numbers
    assert through(too_long, BIG, IMPLICIT) == implicit(0x00280010, numbers)


UNREADABLE = {
    "an element that is longer than what came": el(0x00100010, b"PN", b"A^B", 40),
    "half a header": el(0x00100010, b"PN", b"A^B ") + b"\x10\0\x20\0",
    "a sequence that is longer than what came": el(
        0x00081140, b"SQ", implicit(0xFFFEE000, b""), 90
    ),
    "an item that is longer than its sequence": el(0x00081140, b"SQ", implicit(0xFFFEE000, b"", 8)),
    "no delimiter": el(0x00081140, b"SQ", implicit(0xFFFEE000, b""), 0xFFFFFFFF),
    "an item in no sequence": implicit(0xFFFEE000, b""),
    "an element in place of an item": el(0x00081140, b"SQ", el(0x00100010, b"PN", b"A^B ")),
    "a short VR without a length": struct.pack("<HH2sH", 0x0010, 0x0010, b"--", 0xFFFF),
    "encapsulated pixel data": el(0x7FE00010, b"OB", implicit(0xFFFEE000, b""), 0xFFFFFFFF),
    "half a word": el(0x00280010, b"US", b"abc"),
    "too many sequences in each other": (
        el(0x00081140, b"SQ", implicit(0xFFFEE000, b"", 0xFFFFFFFF), 0xFFFFFFFF) * 1000
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_converted_whole_is_refused(name: str) -> None:
    with pytest.raises(UnreadableDataSet, match=r"^\([0-9A-F]{4},[0-9A-F]{4}\) "):
        through(UNREADABLE[name], EXPLICIT, BIG)


def test_zero_bytes_at_the_end_are_left_out() -> None:
    name = el(0x00100010, b"PN", b"A^B ")
    for padding in range(1, 20):
        assert through(name + bytes(padding), EXPLICIT, IMPLICIT) == implicit(0x00100010, b"A^B ")


TAGS = st.sampled_from([0x00080060, 0x00081140, 0x00100010, 0x00280010, 0x00291010, 0x7FE00010])
VALUES = st.binary(max_size=6).map(lambda value: value + bytes(len(value) % 2))


@st.composite
def data_sets(draw, depth: int = 2) -> bytes:
    """Elements in explicit VR, in the order of their tags."""
    out = b""
    for tag in sorted(draw(st.sets(TAGS, max_size=4))):
        vr = vr_in_dictionary(tag)[:2]
        if vr != b"SQ":
            out += el(tag, vr, draw(VALUES))
        elif depth:
            items = draw(st.lists(data_sets(depth - 1), max_size=2))
            inner = b"".join(implicit(0xFFFEE000, item) for item in items)
            out += el(tag, vr, inner)
    return out


@given(data_sets())
def test_there_and_back_is_the_same(data: bytes) -> None:
    for encoding in (IMPLICIT, BIG):
        there = through(data, EXPLICIT, encoding)
        assert values_in(through(there, encoding, EXPLICIT), EXPLICIT) == values_in(data, EXPLICIT)


@given(st.binary(max_size=200))
def test_any_bytes_are_converted_or_refused(data: bytes) -> None:
    for encoding in (EXPLICIT, IMPLICIT, BIG):
        with contextlib.suppress(UnreadableDataSet):
            through(data, encoding, BIG if encoding is EXPLICIT else EXPLICIT)
