"""pydicom's data sets to bytes and back, and conversion between the uncompressed syntaxes."""

from __future__ import annotations

import warnings

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from gateway.datasets import DatasetError
from gateway.datasets.coding import decode_whole, encode, encoder
from gateway.datasets.conversion import convert, encoded_instance
from gateway.datasets.instances import identify
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


@pytest.mark.parametrize("garbage", [b"\xff" * 30, b"\x28\x00\x10\x00US\x03\x00abc"])
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
    from gateway.part10 import file_meta

    meta = file_meta(converted.sop_class_uid, converted.sop_instance_uid, target)
    path.write_bytes(meta + converted.data)
    before, after = dcmread(instance.path), dcmread(path)
    # pydicom drops the retired group lengths, which would be wrong anyway.
    tags = [element.tag for element in before if element.tag.element]
    assert tags == [element.tag for element in after]
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
