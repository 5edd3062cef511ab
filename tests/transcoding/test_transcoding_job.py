"""What transcoding writes, attribute by attribute."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import UID

from gateway.datasets.conversion import encoded_instance
from gateway.datasets.errors import NotTranscodable, TranscodingError
from gateway.transcoding.targets import (
    JPEG_2000_LOSSLESS,
    JPEG_LS_LOSSLESS,
    LOSSLESS,
    RLE_LOSSLESS,
)
from gateway.uid import KEYWORDS
from tests.peers import wire
from tests.transcoding.conftest import described, pydicoms, read, samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.datasets import Instance

    Transcode = Callable[..., Instance]
    Image = Callable[..., Instance]

RANDOM = np.random.default_rng(1)
COLOR = RANDOM.integers(0, 256, (33, 37, 3), dtype=np.uint8)
GREY = RANDOM.integers(0, 256, (3, 33, 37), dtype=np.uint8)


@pytest.mark.parametrize("target", [wire.EXPLICIT, wire.IMPLICIT, wire.BIG_ENDIAN, wire.DEFLATED])
def test_every_uncompressed_syntax(transcode: Transcode, image: Image, target: str) -> None:
    frames = RANDOM.integers(-500, 500, (3, 33, 37), dtype=np.int16)
    compressed = transcode(image(frames), JPEG_LS_LOSSLESS)
    result = transcode(compressed, target)
    assert result.transfer_syntax_uid == target
    assert result.sop_instance_uid == "1.2.3.4"
    assert np.array_equal(samples(read(result)), frames)


@pytest.mark.parametrize("source", [wire.IMPLICIT, wire.BIG_ENDIAN, wire.DEFLATED])
@pytest.mark.parametrize("target", LOSSLESS)
def test_from_every_uncompressed_syntax(transcode: Transcode, source: str, target: str) -> None:
    frames = RANDOM.integers(0, 4096, (2, 33, 37), dtype=np.uint16)
    data_set = described(frames, BitsStored=12, HighBit=11)
    data_set.PixelData = frames.tobytes()
    explicit = encoded_instance(data_set, wire.EXPLICIT)
    result = transcode(transcode(explicit, source), target)
    assert np.array_equal(samples(read(result)), frames)
    assert read(result).BitsStored == 12


def test_offset_table_and_fragments(transcode: Transcode, image: Image) -> None:
    result = transcode(image(GREY), RLE_LOSSLESS)
    pixels = read(result)["PixelData"]
    assert (pixels.VR, pixels.is_undefined_length) == ("OB", True)
    table, *frames = generate_fragments(pixels.value)
    assert len(frames) == 3
    assert all(len(frame) % 2 == 0 for frame in frames)
    begins = [sum(8 + len(one) for one in frames[:number]) for number in range(3)]
    assert list(struct.unpack("<3L", table)) == begins


def test_odd_length_is_padded(transcode: Transcode, image: Image) -> None:
    result = transcode(transcode(image(GREY), JPEG_LS_LOSSLESS), wire.EXPLICIT)
    pixels = read(result)["PixelData"]
    assert (pixels.VR, len(pixels.value)) == ("OB", 3 * 33 * 37 + 1)


def test_words_are_ow(transcode: Transcode, image: Image) -> None:
    result = transcode(transcode(image(), RLE_LOSSLESS), wire.EXPLICIT)
    assert read(result)["PixelData"].VR == "OW"


def test_planes_become_pixels(transcode: Transcode, image: Image) -> None:
    planes = COLOR.transpose(2, 0, 1)
    data_set = described(COLOR, PlanarConfiguration=1)
    data_set.PixelData = planes.tobytes() + b"\0"
    compressed = transcode(encoded_instance(data_set, wire.EXPLICIT), RLE_LOSSLESS)
    result = read(transcode(compressed, wire.EXPLICIT))
    assert result.PlanarConfiguration == 0
    assert result.PixelData[:-1] == COLOR.tobytes()


@pytest.mark.parametrize(("target", "name"), [
    (JPEG_2000_LOSSLESS, "YBR_RCT"), (JPEG_LS_LOSSLESS, "RGB"), (RLE_LOSSLESS, "RGB"),
])  # fmt: skip
def test_rgb(transcode: Transcode, image: Image, target: str, name: str) -> None:
    compressed = transcode(image(COLOR), target)
    assert read(compressed).PhotometricInterpretation == name
    result = read(transcode(compressed, wire.EXPLICIT))
    assert result.PhotometricInterpretation == "RGB"
    assert result.PixelData[:-1] == COLOR.tobytes()


@pytest.mark.parametrize("target", LOSSLESS)
def test_lossless_ybr_stays(transcode: Transcode, image: Image, target: str) -> None:
    compressed = transcode(image(COLOR, PhotometricInterpretation="YBR_FULL"), target)
    result = read(transcode(compressed, wire.EXPLICIT))
    assert result.PhotometricInterpretation == "YBR_FULL"
    assert result.PixelData[:-1] == COLOR.tobytes()


def test_lossy_jpeg_becomes_rgb_and_tells_that_it_was_lossy(transcode: Transcode) -> None:
    path = pydicoms("examples_ybr_color.dcm")
    assert dcmread(path, defer_size=64).PhotometricInterpretation == "YBR_FULL_422"
    result = read(transcode(path, wire.EXPLICIT))
    assert result.PhotometricInterpretation == "RGB"
    assert result.LossyImageCompression == "01"
    assert result.NumberOfFrames == 30
    assert len(result.PixelData) == 30 * result.Rows * result.Columns * 3


def test_other_elements_stay(transcode: Transcode) -> None:
    data_set = described(GREY)
    data_set.PixelData = GREY.tobytes() + b"\0"
    data_set.private_block(0x0011, "ACME", create=True).add_new(1, "OB", b"\1\2")
    data_set.private_block(0x7FE1, "ACME", create=True).add_new(1, "LO", "after")
    data_set.SpecificCharacterSet = "ISO_IR 100"
    data_set.PatientName = "M\xfcller"
    result = read(transcode(encoded_instance(data_set, wire.EXPLICIT), RLE_LOSSLESS))
    for element in data_set:
        if element.tag != 0x7FE00010:
            assert result[element.tag] == element


def test_signatures_are_left_out(transcode: Transcode) -> None:
    data_set = described(GREY)
    data_set.PixelData = GREY.tobytes() + b"\0"
    data_set.DigitalSignaturesSequence = [Dataset()]
    data_set.MACParametersSequence = [Dataset()]
    data_set.DataSetTrailingPadding = bytes(8)
    result = read(transcode(encoded_instance(data_set, wire.EXPLICIT), RLE_LOSSLESS))
    assert not {0xFFFAFFFA, 0x4FFE0001, 0xFFFCFFFC} & set(map(int, result.keys()))


def test_extended_offset_table(transcode: Transcode, image: Image) -> None:
    compressed = read(transcode(image(GREY), RLE_LOSSLESS))
    _, *frames = generate_fragments(compressed.PixelData)
    lengths = [len(frame) for frame in frames]
    begins = [sum(8 + length for length in lengths[:number]) for number in range(3)]
    compressed.ExtendedOffsetTable = struct.pack("<3Q", *begins)
    compressed.ExtendedOffsetTableLengths = struct.pack("<3Q", *lengths)
    items = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<L", len(one)) + one for one in frames)
    compressed.PixelData = b"\xfe\xff\x00\xe0" + bytes(4) + items
    result = read(transcode(encoded_instance(compressed, RLE_LOSSLESS), wire.EXPLICIT))
    assert "ExtendedOffsetTable" not in result
    assert "ExtendedOffsetTableLengths" not in result
    assert np.array_equal(samples(result), GREY)


def test_a_frame_in_several_fragments(transcode: Transcode, image: Image) -> None:
    compressed = read(transcode(image(COLOR), JPEG_LS_LOSSLESS))
    _, frame = generate_fragments(compressed.PixelData)
    parts = frame[:40], frame[40:]
    items = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<L", len(one)) + one for one in parts)
    compressed.PixelData = b"\xfe\xff\x00\xe0" + bytes(4) + items
    result = read(transcode(encoded_instance(compressed, JPEG_LS_LOSSLESS), wire.EXPLICIT))
    assert np.array_equal(samples(result), COLOR)


def test_icon(transcode: Transcode, image: Image) -> None:
    icon = described(GREY[0])
    encoded = bytes(get_encoder(UID(JPEG_LS_LOSSLESS)).encode(GREY[0], **options_of(icon)))
    encoded += b"\0" * (len(encoded) % 2)
    icon.PixelData = b"\xfe\xff\x00\xe0" + bytes(4) + b"\xfe\xff\x00\xe0"
    icon.PixelData += struct.pack("<L", len(encoded)) + encoded
    icon["PixelData"].is_undefined_length, icon["PixelData"].VR = True, "OB"
    compressed = read(transcode(image(COLOR), JPEG_LS_LOSSLESS))
    compressed.IconImageSequence = [icon]
    for target in (wire.EXPLICIT, RLE_LOSSLESS):
        result = read(transcode(encoded_instance(compressed, JPEG_LS_LOSSLESS), target))
        pixels = result.IconImageSequence[0]["PixelData"]
        assert not pixels.is_undefined_length
        assert pixels.value == GREY[0].tobytes() + b"\0"
        assert np.array_equal(samples(result), COLOR)


def options_of(data_set: Any) -> dict[str, Any]:
    return {
        "rows": data_set.Rows,
        "columns": data_set.Columns,
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "bits_allocated": 8,
        "bits_stored": 8,
        "pixel_representation": 0,
        "photometric_interpretation": "MONOCHROME2",
    }


def without_pixels() -> Dataset:
    data_set = described(GREY)
    for name in ("Rows", "Columns", "BitsAllocated", "NumberOfFrames"):
        delattr(data_set, name)
    return data_set


def test_no_pixel_data(transcode: Transcode) -> None:
    instance = encoded_instance(without_pixels(), RLE_LOSSLESS)
    result = transcode(instance, wire.IMPLICIT)
    assert read(result).PatientName == "Nobody^At=All"
    with pytest.raises(NotTranscodable, match="no pixel data"):
        transcode(encoded_instance(without_pixels(), wire.EXPLICIT), RLE_LOSSLESS)


def test_float_pixel_data_is_not_compressed(transcode: Transcode) -> None:
    data_set = described(GREY[0], BitsAllocated=32)
    data_set.FloatPixelData = GREY[0].astype(np.float32).tobytes()
    instance = encoded_instance(data_set, wire.EXPLICIT)
    with pytest.raises(NotTranscodable, match="no pixel data that can be compressed"):
        transcode(instance, JPEG_2000_LOSSLESS)
    assert read(transcode(instance, wire.IMPLICIT)).FloatPixelData == data_set.FloatPixelData


def test_bits_are_not_compressed(transcode: Transcode) -> None:
    with pytest.raises(NotTranscodable, match="one bit"):
        transcode(pydicoms("liver_1frame.dcm"), RLE_LOSSLESS)


def test_what_jpeg_ls_has_no_form_for(transcode: Transcode, image: Image) -> None:
    with pytest.raises(NotTranscodable, match="not as JPEG-LS"):
        transcode(image(np.zeros((4, 4), np.uint32)), JPEG_LS_LOSSLESS)


# bad input


def test_fewer_frames_than_named(transcode: Transcode, image: Image) -> None:
    compressed = read(transcode(image(GREY), RLE_LOSSLESS))
    compressed.NumberOfFrames = 4
    with pytest.raises(TranscodingError, match="3 of the 4 frames"):
        transcode(encoded_instance(compressed, RLE_LOSSLESS), wire.EXPLICIT)


def test_more_frames_than_named(transcode: Transcode, image: Image) -> None:
    compressed = read(transcode(image(GREY), RLE_LOSSLESS))
    compressed.NumberOfFrames = 2
    with pytest.raises(TranscodingError, match="more frames than the 2"):
        transcode(encoded_instance(compressed, RLE_LOSSLESS), wire.EXPLICIT)


def test_uncompressed_with_another_length(transcode: Transcode, image: Image) -> None:
    for number in (2, 4):
        with pytest.raises(TranscodingError, match="its pixel data has 3664 bytes, not"):
            transcode(image(GREY, NumberOfFrames=number), RLE_LOSSLESS)


@pytest.mark.parametrize("damage", [b"\0\0", b"\xff\xd8\xff\xd9", bytes(60), bytes(range(200))])
@pytest.mark.parametrize(
    "syntax", [*LOSSLESS, *(KEYWORDS[name] for name in ("JPEGBaseline8Bit", "HTJ2KLossless"))]
)
def test_damaged_frames(transcode: Transcode, image: Image, syntax: str, damage: bytes) -> None:
    instance = image(GREY[0], frames=[damage], syntax=syntax)
    with pytest.raises(TranscodingError, match=r"frame 1 is not decoded|of the 1 frames"):
        transcode(instance, wire.EXPLICIT)


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_cut_frames(transcode: Transcode, image: Image, syntax: str) -> None:
    compressed = read(transcode(image(GREY), syntax))
    _, *frames = generate_fragments(compressed.PixelData)
    cut = [frames[0], frames[1][: len(frames[1]) // 2], frames[2]]
    instance = image(GREY, frames=cut, syntax=syntax)
    with pytest.raises(TranscodingError, match="frame 2 is not decoded"):
        transcode(instance, wire.EXPLICIT)


def test_too_large(transcode: Transcode, image: Image) -> None:
    huge = image(GREY[0], Rows=60_000, Columns=60_000, frames=[b"\0\0"], syntax=RLE_LOSSLESS)
    with pytest.raises(TranscodingError, match="60000 x 60000 pixels has 3600000000 bytes"):
        transcode(huge, wire.EXPLICIT)
    many = image(GREY[0], NumberOfFrames=2_000_000_000, frames=[b"\0\0"], syntax=RLE_LOSSLESS)
    with pytest.raises(TranscodingError, match="2000000000 frames of 33 x 37 pixels"):
        transcode(many, wire.EXPLICIT)


@pytest.mark.parametrize(("attributes", "reason"), [
    ({"Rows": 0}, "Rows is 0"), ({"Columns": None}, "Columns is missing"),
    ({"BitsStored": 64}, "64 in 8 bits"), ({"SamplesPerPixel": 2}, "2 samples"),
    ({"PhotometricInterpretation": ""}, "PhotometricInterpretation is missing"),
    ({"NumberOfFrames": "-1"}, "NumberOfFrames is -1"),
])  # fmt: skip
def test_description_that_makes_no_sense(
    transcode: Transcode, image: Image, attributes: dict[str, Any], reason: str
) -> None:
    instance = image(GREY[0], frames=[b"\0\0"], syntax=RLE_LOSSLESS, **attributes)
    with pytest.raises(TranscodingError, match=reason):
        transcode(instance, wire.EXPLICIT)


def test_pixel_data_that_is_not_encapsulated(transcode: Transcode, image: Image) -> None:
    with pytest.raises(TranscodingError, match="is not encapsulated"):
        transcode(image(GREY, syntax=RLE_LOSSLESS), wire.EXPLICIT)
