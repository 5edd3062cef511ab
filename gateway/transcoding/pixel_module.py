"""What a data set says of its pixel data (PS3.3 C.7.6.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gateway.datasets.errors import TranscodingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydicom.dataset import Dataset

_NUMBERS = {
    "Rows": (1, 65_535),
    "Columns": (1, 65_535),
    "SamplesPerPixel": (1, 4),
    "BitsAllocated": (1, 64),
    "BitsStored": (1, 64),
    "PixelRepresentation": (0, 1),
}


@dataclass(frozen=True, slots=True)
class PixelModule:
    """The attributes that describe frames, as pydicom's decoders and encoders name them."""

    rows: int
    columns: int
    samples_per_pixel: int
    bits_allocated: int
    bits_stored: int
    pixel_representation: int
    photometric_interpretation: str
    planar_configuration: int
    number_of_frames: int

    @classmethod
    def of(cls, data_set: Dataset) -> PixelModule:
        """Return what a data set says; raise TranscodingError if a decoder could not use it."""
        rows, columns, samples, allocated, stored, signed = (
            _number(data_set, name, *limits) for name, limits in _NUMBERS.items()
        )
        if samples not in (1, 3) or stored > allocated:
            raise TranscodingError(
                f"{samples} samples of {stored} in {allocated} bits are not transcoded"
            )
        return cls(
            *(rows, columns, samples, allocated, stored, signed),
            _text(data_set, "PhotometricInterpretation"),
            _number(data_set, "PlanarConfiguration", 0, 1, 0) if samples > 1 else 0,
            _number(data_set, "NumberOfFrames", 0, 1 << 31, 1) or 1,
        )

    @property
    def frame_bits(self) -> int:
        """The bits of a frame that is not compressed."""
        samples = 2 if self.is_subsampled else self.samples_per_pixel
        return self.rows * self.columns * samples * self.bits_allocated

    @property
    def is_subsampled(self) -> bool:
        """Whether uncompressed pixels share their chrominance by two (PS3.3 C.7.6.3.1.2)."""
        return self.photometric_interpretation == "YBR_FULL_422"

    def check_size(self, largest: int, largest_frame: int) -> None:
        """Raise TranscodingError if the pixel data would be larger than permitted."""
        size = max(8, self.bits_allocated) // 8
        frame = self.rows * self.columns * self.samples_per_pixel * size
        what = f"{self.rows} x {self.columns} pixels"
        if frame > largest_frame:
            raise TranscodingError(
                f"a frame of {what} has {frame} bytes, more than the {largest_frame} that are "
                "transcoded"
            )
        if frame * self.number_of_frames > largest:
            raise TranscodingError(
                f"{self.number_of_frames} frames of {what} have more than the {largest} bytes "
                "that are transcoded"
            )

    def check_length(self, length: int) -> None:
        """Raise TranscodingError if uncompressed pixel data has not so many frames.

        What follows the last frame is padding, and is left out.
        """
        expected = (self.frame_bits * self.number_of_frames + 7) // 8
        if not expected <= length <= expected + self.frame_bits // 8:
            raise TranscodingError(f"its pixel data has {length} bytes, not {expected}")

    def options(self) -> dict[str, Any]:
        """Return the options of a decoder or encoder."""
        options: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        if self.samples_per_pixel == 1:
            del options["planar_configuration"]
        return options

    def changed(self, told: Mapping[str, Any], array: Any) -> PixelModule:
        """Return what describes a decoded frame: what a decoder told, by pixel, in whole bytes."""
        allocated = array.dtype.itemsize * 8
        return replace(
            self,
            bits_allocated=allocated,
            bits_stored=min(int(told.get("bits_stored", self.bits_stored)), allocated),
            photometric_interpretation=str(told["photometric_interpretation"]),
            planar_configuration=0,
        )

    def write_to(self, data_set: Dataset) -> None:
        """Write what may have changed."""
        if self.samples_per_pixel > 1:
            data_set.PlanarConfiguration = 0
        if data_set.get("PhotometricInterpretation") != self.photometric_interpretation:
            data_set.PhotometricInterpretation = self.photometric_interpretation
        if data_set.BitsAllocated != self.bits_allocated:
            data_set.BitsAllocated = self.bits_allocated
        if data_set.BitsStored != self.bits_stored:
            data_set.BitsStored = self.bits_stored
            data_set.HighBit = self.bits_stored - 1


def _number(data_set: Dataset, name: str, least: int, most: int, default: int | None = None) -> int:
    try:
        value = data_set.get(name)
        number = default if value is None or value == "" else int(value)
    except (TypeError, ValueError, AttributeError, OverflowError):
        raise TranscodingError(f"{name} is not a number") from None
    except Exception as error:  # whatever pydicom raises for a value
        raise TranscodingError(f"{name} cannot be read: {type(error).__name__}") from None
    if number is None:
        raise TranscodingError(f"{name} is missing")
    if not least <= number <= most:
        raise TranscodingError(f"{name} is {number}, not {least} to {most}")
    return number


def _text(data_set: Dataset, name: str) -> str:
    value = data_set.get(name)
    if not isinstance(value, str) or not value:
        raise TranscodingError(f"{name} is missing")
    return value
