"""Encapsulated pixel data in sequences, as that of icons: decoded where it is (PS3.3 F.7)."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from gateway.datasets.errors import TranscodingError
from gateway.transcoding.decoded_frames import frames_of
from gateway.transcoding.pixel_module import PixelModule

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_MOST = 16 << 20
"""Bytes of the pixel data of an item."""
_DEEPEST = 16


def decode_nested(data_set: Dataset, syntax: str, depth: int = 0) -> None:
    """Decode the encapsulated pixel data of all items; raise TranscodingError if that fails.

    Both an uncompressed and a compressed transfer syntax permit it uncompressed (PS3.5 A.4).
    """
    if depth > _DEEPEST:
        raise TranscodingError("pixel data is nested too deep")
    for element in data_set:
        if element.VR == "SQ":
            for item in element.value:
                decode_nested(item, syntax, depth + 1)
                if "PixelData" in item and item["PixelData"].is_undefined_length:
                    _decode(item, syntax)


def _decode(item: Dataset, syntax: str) -> None:
    module = PixelModule.of(item)
    module.check_size(_MOST, _MOST)
    frames = list(frames_of(BytesIO(item.PixelData), module, item, syntax))
    if len(frames) != module.number_of_frames:
        raise TranscodingError("nested pixel data has another number of frames than it names")
    data = b"".join(frame.data() for frame in frames)
    element = item["PixelData"]
    element.value = data + b"\0" * (len(data) % 2)
    element.is_undefined_length = False
    element.VR = "OB" if frames[0].array.dtype.itemsize == 1 else "OW"
    frames[0].module.write_to(item)
