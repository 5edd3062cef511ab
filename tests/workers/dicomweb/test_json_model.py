"""Data sets in JSON and XML, with odd values, and addresses for long ones."""

from __future__ import annotations

from io import BytesIO
from xml.etree import ElementTree as ET

import pytest
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from gateway.part10 import file_meta
from workers.dicomweb.bulk_values import find
from workers.dicomweb.guard import HttpError
from workers.dicomweb.json_model import INLINE, to_json, to_xml
from workers.dicomweb.readable_instance import ReadableInstance


def model(data_set: Dataset):
    return to_json(data_set, lambda path: f"at/{path}")


def raw(tag: int, vr: str, value: bytes) -> RawDataElement:
    return RawDataElement(Tag(tag), vr, len(value), value, 0, False, True)


def test_values_by_their_kind():
    data_set = Dataset()
    data_set.PatientName = "Doe^Jane=山田"
    data_set.Rows = 512
    data_set.ImageType = ["ORIGINAL", "PRIMARY"]
    data_set.PatientBirthDate = ""
    data_set.PixelSpacing = ["0.5", "0.25"]
    found = model(data_set)
    assert found["00100010"] == {
        "vr": "PN",
        "Value": [{"Alphabetic": "Doe^Jane", "Ideographic": "山田"}],
    }
    assert found["00280010"] == {"vr": "US", "Value": [512]}
    assert found["00080008"]["Value"] == ["ORIGINAL", "PRIMARY"]
    assert found["00100030"] == {"vr": "DA"}
    assert found["00280030"]["Value"] == [0.5, 0.25]


def test_long_values_have_an_address_also_in_items():
    item = Dataset()
    item.add_new(0x00420011, "OB", bytes(INLINE + 2))
    data_set = Dataset()
    data_set.add_new(0x00420011, "OB", b"short")
    data_set.SourceImageSequence = Sequence([Dataset(), item])
    found = model(data_set)
    assert found["00420011"] == {"vr": "OB", "InlineBinary": "c2hvcnQ="}
    inner = found["00082112"]["Value"][1]["00420011"]
    assert inner == {"vr": "OB", "BulkDataURI": "at/00082112/2/00420011"}


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [(0x00200013, "IS", b"abc"), (0x00280030, "DS", b"1,5\\x"), (0x00280010, "US", b"\x01")],
)
def test_a_value_that_does_not_convert_ends_nothing(tag, vr, value):
    data_set = Dataset()
    data_set[tag] = raw(tag, vr, value)
    data_set.PatientID = "P"
    found = model(data_set)
    assert found["00100020"]["Value"] == ["P"]
    assert set(found) == {f"{tag:08X}", "00100020"}


@pytest.mark.parametrize("is_implicit", [False, True])
def test_a_long_sequence_of_defined_length_is_told(is_implicit):
    item, data_set = Dataset(), Dataset()
    item.ImageComments = "y" * 200
    data_set.PerFrameFunctionalGroupsSequence = [item] * 400
    data_set.PixelData = bytes(70_000)
    data_set["PixelData"].VR = "OW"
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, is_implicit
    write_dataset(stream, data_set)
    syntax = "1.2.840.10008.1.2" if is_implicit else "1.2.840.10008.1.2.1"
    file = BytesIO(file_meta("1.2", "1.3", syntax) + stream.getvalue())
    told = to_json(dcmread(file, defer_size=65_536), lambda path: path)
    assert told["52009230"]["Value"] == [{"00204000": {"vr": "LT", "Value": ["y" * 200]}}] * 400
    assert told["7FE00010"] == {"vr": "OW", "BulkDataURI": "7FE00010"}


def test_groups_of_command_and_meta_are_left_out():
    data_set = Dataset()
    data_set.add_new(0x00020010, "UI", "1.2")
    data_set.add_new(0x00100000, "UL", 8)
    assert model(data_set) == {}


def test_xml_has_the_same():
    data_set = Dataset()
    data_set.PatientName = "Doe^Jane"
    data_set.PatientComments = "a\x1bb<&"
    data_set.SourceImageSequence = Sequence([Dataset()])
    data_set.SourceImageSequence[0].InstanceNumber = 3
    root = ET.fromstring(to_xml(model(data_set)))
    by_keyword = {one.get("keyword"): one for one in root}
    assert by_keyword["PatientName"].find("PersonName/Alphabetic/FamilyName").text == "Doe"
    assert by_keyword["PatientComments"].find("Value").text == "a�b<&"
    assert by_keyword["SourceImageSequence"].find("Item/DicomAttribute/Value").text == "3"


def test_characters_that_xml_does_not_have_are_replaced():
    told = {"00104000": {"vr": "LT", "Value": ["a\x00b\ufffec\udc80d\U0001f600\n"]}}
    (element,) = ET.fromstring(to_xml(told))
    assert element.findtext("Value") == "a\ufffdb\ufffdc\ufffdd\U0001f600\n"


@pytest.mark.parametrize("path", ["52009230/1", "52009230/0/00204000", "52009230/-1/00204000", "x"])
def test_a_path_that_no_address_has_is_404(path, tmp_path):
    place = ReadableInstance("1.2", "1.3", "1.2.840.10008.1.2.1", 0, lambda: tmp_path, None)
    item, data_set = Dataset(), Dataset()
    item.add_new(0x00204000, "OB", b"ab")
    data_set.PerFrameFunctionalGroupsSequence = [item]
    data_set.PixelData = b"ab"
    assert find(place, data_set, "52009230/1/00204000").data == b"ab"
    with pytest.raises(HttpError) as caught:
        find(place, data_set, path)
    assert caught.value.status == 404
