"""Data sets in JSON and XML, with odd values, and addresses for long ones."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from workers.dicomweb.json_model import INLINE, to_json, to_xml


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
