"""pydicom's data sets to bytes and back, and conversion between the uncompressed syntaxes."""

from __future__ import annotations

import asyncio
import struct
import warnings

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from gateway.datasets import (
    DatasetError,
    Instance,
    NoContext,
    conversion,
    element_steps,
    inflated_source,
    reencoding,
)
from gateway.datasets.coding import decode, decode_whole, encode, encoder
from gateway.datasets.conversion import convert, encoded_instance, fit
from gateway.datasets.instances import identify
from gateway.part10 import file_meta
from gateway.ul.negotiation import AcceptedContext
from tests.peers import instances, wire
from tests.requestor.conftest import TEST_FILES

SYNTAXES = list(instances.TRANSFER_SYNTAXES.values())


@pytest.fixture(autouse=True)
def _lenient():
    """pydicom warns of what is wrong in its own test files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_round_trip(syntax: str) -> None:
    data_set = Dataset()
    data_set.PatientName = "Doe^Jane"
    data_set.ReferencedStudySequence = [Dataset()]
    data_set.ReferencedStudySequence[0].ReferencedSOPInstanceUID = "1.2.3"
    encoded = encoder(data_set)(syntax)
    assert len(encoded) % 2 == 0
    assert decode_whole(encoded, syntax) == data_set


@pytest.mark.parametrize("garbage", [b"\x08", b"\x08\x00\x05\x00XX\xff\xff\xff\xff"])
def test_what_is_no_data_set(garbage: bytes) -> None:
    with pytest.raises(DatasetError):
        decode_whole(garbage, wire.DEFLATED)


@pytest.mark.parametrize("garbage", [b"\xff" * 30, b"\x28\x00\x10\x00US\x30\x00abc"])
def test_what_cannot_be_read_is_told_in_one_line(garbage: bytes) -> None:
    with pytest.raises(DatasetError) as caught:
        decode_whole(garbage, wire.EXPLICIT)
    assert "\n" not in str(caught.value)


def test_value_that_cannot_be_encoded() -> None:
    data_set = Dataset()
    data_set.add_new(0x00280010, "US", 70_000)
    with pytest.raises(DatasetError):
        encode(data_set, wire.EXPLICIT)


CONVERTIBLE = [
    "CT_small.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "rtdose_expb.dcm",
    "rtdose.dcm",
    "SC_rgb_small_odd.dcm",
    "SC_rgb_small_odd_big_endian.dcm",
    "ExplVR_BigEnd.dcm",
    "image_dfl.dcm",
    "liver_expb_1frame.dcm",
    "examples_overlay.dcm",
]


@pytest.mark.parametrize("target", SYNTAXES)
@pytest.mark.parametrize("name", CONVERTIBLE)
def test_converted_instance_is_the_same(tmp_path, name: str, target: str) -> None:
    instance = identify(TEST_FILES / name)
    converted = convert(instance, target)
    assert converted.transfer_syntax_uid == target
    assert converted.size == len(converted.data)
    path = tmp_path / "converted"
    meta = file_meta(converted.sop_class_uid, converted.sop_instance_uid, target)
    path.write_bytes(meta + converted.data)
    before, after = dcmread(instance.path), dcmread(path)
    # Retired group lengths are left out where they would be wrong.
    tags = [element.tag for element in before if element.tag.element]
    assert tags == [element.tag for element in after if element.tag.element]
    swapped = {"OW", "OF", "OD", "OL", "OV", "OB or OW"}
    for tag in tags:
        if before[tag].VR not in swapped and before[tag].VR not in ("SQ", "UN"):
            assert before[tag].value == after[tag].value, tag


@pytest.mark.parametrize("target", SYNTAXES)
def test_words_are_swapped_with_the_byte_order(target: str) -> None:
    """The two files that pydicom ships in both byte orders agree after conversion."""
    little = identify(TEST_FILES / "MR_small.dcm")
    big = identify(TEST_FILES / "MR_small_bigendian.dcm")
    values = [decode_whole(convert(one, target).data, target).PixelData for one in (little, big)]
    assert values[0] == values[1]
    twice = convert(little, wire.BIG_ENDIAN)
    assert decode_whole(twice.data, wire.BIG_ENDIAN).PixelData != dcmread(little.path).PixelData


def test_instance_of_a_data_set() -> None:
    data_set = dcmread(TEST_FILES / "CT_small.dcm")
    instance = encoded_instance(data_set, wire.IMPLICIT)
    assert instance.sop_instance_uid == data_set.SOPInstanceUID
    assert decode_whole(instance.data_set(), wire.IMPLICIT).PatientID == data_set.PatientID


def explicit(group: int, element: int, vr: bytes, value: bytes) -> bytes:
    if vr in (b"SQ", b"UN", b"OW"):
        return struct.pack("<HH2sHL", group, element, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", group, element, vr, len(value)) + value


def implicit(group: int, element: int, value: bytes, length: int | None = None) -> bytes:
    size = len(value) if length is None else length
    return struct.pack("<HHL", group, element, size) + value


def converted(data: bytes, target: str, source: str = wire.EXPLICIT) -> bytes:
    return convert(Instance("1.2", "1.2.3", source, len(data), data=data), target).read()


UNDEFINED = 0xFFFFFFFF
INNER = explicit(0x0008, 0x1150, b"UI", b"1.2\0")
SEQUENCE_END = implicit(0xFFFE, 0xE0DD, b"")
OPEN_ITEM = implicit(0xFFFE, 0xE000, INNER, UNDEFINED) + implicit(0xFFFE, 0xE00D, b"")
KEPT = {
    "a number as text": explicit(0x0010, 0x1030, b"DS", b"070.50"),
    "a wrong VR": explicit(0x0010, 0x0020, b"SH", b"P1"),
    "defined length": explicit(0x0008, 0x1140, b"SQ", implicit(0xFFFE, 0xE000, INNER)),
    "undefined length": struct.pack("<HH2sHL", 0x0008, 0x1140, b"SQ", 0, UNDEFINED)
    + OPEN_ITEM
    + SEQUENCE_END,
    "private UN": explicit(0x0011, 0x0010, b"LO", b"ME") + explicit(0x0011, 0x1010, b"UN", b"abcd"),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_conversion_keeps(name: str) -> None:
    data = KEPT[name]
    assert converted(converted(data, wire.DEFLATED), wire.EXPLICIT, wire.DEFLATED) == data


def test_group_lengths_are_left_out_where_they_would_be_wrong() -> None:
    name = explicit(0x0010, 0x0010, b"PN", b"A^B ")
    group_length = explicit(0x0010, 0x0000, b"UL", struct.pack("<L", len(name)))
    assert converted(group_length + name, wire.DEFLATED) != converted(name, wire.DEFLATED)
    assert converted(group_length + name, wire.IMPLICIT) == implicit(0x0010, 0x0010, b"A^B ")


def test_un_keeps_its_bytes() -> None:
    private = implicit(0x0011, 0x0010, b"ME") + implicit(0x0011, 0x1010, b"abcd")
    assert converted(private, wire.EXPLICIT, wire.IMPLICIT) == KEPT["private UN"]
    # in UN the length is that of OB, and the bytes keep their order in big endian
    assert converted(KEPT["private UN"], wire.BIG_ENDIAN).endswith(b"\0\0\0\4abcd")


def test_un_of_undefined_length_becomes_a_sequence() -> None:
    item = implicit(0xFFFE, 0xE000, implicit(0x0008, 0x1150, b"1.2\0"))
    un = struct.pack("<HH2sHL", 0x0008, 0x1140, b"UN", 0, UNDEFINED) + item + SEQUENCE_END
    (element,) = decode_whole(converted(un, wire.BIG_ENDIAN), wire.BIG_ENDIAN)
    assert (element.VR, element.value[0].ReferencedSOPClassUID) == ("SQ", "1.2")


@pytest.fixture
def _large(monkeypatch) -> None:
    """Everything is large enough to be converted as it is sent, in many pieces."""
    monkeypatch.setattr(conversion, "AT_ONCE", 0)
    monkeypatch.setattr(reencoding, "PIECE", 64)
    monkeypatch.setattr(element_steps, "WINDOW", 64)


async def _sent(instance: Instance) -> bytes:
    return b"".join([piece async for piece in instance.data_set()])


@pytest.mark.parametrize("target", SYNTAXES)
@pytest.mark.parametrize("name", CONVERTIBLE)
def test_one_that_is_converted_as_it_is_sent_is_the_same(request, name: str, target: str) -> None:
    instance = identify(TEST_FILES / name)
    whole = convert(instance, target)
    request.getfixturevalue("_large")
    converted = convert(instance, target)
    assert converted.data is None
    assert asyncio.run(_sent(converted)) == whole.data
    assert converted.read() == whole.data, "any number of times"
    if target != wire.DEFLATED:
        assert converted.size == whole.size


@pytest.mark.usefixtures("_large")
@pytest.mark.parametrize(
    "broken", [INNER[:-1], explicit(0x0028, 0x0010, b"US", b"abc")], ids=["cut", "half a word"]
)
def test_a_large_one_that_cannot_be_converted_whole_is_not_begun(broken: bytes) -> None:
    data = explicit(0x0008, 0x0060, b"CS", b"CT") + broken
    with pytest.raises(DatasetError):
        convert(Instance("1.2", "1.2.3", wire.EXPLICIT, len(data), data=data), wire.BIG_ENDIAN)


@pytest.mark.usefixtures("_large")
@pytest.mark.parametrize("change", [lambda data: data[:-200], lambda data: bytes(len(data))])
def test_a_file_that_changes_while_it_is_sent_is_an_error(tmp_path, change) -> None:
    path = tmp_path / "changing"
    path.write_bytes((TEST_FILES / "CT_small.dcm").read_bytes())
    pieces = convert(identify(path), wire.IMPLICIT).pieces()
    next(pieces)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(OSError, match="file"):
        list(pieces)


def test_what_inflates_to_too_much_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(inflated_source, "MAX_INFLATED", 1000)
    with pytest.raises(DatasetError, match="more than 1000 bytes"):
        convert(identify(TEST_FILES / "image_dfl.dcm"), wire.EXPLICIT)


@pytest.mark.parametrize("named", [wire.IMPLICIT, wire.BIG_ENDIAN])
def test_a_data_set_that_was_read_keeps_its_bytes(named: str) -> None:
    text = explicit(0x0008, 0x1030, b"LO", b"CT \xc0\xdb\xb3 1")
    data = (
        explicit(0x0008, 0x0005, b"CS", b"ISO_IR 13 ")
        + explicit(0x0008, 0x0016, b"UI", wire.uid_value(wire.MR))
        + explicit(0x0008, 0x0018, b"UI", b"1.2\0")
        + text
    )
    _, instance = fit(decode(data, wire.EXPLICIT), accepted(named))
    assert b"\xc0\xdb\xb3" in instance.read()
    assert converted(instance.read(), wire.EXPLICIT, named) == data


ODD = {
    "ISO_IR 13": explicit(0x0008, 0x1030, b"LO", b"CT \xc0\xdb\xb3 1"),
    "ISO 2022 IR 149": explicit(0x0008, 0x1030, b"LO", b"\x1b$)C\xb1\xe8\r\n\x1b$)C\xc1\xdf "),
    "Latin-1": explicit(0x0008, 0x1030, b"LO", b"M\xfcller "),
    "a private VR of two spaces": struct.pack("<HH2sHL", 0x0009, 0x1001, b"  ", 0, 4) + b"abcd",
    "FL for FD": explicit(0x0018, 0x1271, b"FL", b"\0\0\x80?"),
    "OX": struct.pack("<HH2sHL", 0x0009, 0x1001, b"OX", 0, 4) + b"abcd",
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_element_of_a_file_arrives_bit_by_bit_with_all_that_follows(tmp_path, name) -> None:
    odd, pixels = ODD[name], bytes(range(64))
    uids = explicit(0x0008, 0x0016, b"UI", wire.uid_value(wire.MR))
    uids += explicit(0x0008, 0x0018, b"UI", b"1.2\0")
    path = tmp_path / "odd.dcm"
    meta = file_meta(wire.MR, "1.2", wire.EXPLICIT)
    path.write_bytes(meta + uids + odd + explicit(0x7FE0, 0x0010, b"OW", pixels))
    _, sent = fit(path, accepted(wire.IMPLICIT))
    tag, value = odd[:4], odd[8 + 4 * (odd[4:6] in (b"  ", b"OX")) :]
    here = tag + struct.pack("<L", len(value)) + value
    assert sent.read().endswith(here + implicit(0x7FE0, 0x0010, pixels))


def accepted(*syntaxes: str, sop_class: str = wire.MR) -> list[AcceptedContext]:
    pairs = enumerate(syntaxes)
    return [AcceptedContext(2 * n + 1, sop_class, syntax, True, False) for n, syntax in pairs]


def test_a_file_is_sent_as_it_is_where_that_is_accepted() -> None:
    path = TEST_FILES / "MR_small_bigendian.dcm"
    context, instance = fit(path, accepted(wire.EXPLICIT, wire.BIG_ENDIAN))
    assert (context.id, instance) == (3, identify(path))


@pytest.mark.parametrize("read", [dcmread, identify, str], ids=["data set", "instance", "path"])
def test_a_big_endian_instance_fits_a_little_endian_context(read) -> None:
    what = read(TEST_FILES / "MR_small_bigendian.dcm")
    context, instance = fit(what, accepted(wire.JPEG_BASELINE, wire.IMPLICIT))
    assert (context.id, instance.transfer_syntax_uid) == (3, wire.IMPLICIT)
    sent = decode_whole(instance.read(), wire.IMPLICIT)
    assert sent.PixelData == dcmread(TEST_FILES / "MR_small.dcm").PixelData


def test_compressed_instances_are_not_converted() -> None:
    with pytest.raises(NoContext, match=r"accepted by the peer with .JPEG 2000.* transfer syntax"):
        fit(
            TEST_FILES / "JPEG2000.dcm",
            accepted(wire.EXPLICIT, sop_class="1.2.840.10008.5.1.4.1.1.7"),
        )


def test_a_data_set_without_uids_does_not_fit() -> None:
    with pytest.raises(DatasetError, match="SOPClassUID"):
        fit(Dataset(), accepted(wire.EXPLICIT))
