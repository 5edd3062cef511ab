from __future__ import annotations

import struct
import tracemalloc
import zlib
from pathlib import Path

import pydicom
import pytest

from gateway.datasets.byte_sources import BytesSource, FileSource
from gateway.datasets.comparison import Likeness, compare
from gateway.datasets.element_steps import ElementWalk, Token, UnreadableDataSet
from gateway.datasets.encoded import EncodedDataSet, encoding_of, opened_bytes
from gateway.datasets.reencoding import ENCODINGS, reencode
from gateway.part10 import Part10Error, read_file_meta
from gateway.uid import KEYWORDS
from tests.peers import wire
from tests.peers.elements import ITEM, ITEM_END, SEQUENCE_END, UNDEFINED, el, implicit

FILES = sorted((Path(pydicom.__file__).parent / "data").rglob("*.dcm"))
RLE, JPEG_2000 = KEYWORDS["RLELossless"], KEYWORDS["JPEG2000Lossless"]
BASELINE = KEYWORDS["JPEGBaseline8Bit"]
SAME, OTHER, DIFFERENT = Likeness.SAME, Likeness.OTHER_PIXEL_ENCODING, Likeness.DIFFERENT


def likeness(a: bytes, b: bytes, one: str = wire.EXPLICIT, other: str = wire.EXPLICIT) -> Likeness:
    with opened_bytes(a, one) as first, opened_bytes(b, other) as second:
        found = compare(first, second)
        assert compare(second, first) is found
    return found


