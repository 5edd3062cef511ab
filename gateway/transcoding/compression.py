"""Frames, compressed by pydicom's encoders and encapsulated (PS3.5 A.4; needs numpy)."""

from __future__ import annotations

from dataclasses import replace
from struct import pack
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import UID

from gateway.datasets.errors import NotTranscodable, TranscodingError
from gateway.transcoding.decoded_frames import reason_of
from gateway.transcoding.targets import (
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    JPEG_LS_NEAR_LOSSLESS,
    RLE_LOSSLESS,
    Target,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.transcoding.decoded_frames import Frame
    from gateway.transcoding.pixel_module import PixelModule

_TRANSFORMED = {JPEG_2000_LOSSLESS: "YBR_RCT", JPEG_2000: "YBR_ICT"}
"""What RGB is called in JPEG 2000, whose encoder transforms it (PS3.5 8.2.4)."""
_PIXEL_DATA = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff"
_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0\0\0\0\0"
_LONGEST_OFFSET = 0xFFFFFFFF


class CompressedPixels(NamedTuple):
    """What was written."""

    photometric_interpretation: str
    ratio: float
    """Bytes before to bytes after, of all frames."""


def write_compressed(
    out: BinaryIO, frames: Iterable[Frame], target: Target, module: PixelModule
) -> CompressedPixels:
    """Write the element Pixel Data: an offset table, and each frame as a fragment.

    Raises NotTranscodable for frames that have no form in the target, and TranscodingError.
    """
    count = module.number_of_frames
    if module.bits_allocated == 1:
        raise NotTranscodable("pixels of one bit are not compressed")
    out.write(_PIXEL_DATA + _ITEM + pack("<L", 4 * count))
    table = out.tell()
    out.write(bytes(4 * count))
    begin, before, after = out.tell(), 0, 0
    offsets: list[int] = []
    photometric, first = "", None
    for frame in frames:
        first = first or frame
        first.check_same(frame)
        photometric, data = _encoded(frame, target)
        offsets.append(out.tell() - begin)
        if offsets[-1] > _LONGEST_OFFSET:
            raise TranscodingError("its pixel data is too long for an offset table")
        before, after = before + frame.array.nbytes, after + len(data)
        out.write(_ITEM + pack("<L", len(data) + len(data) % 2))
        out.write(data)
        out.write(b"\0" * (len(data) % 2))
    out.write(_END)
    out.seek(table)
    out.write(pack(f"<{count}L", *offsets))
    return CompressedPixels(photometric, before / after)


def _encoded(frame: Frame, target: Target) -> tuple[str, bytes]:
    """Return the Photometric Interpretation of a frame and its bytes."""
    uid = UID(target.transfer_syntax)
    encoder = get_encoder(uid)
    if not encoder.is_available:
        missing = "; ".join(encoder.missing_dependencies)
        raise NotTranscodable(f"{uid.name} is not encoded here: {missing}")
    photometric, options = _options(frame, target)
    try:
        data = bytes(encoder.encode(frame.array, **options))
    except MemoryError:
        raise
    except Exception as error:  # the encoder checks what its transfer syntax permits
        raise NotTranscodable(f"not as {uid.name}: {reason_of(error)}") from error
    return photometric, data


def _options(frame: Frame, target: Target) -> tuple[str, dict[str, Any]]:
    module, syntax = replace(frame.module, number_of_frames=1), target.transfer_syntax
    if syntax == RLE_LOSSLESS:  # it keeps all bits, whatever they mean
        module = replace(module, bits_stored=module.bits_allocated)
    if module.photometric_interpretation == "RGB" and syntax in _TRANSFORMED:
        module = replace(module, photometric_interpretation=_TRANSFORMED[syntax])
    options = module.options()
    if syntax == JPEG_2000:
        options["j2k_cr"] = [target.ratio]
    elif syntax == JPEG_LS_NEAR_LOSSLESS:
        options["jls_error"] = target.error
    return module.photometric_interpretation, options
