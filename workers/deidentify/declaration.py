"""What a de-identified data set says of itself (PS3.15 E.1.1, PS3.3 C.7.1.1, C.12.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom.dataset import Dataset

from workers.deidentify.action_table import EDITION, FULL_DATES, MODIFIED_DATES

if TYPE_CHECKING:
    from workers.deidentify.profile import Profile

OWN = frozenset({0x00120062, 0x00120063, 0x00120064, 0x00280303})
"""The attributes that are made here; those of an earlier de-identification are not taken over."""
_LONGEST = 64
"""Characters of an LO value."""


def declare(made: Dataset, profile: Profile, *, pixels_cleaned: bool) -> None:
    """Add Patient Identity Removed, the methods with their codes, and what became of dates."""
    methods = profile.methods(pixels_cleaned=pixels_cleaned)
    made.PatientIdentityRemoved = "YES"
    made.DeidentificationMethod = [
        f"dicom-gateway, PS3.15 {EDITION} Table E.1-1",
        *(meaning[:_LONGEST] for _, meaning in methods),
    ]
    made.DeidentificationMethodCodeSequence = [_code(*method) for method in methods]
    made.LongitudinalTemporalInformationModified = (
        "UNMODIFIED"
        if FULL_DATES in profile.options
        else "MODIFIED"
        if MODIFIED_DATES in profile.options
        else "REMOVED"
    )


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = value, "DCM"
    code.CodeMeaning = meaning[:_LONGEST]
    return code
