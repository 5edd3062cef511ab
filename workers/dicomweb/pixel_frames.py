"""Pixel data frame by frame: as it is stored, decoded, or rendered (PS3.18 8.7.3, 10.4, 10.5).

Only the frames that are asked for are read. What decodes are pydicom's decoders, with the libraries
of the extra `dicomweb`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.uid import UID

from gateway.datasets import DatasetError
from gateway.datasets.deflation import inflate
from gateway.part10 import file_meta, read_file_meta
from gateway.sdk import Unavailable
from gateway.uid import DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN
from workers.dicomweb.guard import HttpError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image

    from gateway.datasets import Instance
    from workers.dicomweb.readable_instance import ReadableInstance

INFLATED_MOST = 256 << 20
"""Bytes of a deflated data set that is inflated."""
DECODED_MOST = 1 << 30
"""Bytes of one frame, or of a whole instance, that is decoded."""
_LONG = 64 * 1024
"""Bytes of a value from which on it is not read with the others."""
RENDERED = ("image/jpeg", "image/png", "image/gif")
"""Media types of pictures (PS3.18 Table 8.7.4-1), the default first."""
GROWN_MOST = 1 << 24
"""Pixels up to which a picture is enlarged."""
THUMBNAIL = 128, 128
_MEDIA = {
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
}
"""The media type of a frame by transfer syntax (PS3.18 table 8.7.3-2)."""
_VIDEO = ("1.2.840.10008.1.2.4.10", "1.2.840.10008.1.2.4.11")


@dataclass(frozen=True, slots=True)
class Window:
    """What a client asks of a rendered image."""

    center: float | None = None
    width: float = 0.0
    function: str = "LINEAR"
    size: tuple[int, int] | None = None
    """Width and height that it is scaled to, in its own proportions."""
    region: tuple[float, float, float | None, float | None] = (0.0, 0.0, None, None)
    """Left, top, width and height of what is shown of it; negative ones flip it, None: all."""
    quality: int = 90


def media_type_of(transfer_syntax: str) -> str:
    """Return the media type of a frame as it is stored."""
    if transfer_syntax in _MEDIA:
        return _MEDIA[transfer_syntax]
    if transfer_syntax.startswith(_VIDEO):
        return "video/mp4"
    if transfer_syntax.startswith("1.2.840.10008.1.2.4."):
        return "image/jpeg"
    return "application/octet-stream"


def read(instance: ReadableInstance) -> Any:
    """Return a data set whose long values are not read.

    Raises HttpError: 500 if it is none, 410 if it is gone, 503 if it cannot be read at present.
    """
    try:
        if instance.transfer_syntax_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
            return _inflated(instance)
        return dcmread(instance.place(), defer_size=_LONG, force=True)
    except DatasetError as error:
        raise HttpError(406, str(error)) from None
    except FileNotFoundError as error:
        raise HttpError(410, f"the instance is gone: {error}") from None
    except Unavailable as error:
        raise HttpError(503, str(error)) from None
    except Exception as error:  # whatever pydicom raises
        raise HttpError(500, f"the file cannot be read: {type(error).__name__}") from error


def _inflated(instance: ReadableInstance) -> Any:
    """Return a deflated data set, of which a small file may be very long: within a bound."""
    with instance.open() as file:
        file.seek(instance.offset)
        data = inflate(file, INFLATED_MOST)
    uids = instance.sop_class_uid, instance.sop_instance_uid, EXPLICIT_VR_LITTLE_ENDIAN
    return dcmread(BytesIO(file_meta(*uids) + data), force=True)


def _size_of_frame(data_set: Any) -> int:
    """Return the bytes of a decoded frame; raises HttpError 406."""
    try:
        samples = int(data_set.get("SamplesPerPixel") or 1)
        bits = int(data_set.get("BitsAllocated") or 8)
        pixels = int(data_set.get("Rows") or 0) * int(data_set.get("Columns") or 0)
    except (TypeError, ValueError):
        raise HttpError(406, "Rows, Columns, Samples or Bits Allocated are not numbers") from None
    return pixels * samples * bits // 8


def check_numbers(text: str, data_set: Any) -> list[int]:
    """Return the indices, from 0, of a list of frames; raises HttpError 400 or 404."""
    parts = text.replace("%2C", ",").split(",")
    if not all(re.fullmatch(r" ?0{0,9}[1-9][0-9]{0,8}", part) for part in parts):
        raise HttpError(400, f"{text[:64]!r} is not a list of frames: numbers from 1 on")
    if "PixelData" not in data_set and not {"FloatPixelData", "DoubleFloatPixelData"} & set(
        data_set.dir()
    ):
        raise HttpError(404, "the instance has no pixel data")
    count = _count(data_set)
    for part in parts:
        if int(part) > count:
            raise HttpError(404, f"the instance has {count} frames, not {int(part)}")
    return [int(part) - 1 for part in parts]


def _count(data_set: Any) -> int:
    try:
        return max(1, int(data_set.get("NumberOfFrames") or 1))
    except (TypeError, ValueError):
        return 1


def stored_frames(instance: ReadableInstance, data_set: Any, indices: Sequence[int]) -> list[bytes]:
    """Return compressed frames as they are stored."""
    start = data_set.get_item("PixelData", keep_deferred=True).value_tell
    with instance.open() as file:
        found = []
        for index in indices:
            file.seek(start)
            try:
                found.append(get_frame(file, index, number_of_frames=_count(data_set)))
            except Unavailable as error:
                raise HttpError(503, str(error)) from None
            except Exception as error:  # whatever pydicom raises for fragments
                raise HttpError(500, f"frame {index + 1} cannot be found: {error}") from error
    return found


def decoded_frames(
    instance: ReadableInstance, data_set: Any, indices: Sequence[int]
) -> list[bytes]:
    """Return frames in little endian, decoded; raises HttpError 406 if they cannot be."""
    return [_little_endian(one) for one in _arrays(instance, data_set, indices)]


def _little_endian(array: Any) -> bytes:
    data: bytes = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return data


def _arrays(
    instance: ReadableInstance, data_set: Any, indices: Sequence[int], out: Any = None
) -> list[Any]:
    """Return frames as pydicom decodes them, YBR as RGB; `out` gets what they are then."""
    from pydicom.pixels.utils import iter_pixels

    size = _size_of_frame(data_set) * len(indices)
    if size > DECODED_MOST:
        raise HttpError(406, f"the frames have {size} bytes: more than are decoded at once")
    syntax = UID(instance.transfer_syntax_uid)
    try:
        _check_decoder(syntax)
        if instance.transfer_syntax_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
            return list(iter_pixels(data_set, ds_out=out, indices=indices))
        try:
            return list(iter_pixels(instance.place(), ds_out=out, indices=indices))
        except (ValueError, AttributeError):  # fragments that it does not find in a file
            whole = dcmread(instance.place(), force=True)
            return list(iter_pixels(whole, ds_out=out, indices=indices))
    except HttpError:
        raise
    except Unavailable as error:
        raise HttpError(503, str(error)) from None
    except NotImplementedError:
        raise HttpError(406, f"{syntax.name} is not decoded here") from None
    except Exception as error:  # whatever a decoder raises
        raise HttpError(406, f"the pixel data is not decoded: {type(error).__name__}") from error


def _check_decoder(syntax: UID) -> None:
    """Raise HttpError 406, or NotImplementedError, if there is no decoder."""
    from pydicom.pixels.decoders.base import get_decoder

    decoder = get_decoder(syntax)
    if not decoder.is_available:
        missing = "; ".join(decoder.missing_dependencies)
        raise HttpError(406, f"{syntax.name} is not decoded here ({missing})")


def decompressed(instance: Instance) -> bytes:
    """Return the data set of a compressed instance, decompressed; raises HttpError 406."""
    uids = instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid
    syntax = UID(instance.transfer_syntax_uid)
    data_set = dcmread(BytesIO(file_meta(*uids) + instance.read()), force=True)
    size = _size_of_frame(data_set) * _count(data_set)
    if size > DECODED_MOST:
        raise HttpError(406, "decompressed it would be more than 1 GiB: ask for transfer-syntax=*")
    try:
        data_set.decompress(as_rgb=False, generate_instance_uid=False)
    except Exception as error:  # whatever a decoder raises
        raise HttpError(
            406, f"{syntax.name} is not decompressed here: ask for transfer-syntax=*"
        ) from error
    out = BytesIO()
    data_set.save_as(out, enforce_file_format=True)
    out.seek(0)
    return out.getvalue()[read_file_meta(out).offset :]


def render(
    instance: ReadableInstance, data_set: Any, index: int, window: Window, media: str
) -> bytes:
    """Return a frame as JPEG or PNG."""
    from PIL import Image

    told = Dataset()
    (array,) = _arrays(instance, data_set, [index], told)
    photometric = str(told.get("PhotometricInterpretation") or "MONOCHROME2")
    try:
        image = Image.fromarray(_eight_bits(array, data_set, photometric, window))
    except Exception as error:  # whatever Pillow or NumPy raise for these values
        raise HttpError(406, f"the frame cannot be rendered: {type(error).__name__}") from error
    if window.size is not None:
        image = _viewed(image, window, window.size)
    out = BytesIO()
    if media == "image/jpeg":
        image.save(out, "JPEG", quality=window.quality)
    else:
        image.save(out, media.partition("/")[2].upper())
    return out.getvalue()


def _viewed(image: Image, window: Window, size: tuple[int, int]) -> Image:
    """Return a region of a picture, scaled (PS3.18 8.3.5.1.3)."""
    from PIL import Image, ImageOps

    left, top, across, down = window.region
    right = image.width if across is None else left + abs(across)
    bottom = image.height if down is None else top + abs(down)
    box = (
        *(round(max(0.0, left)), round(max(0.0, top))),
        *(round(min(image.width, right)), round(min(image.height, bottom))),
    )
    if box[2] <= box[0] or box[3] <= box[1]:
        raise HttpError(400, f"the region of the viewport is outside of {image.size} pixels")
    image = image.crop(box)
    if across is not None and across < 0:
        image = ImageOps.mirror(image)
    if down is not None and down < 0:
        image = ImageOps.flip(image)
    scale = min(size[0] / image.width, size[1] / image.height)
    if scale > 1:
        scale = max(1.0, min(scale, (GROWN_MOST / (image.width * image.height)) ** 0.5))
    scaled = [max(1, round(side * scale)) for side in image.size]
    return image.resize((scaled[0], scaled[1]), Image.Resampling.LANCZOS)


def _eight_bits(array: Any, data_set: Any, photometric: str, window: Window) -> Any:
    """Return samples from 0 to 255: grey, or red, green and blue."""
    import numpy as np
    from pydicom.pixels.processing import (
        apply_color_lut,
        apply_modality_lut,
        apply_voi_lut,
    )

    if photometric == "PALETTE COLOR":
        array = apply_color_lut(array, data_set)
        return _scaled(array, 0, 65535 if array.dtype == np.uint16 else 255)
    if array.ndim == 3:
        return _scaled(array, 0, 2 ** int(data_set.get("BitsStored") or 8) - 1)
    array = apply_modality_lut(array, data_set).astype(np.float64)
    if window.center is None and "VOILUTSequence" in data_set:
        array = apply_voi_lut(array, data_set)
        grey = _scaled(array, float(array.min()), float(array.max()))
    elif chosen := _window_of(data_set, window):
        grey = _windowed(array, chosen)
    else:
        grey = _scaled(array, float(array.min()), float(array.max()))
    return 255 - grey if photometric == "MONOCHROME1" else grey


def _window_of(data_set: Any, window: Window) -> Window | None:
    """Return the window that is asked for, or the first one of the data set, if it has one."""
    if window.center is not None:
        return window
    try:
        centers, widths = (data_set.get(name) for name in ("WindowCenter", "WindowWidth"))
        first = [one if isinstance(one, (int, float, str)) else one[0] for one in (centers, widths)]
        center, width = float(first[0]), float(first[1])
    except (TypeError, ValueError, IndexError):
        return None
    function = str(data_set.get("VOILUTFunction") or "LINEAR")
    return Window(center, width, function) if width >= 1 or function != "LINEAR" else None


def _windowed(array: Any, window: Window) -> Any:
    """Return samples from 0 to 255 for a window (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
    import numpy as np

    center, width = window.center or 0.0, window.width
    if window.function == "SIGMOID":
        shares = 1 / (1 + np.exp(np.clip(-4 * (array - center) / width, -700, 700)))
    elif window.function == "LINEAR_EXACT":
        shares = (array - center) / width + 0.5
    elif width <= 1:
        shares = (array > center - 0.5).astype(np.float64)
    else:
        shares = (array - (center - 0.5)) / (width - 1) + 0.5
    return (np.clip(shares, 0, 1) * 255).round().astype(np.uint8)


def _scaled(array: Any, low: float, high: float) -> Any:
    import numpy as np

    if high <= low:
        return np.zeros(array.shape, np.uint8)
    return np.clip((array - low) * (255.0 / (high - low)), 0, 255).astype(np.uint8)
