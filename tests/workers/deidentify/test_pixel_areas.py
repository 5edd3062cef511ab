"""Clean Pixel Data: areas that are blackened, in every layout, and what is refused."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataelem import DataElement
from pydicom.encaps import encapsulate

from tests.workers.deidentify.examples import instance, profile
from workers.deidentify.deidentifier import NotCleaned, deidentify
from workers.deidentify.pixel_areas import PixelArea, PixelRule

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
JPEG, RLE = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.5"


def image(pixels: bytes, rows: int, columns: int, **values: Any) -> Dataset:
    made = instance(Rows=rows, Columns=columns, Modality="US", SamplesPerPixel=1)
    made.BitsAllocated, made.BitsStored, made.HighBit = 8, 8, 7
    made.PixelRepresentation, made.PhotometricInterpretation = 0, "MONOCHROME2"
    for keyword, value in values.items():
        setattr(made, keyword, value)
    made[0x7FE00010] = DataElement(0x7FE00010, "OW", pixels)
    return made


def cleaned(given: Dataset, *areas: tuple[int, int, int, int], syntax: str = EXPLICIT) -> Any:
    rule = PixelRule((("Modality", "US"),), tuple(PixelArea(*area) for area in areas))
    return deidentify(given, profile("clean_pixels", pixel_rules=(rule,)), syntax)


def test_an_area_of_each_frame() -> None:
    given = image(bytes([9]) * 24, 3, 4, NumberOfFrames=2)
    made, syntax = cleaned(given, (1, 0, 2, 2))
    frame = bytes([9, 0, 0, 9, 9, 0, 0, 9, 9, 9, 9, 9])
    assert (made.PixelData, syntax) == (frame * 2, EXPLICIT)
    assert given.PixelData == bytes([9]) * 24
    assert made.BurnedInAnnotation == "NO"
    codes = [code.CodeValue for code in made.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113101"]


def test_an_area_that_reaches_beyond_the_edge() -> None:
    made, _ = cleaned(image(bytes([9]) * 6, 2, 3), (1, 1, 0, 0), (2, 0, 90, 1), (50, 50, 1, 1))
    assert made.PixelData == bytes([9, 9, 0, 9, 0, 0])


def test_sixteen_bits_and_monochrome1() -> None:
    values: dict[str, Any] = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}
    given = image(b"\1\2" * 4, 2, 2, PhotometricInterpretation="MONOCHROME1", **values)
    made, _ = cleaned(given, (0, 0, 1, 1))
    assert made.PixelData == b"\xff\x0f" + b"\1\2" * 3


@pytest.mark.parametrize("planar", [0, 1])
def test_colours(planar: int) -> None:
    pixels = bytes([1, 2, 3] * 2) if planar == 0 else bytes([1, 1, 2, 2, 3, 3])
    values = {"SamplesPerPixel": 3, "PlanarConfiguration": planar}
    made, _ = cleaned(
        image(pixels, 1, 2, PhotometricInterpretation="YBR_FULL", **values), (1, 0, 1, 1)
    )
    black = bytes([1, 2, 3, 0, 128, 128]) if planar == 0 else bytes([1, 0, 2, 128, 3, 128])
    assert made.PixelData == black


def test_compressed_pixels_are_decompressed() -> None:
    header = (1).to_bytes(4, "little") + (64).to_bytes(4, "little") + b"\0" * 56
    given = image(b"", 4, 4)
    given.PixelData = encapsulate([header + bytes([256 - 15, 9])])
    given["PixelData"].VR = "OB"
    made, syntax = cleaned(given, (0, 0, 4, 1), syntax=RLE)
    assert (syntax, made.PixelData) == (EXPLICIT, bytes(4) + bytes([9]) * 12)
    assert given.PixelData == encapsulate([header + bytes([256 - 15, 9])])


def test_a_lossy_image_is_decompressed() -> None:
    stream = BytesIO()
    Image.fromarray(np.full((16, 16), 200, np.uint8)).save(stream, "JPEG")
    given = image(b"", 16, 16, LossyImageCompression="01")
    given.PixelData = encapsulate([stream.getvalue()])
    given["PixelData"].VR = "OB"
    made, syntax = cleaned(given, (0, 0, 16, 8), syntax=JPEG)
    assert syntax == EXPLICIT
    assert made.PixelData[:128] == bytes(128)
    assert min(made.PixelData[128:]) > 190
    assert made.LossyImageCompression == "01"


@pytest.mark.parametrize(
    ("values", "syntax", "expected"),
    [
        ({}, BIG_ENDIAN, "Big Endian are not blackened"),
        ({}, JPEG, r"\(JPEG Baseline \(Process 1\)\) cannot be decompressed"),
        ({}, "1.2.3", "transfer syntax 1.2.3 is not known"),
        ({"BitsAllocated": 1}, EXPLICIT, "with 1 bits allocated"),
        ({"PhotometricInterpretation": "YBR_FULL_422"}, EXPLICIT, "YBR_FULL_422 are not"),
        ({"Rows": 60_000, "Columns": 60_000, "NumberOfFrames": 9}, JPEG, "too large"),
        ({"Rows": 3}, EXPLICIT, "has 4 bytes, and not as many as its frames"),
    ],
)
def test_what_cannot_be_blackened_is_refused(
    values: dict[str, Any], syntax: str, expected: str
) -> None:
    given = image(b"\1\1\1\1", 2, 2, **values)
    with pytest.raises(NotCleaned, match=expected):
        cleaned(given, (0, 0, 1, 1), syntax=syntax)


def test_burned_in_annotation_is_refused_unless_a_rule_fits() -> None:
    given = image(b"\1\1\1\1", 2, 2, BurnedInAnnotation="YES")
    with pytest.raises(NotCleaned, match=r"Burned In Annotation \(0028,0301\) is YES"):
        deidentify(given, profile())
    assert deidentify(given, profile(burned_in="keep")).dataset.BurnedInAnnotation == "YES"
    made, _ = cleaned(given)  # a rule without areas: there is nothing
    assert (made.BurnedInAnnotation, made.PixelData) == ("NO", b"\1\1\1\1")
    given.Modality = "CT"
    with pytest.raises(NotCleaned):
        cleaned(given, (0, 0, 1, 1))


def test_an_option_that_nothing_was_done_for_is_not_claimed() -> None:
    given = image(b"\1\1\1\1", 2, 2)
    given.Modality = "CT"
    made, _ = cleaned(given, (0, 0, 1, 1))
    assert [code.CodeValue for code in made.DeidentificationMethodCodeSequence] == ["113100"]
    assert "BurnedInAnnotation" not in made


def test_overlays_in_the_bits_of_pixels_are_cleared() -> None:
    values: dict[str, Any] = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}
    given = image(b"\x34\xf2" * 2, 1, 2, **values)
    given.add_new(0x60000100, "US", 16)
    given.add_new(0x60000102, "US", 12)
    assert deidentify(given, profile(), IMPLICIT).dataset.PixelData == b"\x34\x02" * 2
    given.PixelRepresentation = 1
    with pytest.raises(NotCleaned, match="an overlay is in the bits"):
        deidentify(given, profile(), IMPLICIT)


def test_the_first_rule_that_fits_counts() -> None:
    rules = (
        PixelRule((("Modality", "US"), ("ManufacturerModelName", "LOGIQ*")), ()),
        PixelRule((("Modality", "U?"),), (PixelArea(0, 0, 0, 0),)),
    )
    how = profile("clean_pixels", pixel_rules=rules)
    given = image(b"\1\1\1\1", 2, 2)
    assert deidentify(given, how, EXPLICIT).dataset.PixelData == bytes(4)
    given.ManufacturerModelName = "LOGIQ E9"
    assert deidentify(given, how, EXPLICIT).dataset.PixelData == b"\1\1\1\1"
