"""Elements as pydicom writes them, and those that it refuses."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom.filereader import read_dataset

from gateway.datasets.coding import decode, encode
from gateway.datasets.element_writer import ElementWriter
from gateway.uid import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

SYNTAXES = (
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_pydicom_reads_and_writes(syntax: str) -> None:
    writer = ElementWriter(syntax)
    encoded = writer.data_set(
        [
            writer.element(0x00080060, "CS", b"CT"),
            writer.element(0x00100020, "LO", b"odd"),
            writer.element(0x00104000, "UT", b"text"),
            writer.element(0x0020000D, "UI", b"1.2"),
            writer.element(0x00280010, "US", writer.unsigned_shorts([1, 512])),
        ]
    )
    found = decode(encoded, syntax)
    assert (found.Modality, found.PatientID, found.PatientComments) == ("CT", "odd", "text")
    assert (found.StudyInstanceUID, found.Rows) == ("1.2", [1, 512])
    assert encode(found, syntax) == encoded


def test_a_value_that_is_too_long_for_its_vr_is_unknown() -> None:
    writer = ElementWriter(EXPLICIT_VR_LITTLE_ENDIAN)
    encoded = writer.data_set([writer.element(0x00080060, "CS", b"x" * 0xFFFF)])
    assert encoded[4:6] == b"UN"
    element = read_dataset(BytesIO(encoded), False, True).get_item(0x00080060)
    assert element.length == 0x10000
