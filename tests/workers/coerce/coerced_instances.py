"""Instances for the rules of coercion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

if TYPE_CHECKING:
    from pathlib import Path


def ct(**values) -> Dataset:
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3"
    made.PatientName = "Doe^Jane"
    for name, value in values.items():
        setattr(made, name, value)
    return made


def written(folder: Path, instance: Dataset, old: bytes, new: bytes) -> Path:
    """Write an instance as a file in which some bytes are others."""
    path = folder / "broken.dcm"
    instance.file_meta = dcmread(get_testdata_file("CT_small.dcm")).file_meta
    instance.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    instance.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    instance.save_as(path, enforce_file_format=True)
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))
    return path
