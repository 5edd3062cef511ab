"""Values that pydicom does not convert are text; the others are what pydicom says."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from gateway.cli.keys import flat, plain
from gateway.datasets.coding import decode, decode_whole, encode
from gateway.datasets.element_writer import ElementWriter
from gateway.uid import EXPLICIT_VR_LITTLE_ENDIAN as EXPLICIT
from gateway.uid import IMPLICIT_VR_LITTLE_ENDIAN as IMPLICIT
from tests.archive.character_set_samples import EXTENDED, SINGLE, STAND_ALONE

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
FILES = sorted((Path(pydicom.__file__).parent / "data" / "charset_files").glob("*.dcm"))


def match(*elements: tuple[int, str, bytes], syntax: str = EXPLICIT) -> Dataset:
    writer = ElementWriter(syntax)
    return decode_whole(writer.data_set(writer.element(*one) for one in elements), syntax)


@pytest.mark.parametrize(("sets", "value", "text"), [*SINGLE, *EXTENDED, *STAND_ALONE])
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_text_in_each_character_set(sets, value, text, syntax):
    found = match((0x00080005, "CS", sets), (0x00100010, "PN", value), syntax=syntax)
    assert dict(flat(found))["PatientName"] == text.rstrip("=")
    assert plain(found)["PatientName"] == text.rstrip("=")


def test_odd_values_are_shown_as_text():
    found = match(
        (0x00080020, "DA", b"unknown "),
        (0x00100010, "PN", b"M\xfcller"),
        (0x00100040, "CS", b"\xc4\xd0"),
        (0x00200013, "IS", b"abc "),
        (0x00280010, "US", b"\1\2\3\4\5\6"),
        (0x00280030, "DS", b"wide\\high "),
    )
    shown = dict(flat(found))
    assert shown["StudyDate"] == "unknown"
    assert shown["PatientName"] == "Müller"
    assert shown["PatientSex"] == "ÄÐ"
    assert shown["InstanceNumber"] == "abc"
    assert shown["PixelSpacing"] == "wide\\high"
    assert len(shown) == 6


def test_text_in_sequences_has_the_character_set_of_the_data_set():
    item, whole = Dataset(), Dataset()
    item.PatientName = "Müller"
    whole.SpecificCharacterSet = "ISO_IR 192"
    whole.ReferencedPatientSequence = [item]
    found = decode_whole(encode(whole, EXPLICIT), EXPLICIT)
    assert dict(flat(found))["ReferencedPatientSequence.PatientName"] == "Müller"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_pydicoms_own_files_are_read_as_pydicom_reads_them(path: Path) -> None:
    data = encode(pydicom.dcmread(path), EXPLICIT)
    theirs = dict(flat(decode(data, EXPLICIT)))
    ours = dict(flat(decode_whole(data, EXPLICIT)))
    assert ours.keys() == theirs.keys()
    for name, text in theirs.items():
        assert ours[name].rstrip("= ") == text.rstrip("= "), name
