"""Compression with loss: another instance, which says so (PS3.3 C.7.6.1.1.5, C.12.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from gateway.datasets.errors import NotTranscodable
from gateway.transcoding import Target
from gateway.transcoding.targets import JPEG_2000, JPEG_LS_NEAR_LOSSLESS
from gateway.uid import is_valid
from tests.transcoding.conftest import pydicoms, read, samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.datasets import Instance

    Transcode = Callable[..., Instance]
    Image = Callable[..., Instance]

TO_JPEG_2000 = Target(JPEG_2000, ratio=5.0)
TO_JPEG_LS = Target(JPEG_LS_NEAR_LOSSLESS, error=3)
_waves = np.sin(np.arange(128) / 9)
IMAGE = (2000 + 900 * _waves[:, None] * _waves[None, :]).astype(np.uint16)


@pytest.mark.parametrize(("target", "method", "words"), [
    (TO_JPEG_2000, "ISO_15444_1", "JPEG 2000"), (TO_JPEG_LS, "ISO_14495_1", "JPEG-LS, error up"),
])  # fmt: skip
def test_attributes(
    transcode: Transcode, image: Image, target: Target, method: str, words: str
) -> None:
    result = transcode(image(IMAGE), target)
    data_set = read(result)
    assert result.sop_instance_uid == data_set.SOPInstanceUID != "1.2.3.4"
    assert is_valid(result.sop_instance_uid)
    assert data_set.LossyImageCompression == "01"
    assert data_set.LossyImageCompressionMethod == method
    ratio = IMAGE.nbytes / len(data_set.PixelData)
    assert float(data_set.LossyImageCompressionRatio) == pytest.approx(ratio, rel=0.1)
    assert list(data_set.ImageType) == ["DERIVED", "PRIMARY", "AXIAL"]
    assert words in data_set.DerivationDescription
    (code,) = data_set.DerivationCodeSequence
    assert (code.CodeValue, code.CodingSchemeDesignator) == ("113040", "DCM")
    (source,) = data_set.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == "1.2.3.4"
    assert source.ReferencedSOPClassUID == data_set.SOPClassUID
    assert source.PurposeOfReferenceCodeSequence[0].CodeValue == "121320"


def test_jpeg_ls_differs_by_no_more_than_is_permitted(transcode: Transcode, image: Image) -> None:
    result = samples(read(transcode(image(IMAGE), TO_JPEG_LS))).astype(int)
    assert 0 < np.abs(result - IMAGE).max() <= 3


def test_jpeg_2000_has_about_the_ratio(transcode: Transcode, image: Image) -> None:
    noise = np.random.default_rng(2).integers(0, 4096, (128, 128), dtype=np.uint16)
    data_set = read(transcode(image(noise), TO_JPEG_2000))
    assert float(data_set.LossyImageCompressionRatio) == pytest.approx(5.0, rel=0.2)


def test_the_same_uid_each_time_and_another_for_another_loss(
    transcode: Transcode, image: Image
) -> None:
    uids = [
        transcode(image(IMAGE), target).sop_instance_uid
        for target in (TO_JPEG_2000, TO_JPEG_2000, Target(JPEG_2000, ratio=6.0), TO_JPEG_LS)
    ]
    assert uids[0] == uids[1]
    assert len(set(uids)) == 3


@pytest.mark.parametrize("name", ["examples_ybr_color.dcm", "SC_rgb_jpeg_dcmtk.dcm"])
def test_not_twice(transcode: Transcode, name: str) -> None:
    with pytest.raises(NotTranscodable, match="with loss"):
        transcode(pydicoms(name), TO_JPEG_2000)
