"""Clean Pixel Data (PS3.15 E.3.1): areas of the pixels are blackened, as rules of the site say.

A rule names attributes with patterns, and areas. The first one that fits an instance counts, so a
rule without areas says that nothing is burned into such an instance. Compressed pixel data is
decompressed for it. What cannot be blackened is refused: `NotCleaned`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.datasets import DatasetError
from gateway.uid import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom.dataset import Dataset

PIXELS = (("FloatPixelData", 4), ("DoubleFloatPixelData", 8), ("PixelData", 0))
"""The elements of pixel data, and the bytes of a value; 0: Bits Allocated says it."""
_LONGEST = 1024**3
"""Bytes of pixel data; more is not decompressed."""
_IN_PLACE = {"MONOCHROME1", "MONOCHROME2", "RGB", "PALETTE COLOR", "YBR_FULL"}


class NotCleaned(DatasetError):  # noqa: N818 - a refusal
    """An instance cannot be de-identified; the text has nothing of the patient."""


class PixelArea(NamedTuple):
    """A rectangle: pixels from the left and the top, and its size; 0: as far as the edge."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class PixelRule:
    """Areas to blacken in the instances whose attributes match; none: nothing is burned in."""

    match: tuple[tuple[str, str], ...]
    """Keywords with patterns; `*` and `?` stand for any characters."""
    areas: tuple[PixelArea, ...]

    def fits(self, dataset: Dataset) -> bool:
        """Return whether each attribute has a value that matches."""
        return all(_has(dataset, keyword, pattern) for keyword, pattern in self.match)


def _has(dataset: Dataset, keyword: str, pattern: str) -> bool:
    value = dataset.get(keyword)
    if value is None:
        return False
    several = value if hasattr(value, "append") else [value]
    return any(fnmatchcase(str(one).strip(), pattern) for one in several)


def rule_for(dataset: Dataset, rules: Sequence[PixelRule]) -> PixelRule | None:
    """Return the first rule that fits a data set."""
    return next((rule for rule in rules if rule.fits(dataset)), None)


def has_pixels(dataset: Dataset) -> bool:
    """Return whether there is pixel data."""
    return any(keyword in dataset for keyword, _ in PIXELS)


def blacken(dataset: Dataset, syntax: str, areas: Sequence[PixelArea]) -> str:
    """Blacken areas in all frames; return the transfer syntax, another one after decompression.

    Raises NotCleaned.
    """
    if not areas or not has_pixels(dataset):
        return syntax
    syntax = _decompressed(dataset, syntax)
    keyword, size = next((name, size) for name, size in PIXELS if name in dataset)
    layout = _PixelLayout.of(dataset, size)
    pixels = bytearray(dataset[keyword].value or b"")
    if len(pixels) < layout.frame * layout.frames:
        raise NotCleaned(f"its pixel data has {len(pixels)} bytes, and not as many as its frames")
    for area in areas:
        layout.blacken(pixels, area)
    _replace(dataset, keyword, bytes(pixels))
    return syntax


def _decompressed(dataset: Dataset, syntax: str) -> str:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID

    if syntax == EXPLICIT_VR_BIG_ENDIAN:
        raise NotCleaned("pixels in Explicit VR Big Endian are not blackened")
    if not UID(syntax).is_transfer_syntax:
        raise NotCleaned(f"the transfer syntax {syntax} is not known, so its pixels stay")
    if not UID(syntax).is_compressed or UID(syntax).is_deflated:
        return syntax
    layout = _PixelLayout.of(dataset, 0)
    if layout.frame * layout.frames > _LONGEST:
        raise NotCleaned("its pixel data is too large to be decompressed")
    meta = dataset.file_meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(syntax)
    try:
        dataset.decompress(generate_instance_uid=False)
    except Exception as error:  # whatever a decoder raises; it may be missing
        raise NotCleaned(
            f"its pixel data ({UID(syntax).name}) cannot be decompressed: {type(error).__name__}; "
            "decoders come with pip install 'dicom-gateway[transcode]'"
        ) from error
    return EXPLICIT_VR_LITTLE_ENDIAN