def last_value(data: bytes, syntax: str) -> int:
    """Where the last value is, that of pixel data mostly."""
    steps = ElementWalk(BytesSource(data), ENCODINGS[syntax])
    values = (s for s in steps if s.token is Token.VALUE and s.length)
    return [s.at for s in values if 0 < s.tag & 0xFFFF < 0xFFFC][-1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_is_the_same_in_other_encodings_and_different_with_another_byte(path):
    try:
        meta = read_file_meta(path)
    except Part10Error:
        return
    data, syntax = path.read_bytes()[meta.offset :], meta.transfer_syntax_uid
    if syntax not in ENCODINGS or syntax == wire.DEFLATED or "truncated" in path.name:
        return
    for target in (wire.EXPLICIT, wire.IMPLICIT, wire.BIG_ENDIAN):
        try:
            there = b"".join(reencode(BytesSource(data), ENCODINGS[syntax], ENCODINGS[target]))
        except UnreadableDataSet:
            continue
        assert likeness(data, there, syntax, target) is SAME
        at = last_value(there, target)
        damaged = there[:at] + bytes([there[at] ^ 0x55]) + there[at + 1 :]
        assert likeness(data, damaged, syntax, target) is DIFFERENT


NAME = el(0x00100010, b"PN", b"A^B ")
EMPTY_ITEM = implicit(0xFFFEE000, b"", UNDEFINED) + ITEM_END

SAME_PAIRS = {
    "undefined lengths": (
        el(0x00081140, b"SQ", EMPTY_ITEM + SEQUENCE_END, UNDEFINED),
        el(0x00081140, b"SQ", ITEM),
    ),
    "a sequence without items": (
        el(0x00081140, b"SQ", SEQUENCE_END, UNDEFINED),
        el(0x00081140, b"SQ"),
    ),
    "group lengths": (el(0x00100000, b"UL", struct.pack("<L", len(NAME))) + NAME, NAME),
    "padding with NUL": (el(0x00100010, b"PN", b"A^B\0"), NAME),
    "no padding": (el(0x00100010, b"PN", b"A^B"), NAME),
    "trailing padding": (NAME, NAME + el(0xFFFCFFFC, b"OB", bytes(8))),
    "zero bytes at the end": (NAME, NAME + bytes(6)),
    "UN": (NAME, el(0x00100010, b"UN", b"A^B ")),
    "an unknown VR": (NAME, el(0x00100010, b"??", b"A^B ")),
    "a private sequence in UN": (
        el(0x00091001, b"SQ", implicit(0xFFFEE000, NAME)),
        el(0x00091001, b"UN", implicit(0xFFFEE000, implicit(0x00100010, b"A^B "))),
    ),
    "numbers": (el(0x00280030, b"DS", b"1.0\\2.50 "), el(0x00280030, b"DS", b" 1\\25e-1")),
    "a double": (el(0x00181190, b"DS", b"0.700000"), el(0x00181190, b"DS", b".6999999999999999 ")),
    "an odd number of bytes": (el(0x00091001, b"OB", b"abc"), el(0x00091001, b"OB", b"abc\0")),
}
DIFFERENT_PAIRS = {
    "another value": (NAME, el(0x00100010, b"PN", b"A^C ")),
    "another number": (el(0x00280030, b"DS", b"1.0 "), el(0x00280030, b"DS", b"1.01")),
    "no number": (el(0x00280030, b"DS", b"x1"), el(0x00280030, b"DS", b"x1.0")),
    "a longer value": (NAME, el(0x00100010, b"PN", b"A^BC")),
    "space in front": (NAME, el(0x00100010, b"PN", b" A^B")),
    "one element more": (NAME, NAME + el(0x00100020, b"LO", b"1 ")),
    "an empty element": (NAME, NAME + el(0x00100020, b"LO")),
    "another tag": (NAME, el(0x00100020, b"PN", b"A^B ")),
    "one item more": (el(0x00081140, b"SQ", ITEM), el(0x00081140, b"SQ", ITEM + ITEM)),
    "zeros of a number": (el(0x00091001, b"OB", b"ab"), el(0x00091001, b"OB", b"ab\0\0")),
    "cut": (NAME, NAME[:-1]),
    "pixels": (el(0x7FE00010, b"OW", b"ab"), el(0x7FE00010, b"OW", b"ac")),
}


@pytest.mark.parametrize("name", SAME_PAIRS)
def test_what_is_the_same(name):
    assert likeness(*SAME_PAIRS[name]) is SAME


@pytest.mark.parametrize("name", DIFFERENT_PAIRS)
def test_what_is_different(name):
    assert likeness(*DIFFERENT_PAIRS[name]) is DIFFERENT


def test_deflated():
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(NAME) + packer.flush()
    assert likeness(NAME, packed, wire.EXPLICIT, wire.DEFLATED) is SAME
    assert likeness(NAME, packed[:-2], wire.EXPLICIT, wire.DEFLATED) is DIFFERENT


def fragments(*values: bytes, offsets: bytes = b"") -> bytes:
    parts = [implicit(0xFFFEE000, value) for value in (offsets, *values)]
    return el(0x7FE00010, b"OB", b"".join(parts) + SEQUENCE_END, UNDEFINED)


NATIVE = el(0x7FE00010, b"OW", b"pixels")
LOSSY = el(0x00282110, b"CS", b"01")


def colors(text: bytes) -> bytes:
    return el(0x00280004, b"CS", text)


@pytest.mark.parametrize(
    ("a", "b", "syntax", "other", "found"),
    [
        (NATIVE, fragments(b"coded!"), wire.EXPLICIT, RLE, OTHER),
        (fragments(b"coded!"), fragments(b"else"), RLE, JPEG_2000, OTHER),
        (fragments(b"coded!"), fragments(b"else"), RLE, RLE, DIFFERENT),
        (fragments(b"co", b"ded!"), fragments(b"coded!", offsets=bytes(4)), RLE, RLE, SAME),
        (
            el(0x7FE00001, b"OV", bytes(8)) + fragments(b"coded!"),
            fragments(b"coded!"),
            *(RLE, RLE, SAME),
        ),
        (NAME + NATIVE, fragments(b"coded!"), wire.EXPLICIT, RLE, DIFFERENT),
        (NATIVE, LOSSY + fragments(b"coded!"), wire.EXPLICIT, JPEG_2000, DIFFERENT),
        (LOSSY + NATIVE, LOSSY + fragments(b"coded!"), wire.EXPLICIT, BASELINE, OTHER),
        (NATIVE, fragments(b"coded!"), wire.EXPLICIT, BASELINE, DIFFERENT),
        (NATIVE, fragments(), wire.EXPLICIT, RLE, DIFFERENT),
        (
            colors(b"RGB ") + NATIVE,
            colors(b"YBR_RCT ") + fragments(b"coded!"),
            *(wire.EXPLICIT, JPEG_2000, OTHER),
        ),
        (
            colors(b"RGB ") + NATIVE,
            colors(b"YBR_ICT ") + fragments(b"coded!"),
            *(wire.EXPLICIT, JPEG_2000, DIFFERENT),
        ),
        (colors(b"RGB ") + NATIVE, colors(b"YBR_RCT ") + NATIVE, *2 * (wire.EXPLICIT,), DIFFERENT),
    ],
)
def test_pixel_data_in_another_transfer_syntax(a, b, syntax, other, found):
    assert likeness(a, b, syntax, other) is found


def of(syntax: str):
    return encoding_of(syntax), syntax


def test_memory_does_not_grow_with_the_value(tmp_path):
    size = 32 << 20
    paths = tmp_path / "implicit", tmp_path / "explicit"
    for path, head in zip(
        paths,
        (implicit(0x7FE00010, length=size), el(0x7FE00010, b"OW", length=size)),
        strict=True,
    ):
        with path.open("wb") as file:
            file.write(head)
            file.truncate(len(head) + size)
    with paths[0].open("rb") as one, paths[1].open("rb") as other:
        tracemalloc.start()
        try:
            found = compare(
                EncodedDataSet(FileSource(one.fileno(), 0, size + 8), *of(wire.IMPLICIT)),
                EncodedDataSet(FileSource(other.fileno(), 0, size + 12), *of(wire.EXPLICIT)),
            )
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert found is SAME
    assert peak < 8 << 20
