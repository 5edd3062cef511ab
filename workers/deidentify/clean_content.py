"""Clean Structured Content and Clean Graphics (PS3.15 E.3.3, E.3.4): what the table does not say.

The items of Content Sequence, Graphic Annotation Sequence and the like stay, and each element in
them is treated by the table. Their texts are cleaned as descriptors are, but never left out: a
reference by position (PS3.3 C.17.3.2.5) would then lead to another item. Of overlays stay those
that are regions of interest; others may have text in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

CONTENT_TEXTS = frozenset({0x0040A160, 0x00700006})
"""Text Value, Unformatted Text Value."""
_BIRTH_DATE = "121031"
"""The concept name Subject Birth Date of DCM (PS3.16), whose date is removed in any case."""
_DATES = (0x0040A121, 0x0040A120)
_OVERLAY_TEXTS = frozenset({0x0022, 0x1500, 0x4000})
"""Elements of overlays that are texts: description, label, comments."""


def remove_birth_date(source: Dataset, made: Dataset) -> None:
    """Replace the date of a content item that is a date of birth; `source` is the item before."""
    names = source.get("ConceptNameCodeSequence") or ()
    if any(name.get("CodeValue") == _BIRTH_DATE for name in names):
        for tag in _DATES:
            if tag in made:
                made[tag].value = "19000101"


def overlays_to_keep(dataset: Dataset) -> frozenset[int]:
    """Return the groups of overlays that Clean Graphics keeps: regions of interest (C.9.2)."""
    return frozenset(
        group
        for group in range(0x6000, 0x6100, 2)
        if (group << 16 | 0x3000) in dataset
        and (group << 16 | 0x0040) in dataset
        and dataset[group << 16 | 0x0040].value == "R"
    )


def is_overlay_text(tag: int) -> bool:
    """Return whether an element of an overlay is a text."""
    return tag & 0xFFFF in _OVERLAY_TEXTS