class _PixelLayout(NamedTuple):
    """Where the pixels of native pixel data are (PS3.5 8.1, PS3.3 C.7.6.3)."""

    rows: int
    columns: int
    frames: int
    planes: int
    """Planes of one sample; 1: the samples of a pixel stand together."""
    pixel: bytes
    """A black pixel, or a black sample of each plane."""

    @classmethod
    def of(cls, dataset: Dataset, size: int) -> _PixelLayout:
        bits, samples = _number(dataset, "BitsAllocated", 8), _number(dataset, "SamplesPerPixel", 1)
        if not size and bits not in (8, 16, 32):
            raise NotCleaned(f"pixels with {bits} bits allocated are not blackened")
        black = _black(dataset, samples)
        pixel = b"".join(
            value.to_bytes(size or bits // 8, "little", signed=False) for value in black
        )
        apart = samples > 1 and _number(dataset, "PlanarConfiguration", 0) == 1
        return cls(
            _number(dataset, "Rows", 0),
            _number(dataset, "Columns", 0),
            max(_number(dataset, "NumberOfFrames", 1), 1),
            samples if apart else 1,
            pixel,
        )

    @property
    def _in_plane(self) -> int:
        return len(self.pixel) // self.planes

    @property
    def frame(self) -> int:
        """Bytes of a frame."""
        return self.rows * self.columns * len(self.pixel)

    def blacken(self, pixels: bytearray, area: PixelArea) -> None:
        right = min(area.left + area.width, self.columns) if area.width else self.columns
        bottom = min(area.top + area.height, self.rows) if area.height else self.rows
        if area.left >= right or area.top >= bottom:
            return
        size = self._in_plane
        for frame in range(self.frames):
            for plane in range(self.planes):
                black = self.pixel[plane * size : (plane + 1) * size] * (right - area.left)
                start = frame * self.frame + plane * self.rows * self.columns * size
                for row in range(area.top, bottom):
                    at = start + (row * self.columns + area.left) * size
                    pixels[at : at + len(black)] = black


def _black(dataset: Dataset, samples: int) -> list[int]:
    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    if photometric not in _IN_PLACE:
        raise NotCleaned(f"pixels of {photometric} are not blackened")
    stored = _number(dataset, "BitsStored", 8)
    if photometric == "MONOCHROME1":
        is_signed = _number(dataset, "PixelRepresentation", 0) == 1
        return [(1 << (stored - is_signed)) - 1]
    if photometric == "YBR_FULL" and samples == 3:
        middle = 1 << (stored - 1)
        return [0, middle, middle]
    return [0] * samples


def _number(dataset: Dataset, keyword: str, otherwise: int) -> int:
    value: Any = dataset.get(keyword)
    if value is None or value == "":
        return otherwise
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if number < 0:
        raise NotCleaned(f"its {keyword} is not a number")
    return number


def clear_overlay_bits(source: Dataset, made: Dataset, syntax: str) -> None:
    """Clear the bits of pixels that hold overlays of `source` (retired, PS3.3 C.9.2.1.1).

    Raises NotCleaned.
    """
    held = [
        group
        for group in range(0x6000, 0x6100, 2)
        if (group << 16 | 0x0100) in source and (group << 16 | 0x3000) not in source
    ]
    if not held or "PixelData" not in made:
        return
    from pydicom.uid import UID

    bits, stored = _number(made, "BitsAllocated", 8), _number(made, "BitsStored", 8)
    high = _number(made, "HighBit", stored - 1)
    is_plain = not UID(syntax).is_compressed or UID(syntax).is_deflated
    is_signed = _number(made, "PixelRepresentation", 0) == 1
    if not is_plain or is_signed or syntax == EXPLICIT_VR_BIG_ENDIAN or bits not in (8, 16, 32):
        raise NotCleaned("an overlay is in the bits of its pixels, and cannot be removed there")
    mask = (((1 << stored) - 1) << max(high + 1 - stored, 0)).to_bytes(bits // 8, "little")
    pixels = bytes(made["PixelData"].value or b"")
    every = int.from_bytes(mask * (len(pixels) // len(mask) + 1), "little")
    cleared = int.from_bytes(pixels, "little") & every
    _replace(made, "PixelData", cleared.to_bytes(len(pixels), "little"))


def _replace(dataset: Dataset, keyword: str, pixels: bytes) -> None:
    from pydicom.dataelem import DataElement

    before = dataset[keyword]
    dataset[keyword] = DataElement(before.tag, before.VR, pixels)
