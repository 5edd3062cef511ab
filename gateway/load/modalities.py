"""Typical instances and studies of each modality that can be generated."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.uid import KEYWORDS


@dataclass(frozen=True, slots=True)
class Modality:
    """One kind of generated instance."""

    code: str
    """Modality (0008,0060)."""
    sop_class_uid: str
    description: str
    rows: int
    columns: int
    bits: int
    """Bits allocated."""
    samples: int
    """3: colour."""
    series: int
    """Series in a study."""
    instances: int
    """Instances in a series."""

    @property
    def pixel_bytes(self) -> int:
        return self.rows * self.columns * self.samples * self.bits // 8


def _modality(code: str, keyword: str, description: str, *rest: int) -> Modality:
    return Modality(code, KEYWORDS[keyword], description, *rest)


_DX = "DigitalXRayImageStorageForPresentation"
_MG = "DigitalMammographyXRayImageStorageForPresentation"

MODALITIES = {
    "ct": _modality("CT", "CTImageStorage", "CT thorax", 512, 512, 16, 1, 3, 40),
    "mr": _modality("MR", "MRImageStorage", "MR head", 256, 256, 16, 1, 6, 25),
    "us": _modality("US", "UltrasoundImageStorage", "US abdomen", 480, 640, 8, 3, 1, 10),
    "cr": _modality("CR", "ComputedRadiographyImageStorage", "CR chest", 2010, 1670, 16, 1, 1, 2),
    "dx": _modality("DX", _DX, "DX chest", 2800, 2300, 16, 1, 1, 2),
    "mg": _modality("MG", _MG, "MG screening", 4096, 3328, 16, 1, 1, 4),
}
"""By the names that `--mix` knows."""
