"""Data sets of requests: what inflates, has many elements or deep sequences is refused unread."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian as Deflated
from pydicom.uid import ExplicitVRLittleEndian as Explicit
from pydicom.uid import ImplicitVRLittleEndian as Implicit

from gateway.datasets.bounded import IDENTIFIER, Bounds, decode_bounded
from gateway.datasets.coding import decode_whole, encode
from gateway.datasets.deflation import deflate
from gateway.sdk import DatasetError
from tests.peers.elements import el, implicit, uid

BOUNDS = Bounds(inflated=100_000, elements=50, depth=3)
SYNTAXES = pytest.mark.parametrize("syntax", [Implicit, Explicit, Deflated])


def keys(count: int) -> Dataset:
    dataset = Dataset()
    for number in range(count):
        dataset.add_new((0x0011, 0x1000 + number), "LO", "")
    return dataset


def nested(depth: int) -> Dataset:
    dataset = Dataset()
    dataset.PatientID = "deepest"
    for _ in range(depth):
        outer = Dataset()
        outer.ReferencedSeriesSequence = [dataset]
        dataset = outer
    return dataset


@SYNTAXES
def test_what_is_within_bounds_is_decoded(syntax: str) -> None:
    for dataset in (keys(50), nested(3), Dataset()):
        decoded = decode_bounded(encode(dataset, syntax), syntax, BOUNDS)
        assert list(decoded.keys()) == list(dataset.keys())


@SYNTAXES
@pytest.mark.parametrize(
    ("dataset", "why"),
    [(keys(51), "more than 50 elements"), (nested(4), "more than 3 nested sequences")],
    ids=["keys", "depth"],
)
def test_what_is_out_of_bounds_is_refused(syntax: str, dataset: Dataset, why: str) -> None:
    with pytest.raises(DatasetError, match=why):
        decode_bounded(encode(dataset, syntax), syntax, BOUNDS)


def test_items_count_as_elements() -> None:
    dataset = Dataset()
    dataset.ReferencedSeriesSequence = [Dataset() for _ in range(60)]
    with pytest.raises(DatasetError, match="more than 50 elements"):
        decode_bounded(encode(dataset, Implicit), Implicit, BOUNDS)


def test_a_deflate_bomb_is_inflated_to_the_bound_only() -> None:
    packer = zlib.compressobj(9, wbits=-15)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError, match="inflates to more than 100000 bytes"):
            decode_bounded(bomb, Deflated, BOUNDS)
        assert tracemalloc.get_traced_memory()[1] < 3 << 20
    finally:
        tracemalloc.stop()


def test_large_bytes_that_cannot_be_read_to_their_end_are_refused() -> None:
    cut = struct.pack("<HHI", 0x0010, 0x0010, 200_000) + b" " * 100_000
    with pytest.raises(DatasetError, match="0010,0010"):
        decode_bounded(cut, Implicit, BOUNDS)


UNKNOWN_VRS = [b"--", b"  ", b"??", b"\0\0", b"lo", b"OX"]


@pytest.mark.parametrize("vr", UNKNOWN_VRS)
@pytest.mark.parametrize("length", [32, 16])
@pytest.mark.parametrize("tag", [0x00100010, 0x001021B0, 0x00111001])
@pytest.mark.parametrize("syntax", [Explicit, Deflated])
def test_a_vr_that_is_not_known_hides_nothing(vr: bytes, length: int, tag: int, syntax: str):
    size = struct.pack("<H", 6) if length == 16 else struct.pack("<HL", 0, 6)
    odd = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr + size + b"Smith*"
    item = implicit(0xFFFEE000, odd + el(0x00400007, b"LO", b"inner "))
    encoded = b"".join(
        (
            el(0x00080052, b"CS", b"STUDY "),
            odd,
            uid(0x0020000D, "1.2.3"),
            el(0x00400100, b"SQ", item),
            el(0x00401001, b"SH", b"last"),
        )
    )
    data = deflate(encoded) if syntax == Deflated else encoded
    for decoded in (decode_bounded(data, syntax, BOUNDS), decode_whole(data, syntax)):
        assert decoded.StudyInstanceUID == "1.2.3"
        assert decoded.RequestedProcedureID == "last"
        assert bytes(str(decoded[tag].value), "ascii").startswith((b"Smith*", b"b'Smith*'"))
        (inner,) = decoded[0x00400100]
        assert inner.ScheduledProcedureStepDescription == "inner"


def _element(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, vr, 0, len(value)) + value


def test_the_items_of_a_sequence_without_a_valid_vr_count_too() -> None:
    items = struct.pack("<HHL", 0xFFFE, 0xE000, 0) * (IDENTIFIER.elements + 1)
    for vr in (b"UN", b"Zz", b"\0\0"):
        with pytest.raises(DatasetError, match="more than 4096 elements"):
            decode_bounded(_element(0x00081199, vr, items), Explicit, IDENTIFIER)


@pytest.mark.parametrize("syntax", [Explicit, Implicit])
def test_elements_that_only_pydicom_sees_are_refused(syntax: str) -> None:
    hidden = b"".join(struct.pack("<HH2sH", 9, 0x1000 + n, b"LO", 0) for n in range(2000))
    length = int.from_bytes(b"OB", "little")
    element = struct.pack("<HHLL", 8, 0x1155, length, 0) + hidden[: length - 4]
    element = element.ljust(8 + length, b"\0")
    if syntax == Explicit:
        item = struct.pack("<HHL", 0xFFFE, 0xE000, len(element)) + element
        element = _element(0x00081199, b"UN", item)
    with pytest.raises(DatasetError, match="would be taken for a VR"):
        decode_bounded(element, syntax, IDENTIFIER)


def test_a_sequence_in_un_is_read_in_implicit_vr() -> None:
    inner = struct.pack("<HHL", 8, 0x1155, 6) + b"1.2.3\0"
    item = struct.pack("<HHL", 0xFFFE, 0xE000, len(inner)) + inner
    for vr in (b"UN", b"Zz"):
        found = decode_bounded(_element(0x00081199, vr, item), Explicit, IDENTIFIER)
        assert found.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3"
