"""Instances with pixel data, and what transcodes them in this process."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom.data
import pytest
from pydicom import config, dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import pixel_array

from gateway.datasets.conversion import encoded_instance
from gateway.datasets.instances import identify
from gateway.part10 import file_meta
from gateway.settings import TranscodingSettings
from gateway.transcoding import Target, Transcoder
from gateway.transcoding.transcoding_job import TranscodingJob, perform
from tests.peers import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.datasets import Instance

PYDICOM = Path(pydicom.data.__file__).parent
LARGEST, LARGEST_FRAME = 1 << 30, 1 << 28
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def pydicoms(name: str) -> Path:
    """One of pydicom's test files."""
    (found,) = PYDICOM.rglob(name)
    return found


def read(instance: Instance) -> Any:
    """The data set of an instance, as a file of it would be read."""
    uids = instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid
    return dcmread(BytesIO(file_meta(*uids) + instance.read()), force=True)


def samples(data_set: Any, *, raw: bool = True) -> Any:
    """The frames as pydicom decodes them, in the byte order of this machine."""
    array = pixel_array(data_set, raw=raw)
    return array.astype(array.dtype.newbyteorder("="))


@pytest.fixture
def transcode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Instance]:
    """Transcodes in this process, so that errors have a traceback."""
    from gateway.datasets import Instance

    monkeypatch.setattr(config.settings, "reading_validation_mode", config.IGNORE)

    def run(what: Instance | Path, target: Target | str, **bounds: int) -> Instance:
        instance = identify(what) if isinstance(what, Path) else what
        path, offset = instance.path, instance.offset
        if path is None:
            path, offset = tmp_path / "source", 0
            Path(path).write_bytes(instance.read())
        out = tmp_path / "out"
        out.write_bytes(b"")
        target = Target(target) if isinstance(target, str) else target
        limits = {"largest": LARGEST, "largest_frame": LARGEST_FRAME, **bounds}
        uids = instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid
        job = TranscodingJob(*uids, str(path), offset, instance.size, target, str(out), **limits)
        uid, data = perform(job), out.read_bytes()
        return Instance(uids[0], uid, target.transfer_syntax, len(data), data=data)

    return run


@pytest.fixture
def image() -> Callable[..., Instance]:
    """Makes an instance of samples; `frames` are encapsulated as they are."""

    def make(
        array: Any = None,
        *,
        frames: list[bytes] | None = None,
        syntax: str = wire.EXPLICIT,
        **attributes: Any,
    ) -> Instance:
        if array is None:
            array = np.arange(16 * 12, dtype=np.uint16).reshape(16, 12)
        data_set = described(array, **attributes)
        if frames is None:
            data = array.tobytes()
            data_set.PixelData = data + b"\0" * (len(data) % 2)
        else:
            data_set.PixelData = encapsulate(frames)
            data_set["PixelData"].is_undefined_length = True
            data_set["PixelData"].VR = "OB"
        return encoded_instance(data_set, syntax)

    return make


def described(array: Any, **attributes: Any) -> Dataset:
    """A data set that describes samples: frames, rows, columns; the last axis of 3 is colors."""
    data_set = Dataset()
    data_set.SOPClassUID, data_set.SOPInstanceUID = SECONDARY_CAPTURE, "1.2.3.4"
    data_set.PatientName, data_set.ImageType = "Nobody^At=All", ["ORIGINAL", "PRIMARY", "AXIAL"]
    is_color = array.shape[-1] == 3
    rows, columns = array.shape[-3:-1] if is_color else array.shape[-2:]
    data_set.SamplesPerPixel = 3 if is_color else 1
    data_set.PhotometricInterpretation = "RGB" if is_color else "MONOCHROME2"
    if is_color:
        data_set.PlanarConfiguration = 0
    if array.ndim > (3 if is_color else 2):
        data_set.NumberOfFrames = array.shape[0]
    data_set.Rows, data_set.Columns = rows, columns
    data_set.BitsAllocated = data_set.BitsStored = 8 * array.dtype.itemsize
    data_set.HighBit = data_set.BitsStored - 1
    data_set.PixelRepresentation = int(array.dtype.kind == "i")
    for name, value in attributes.items():
        setattr(data_set, name, value)
    return data_set


@pytest.fixture
def transcoder(tmp_path: Path) -> Iterator[Transcoder]:
    transcoder = Transcoder(TranscodingSettings(), tmp_path / "transcoding")
    yield transcoder
    transcoder.close()
