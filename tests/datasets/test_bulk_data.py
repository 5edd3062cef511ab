"""Data sets without bulk data: what goes, what stays bit by bit, and the original."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from gateway.datasets import NotDicom
from gateway.datasets.bulk_data import is_bulk_data, without_bulk_data
from gateway.datasets.coding import encode


@pytest.mark.parametrize(
    ("tag", "is_bulk"),
    [
        (0x7FE00010, True),
        (0x7FE00008, True),
        (0x00420011, True),
        (0x60003000, True),
        (0x60FE3000, True),
        (0x50123000, True),
        (0x5012200C, True),
        (0x60013000, False),
        (0x60000010, False),
        (0x00280010, False),
        (0x54001010, False),
    ],
)
def test_which_attributes_are_bulk_data(tag: int, is_bulk: bool) -> None:
    assert is_bulk_data(tag) is is_bulk


@pytest.mark.parametrize("name", ["CT_small.dcm", "JPEG2000.dcm", "MR_small_bigendian.dcm"])
def test_all_else_stays_as_it_was_encoded(name: str) -> None:
    path = get_testdata_file(name)
    whole = dcmread(path)
    syntax = whole.file_meta.TransferSyntaxUID
    kept, own = without_bulk_data(path)
    assert own == syntax
    assert "PixelData" not in kept
    del whole.PixelData
    assert encode(kept, syntax) == encode(whole, syntax)


def test_waveforms_lose_their_data_only() -> None:
    path = get_testdata_file("waveform_ecg.dcm")
    kept, _ = without_bulk_data(path)
    original = dcmread(path)
    assert len(kept.WaveformSequence) == len(original.WaveformSequence)
    for mine, theirs in zip(kept.WaveformSequence, original.WaveformSequence, strict=True):
        assert "WaveformData" not in mine
        assert mine.NumberOfWaveformSamples == theirs.NumberOfWaveformSamples


def test_the_data_set_of_the_handler_stays_whole() -> None:
    dataset = dcmread(get_testdata_file("waveform_ecg.dcm"))
    dataset.add_new(0x7FE00010, "OW", b"\0\0")
    before = encode(dataset, ExplicitVRLittleEndian)
    without_bulk_data(dataset)
    assert encode(dataset, ExplicitVRLittleEndian) == before


def test_a_data_set_without_any() -> None:
    dataset = Dataset()
    dataset.PatientID = "1"
    dataset.ensure_file_meta()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    kept, _ = without_bulk_data(dataset)
    assert kept == dataset


def test_what_cannot_be_read(tmp_path) -> None:
    (tmp_path / "no.dcm").write_bytes(BytesIO(b"nothing").getvalue())
    with pytest.raises(NotDicom):
        without_bulk_data(tmp_path / "no.dcm")
