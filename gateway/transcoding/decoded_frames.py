"""The frames of an instance, decoded one by one by pydicom's decoders (needs numpy)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import pack
from typing import TYPE_CHECKING, Any, BinaryIO

from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from gateway.datasets.errors import TranscodingError
from gateway.transcoding.targets import BY_JPEG_2000, JPEG_LOSSY, RLE_LOSSLESS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataset import Dataset

    from gateway.transcoding.pixel_module import PixelModule

_NO_OFFSETS = b"\xfe\xff\x00\xe0\0\0\0\0"
_END_OF_IMAGE = b"\xff\xd9"
"""What every frame of JPEG and JPEG-LS ends with."""
_MAY_END_ANYWHERE = frozenset({RLE_LOSSLESS, *BY_JPEG_2000})
"""These have no such marker, or some writers leave it out; their decoders notice a cut frame."""
LONGEST_REASON = 200
"""Characters of the text of an error of a decoder or encoder."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded frame: rows, columns, and samples if there are several."""

    array: Any
    module: PixelModule

    def data(self) -> bytes:
        """Return the samples by pixel, in little endian."""
        data: bytes = self.array.astype(self.array.dtype.newbyteorder("<"), copy=False).tobytes()
        return data

    def check_same(self, other: Frame) -> None:
        """Raise TranscodingError if another frame is not like this one."""
        if (self.array.shape, self.module) != (other.array.shape, other.module):
            raise TranscodingError("its frames are not alike")


def frames_of(
    file: BinaryIO, module: PixelModule, data_set: Dataset, syntax: str
) -> Iterator[Frame]:
    """Yield the frames of pixel data that begins where the file stands.

    Raises TranscodingError for what cannot be decoded.
    """
    uid = UID(syntax)
    decoder = get_decoder(uid)
    if not decoder.is_available:
        missing = "; ".join(decoder.missing_dependencies)
        raise TranscodingError(f"{uid.name} is not decoded here: {missing}")
    if uid.is_encapsulated:
        decoded = _decoded(_encoded_frames(file, module, data_set), module, uid)
    else:
        options = {**module.options(), **_options(uid)}
        decoded = decoder.iter_array(file, raw=True, **options)
    number = 0
    while True:
        try:
            array, told = next(decoded)
        except StopIteration:
            return
        except MemoryError:
            raise
        except Exception as error:  # whatever pydicom or a decoder raises
            raise TranscodingError(
                f"frame {number + 1} is not decoded: {reason_of(error)}"
            ) from error
        number += 1
        yield Frame(array, module.changed(told, array))


def _encoded_frames(file: BinaryIO, module: PixelModule, data_set: Dataset) -> Iterator[bytes]:
    """Return the frames as they are stored, put together from their fragments."""
    tables = [data_set.get(f"ExtendedOffsetTable{what}") for what in ("", "Lengths")]
    has_tables = all(isinstance(one, bytes) and one for one in tables)
    return generate_frames(
        file,
        number_of_frames=module.number_of_frames,
        extended_offsets=(tables[0], tables[1]) if has_tables else None,
    )


def _decoded(
    encoded: Iterator[bytes], module: PixelModule, uid: UID
) -> Iterator[tuple[Any, dict[str, Any]]]:
    decoder = get_decoder(uid)
    options = {**module.options(), **_options(uid), "number_of_frames": 1}
    for frame in encoded:
        if uid not in _MAY_END_ANYWHERE and not frame.rstrip(b"\0").endswith(_END_OF_IMAGE):
            # The decoder of JPEG-LS makes up what is missing.
            raise ValueError("it is cut: it has no marker at its end")
        item = b"\xfe\xff\x00\xe0" + pack("<L", len(frame)) + frame
        yield decoder.as_array(_NO_OFFSETS + item, raw=uid not in JPEG_LOSSY, **options)


def _options(uid: UID) -> dict[str, Any]:
    return {"transfer_syntax_uid": uid, "pixel_keyword": "PixelData"}


def reason_of(error: Exception) -> str:
    """Return the type and the text of an error of a decoder or encoder, in one line."""
    text = " ".join(str(error).split())[:LONGEST_REASON]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
