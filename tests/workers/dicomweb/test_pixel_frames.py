"""Bounds of what is inflated and decoded, and values that are no numbers."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from gateway.datasets import identify
from gateway.datasets.deflation import deflate
from gateway.part10 import file_meta
from tests.workers.holdings import instance
from workers.dicomweb import pixel_frames
from workers.dicomweb.guard import HttpError
from workers.dicomweb.readable_instance import in_file

CT, DEFLATED = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1.99"


@pytest.fixture
def deflated(tmp_path):
    path = tmp_path / "deflated.dcm"
    path.write_bytes(file_meta(CT, "1.1", DEFLATED) + deflate(instance().data_set))
    return in_file(identify(path))


def test_a_deflated_data_set_is_read(deflated):
    assert pixel_frames.read(deflated).SOPInstanceUID == "1.1"


def test_one_that_inflates_to_more_than_the_bound_is_406(deflated, monkeypatch):
    monkeypatch.setattr(pixel_frames, "INFLATED_MOST", 50)
    with pytest.raises(HttpError, match="inflates to more than 50 bytes") as caught:
        pixel_frames.read(deflated)
    assert caught.value.status == 406


@pytest.mark.parametrize("rows", [["1", "2"], "x", str(1 << 20)])
def test_a_frame_without_a_size_or_of_an_absurd_one_is_406(deflated, rows):
    data_set = Dataset()
    data_set.add_new(0x00280010, "LO", rows)
    data_set.Columns = 1 << 15
    with pytest.raises(HttpError) as caught:
        pixel_frames.decoded_frames(deflated, data_set, [0])
    assert caught.value.status == 406


def test_the_same_frame_many_times_is_bounded(deflated, monkeypatch):
    monkeypatch.setattr(pixel_frames, "DECODED_MOST", 1000)
    data_set = Dataset()
    data_set.Rows = data_set.Columns = 10
    with pytest.raises(HttpError, match="more than are decoded at once"):
        pixel_frames.decoded_frames(deflated, data_set, [0] * 11)


@pytest.mark.parametrize("text", ["9" * 5000, "1," * 3, "\u0661", "0", "1 2", ""])
def test_what_is_no_list_of_frames_is_400(text):
    with pytest.raises(HttpError) as caught:
        pixel_frames.check_numbers(text, Dataset())
    assert caught.value.status == 400
