"""Each file of pydicom's test set: transcoded right, or not at all for a reason that is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydicom import dcmread

from gateway.datasets import DatasetError, NotDicom, identify
from gateway.datasets.errors import NotTranscodable, TranscodingError
from gateway.transcoding.targets import (
    JPEG_2000_LOSSLESS,
    JPEG_LOSSY,
    JPEG_LS_LOSSLESS,
    LOSSLESS,
    RLE_LOSSLESS,
    is_decoded,
)
from tests.peers import wire
from tests.transcoding.conftest import PYDICOM, pydicoms, read, samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.datasets import Instance

pytestmark = pytest.mark.filterwarnings("ignore")  # pydicom's, of its odd files

UNREADABLE = {
    "JPEG-lossy.dcm": "frame 1 is not decoded",
    "JPEG2000-embedded-sequence-delimiter.dcm": "frame 1 is not decoded",
    "MR_truncated.dcm": "of which 8130 are there",
    "SC_rgb_jpeg.dcm": "has the unknown VR",
    "rtplan_truncated.dcm": "of which 711 are there",
}
"""Damaged, or not in the transfer syntax that they name."""
NEEDS_GPL = {
    *("JPEG-LL.dcm", "JPGExtended.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm", "SC_rgb_jpeg_gdcm.dcm"),
}
"""Only a decoder under the GPL reads these."""
LONG = 200_000
"""Pixels up to which an image is compressed here."""
SWAPPED = "rtdose_expb"
"""OW of 32-bit pixels in big endian: pydicom takes it for words of 32 bits, DCMTK for 16."""
BAD_NUMBER = "badVR.dcm"
LONG_WORDS = {
    *("SC_rgb_rle_32bit", "SC_rgb_rle_32bit_2frame", "rtdose", "rtdose_1frame", "rtdose_expb"),
    *("rtdose_expb_1frame", "rtdose_rle", "rtdose_rle_1frame"),
}
"""Samples of 32 bits have no compressed form (PS3.5 8.2)."""
_SMALL = {"SC_rgb_small_odd", "SC_rgb_small_odd_big_endian", "SC_rgb_small_odd_jpeg"}
REFUSED = {
    JPEG_LS_LOSSLESS: _SMALL,
    JPEG_2000_LOSSLESS: _SMALL | {"JPEGLSNearLossless_08", "JPEGLSNearLossless_16"},
    RLE_LOSSLESS: set(),
}
"""Images of a few pixels, for which the encoders have no form."""
DESCRIPTION = {0x00280004, 0x00280006, 0x00280100, 0x00280101, 0x00280102, 0x00282110, 0x00282114}
PIXELS = {0x7FE00001, 0x7FE00002, 0x7FE00010, 0xFFFCFFFC}


def files() -> Iterator[Instance]:
    for path in sorted(PYDICOM.rglob("*.dcm")):
        try:
            instance = identify(path)
        except NotDicom:
            continue
        if path.name != BAD_NUMBER and is_decoded(instance.transfer_syntax_uid):
            yield instance


def test_decompressed_as_pydicom_decodes(transcode: Callable[..., Instance]) -> None:
    done, reasons = 0, {}
    for instance in files():
        name = instance.path.name  # type: ignore[union-attr]
        try:
            result = read(transcode(instance, wire.EXPLICIT))
        except DatasetError as error:
            reasons[name] = str(error)
            continue
        source = dcmread(instance.path, force=True)
        if "PixelData" in source and not name.startswith(SWAPPED):
            wanted = samples(source, raw=instance.transfer_syntax_uid not in JPEG_LOSSY)
            assert np.array_equal(samples(result), wanted), name
        assert_kept(source, result, name)
        done += 1
    assert done > 80
    assert reasons.keys() - NEEDS_GPL == UNREADABLE.keys()
    assert all(part in reasons[name] for name, part in UNREADABLE.items())


def assert_kept(source: Any, result: Any, name: str) -> None:
    """Everything beside the pixel data is as before, bit by bit."""
    left_out = DESCRIPTION | PIXELS
    is_explicit = source.original_encoding == (False, True)
    for tag in source.keys():  # noqa: SIM118 - values are converted when they are asked for
        if int(tag) not in left_out and int(tag) & 0xFFFF and int(tag) != 0x00282112:
            before, after = source.get_item(tag), result.get_item(tag)
            assert after is not None, (name, tag)
            assert before.VR in (None, after.VR), (name, tag)
            if is_explicit and isinstance(before.value, bytes):
                assert before.value == after.value, (name, tag)


@pytest.mark.parametrize("target", LOSSLESS)
def test_compressed_without_loss(transcode: Callable[..., Instance], target: str) -> None:
    done, refused = 0, set()
    for instance in files():
        source = dcmread(instance.path, force=True)
        name = instance.path.name  # type: ignore[union-attr]
        if name in UNREADABLE or name in NEEDS_GPL or "PixelData" not in source:
            continue
        if source.Rows * source.Columns * int(source.get("NumberOfFrames") or 1) > LONG:
            continue
        if (result := compressed(transcode, instance, target)) is None:
            refused.add(name)
            continue
        assert result.transfer_syntax_uid == target
        wanted = samples(source, raw=instance.transfer_syntax_uid not in JPEG_LOSSY)
        assert np.array_equal(samples(read(result)), wanted), name
        done += 1
    assert done > 20
    assert {name.partition(".")[0] for name in refused} == LONG_WORDS | REFUSED[target]


def compressed(
    transcode: Callable[..., Instance], instance: Instance, target: str
) -> Instance | None:
    """Return the instance as JPEG-LS, say; None if that has no form for it."""
    try:
        return transcode(instance, target)
    except NotTranscodable:
        return None


def test_number_of_frames_that_is_none(transcode: Callable[..., Instance]) -> None:
    with pytest.raises(TranscodingError, match="NumberOfFrames is not a number"):
        transcode(pydicoms(BAD_NUMBER), LOSSLESS[0])
