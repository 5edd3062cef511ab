"""De-identify a data set: `deidentify`.

The data set is walked once, items of sequences included, and a new one is made of what may stay.
Private and unknown elements go, then the table decides; names, dates and UIDs that it does not
list are treated as others of their kind. What cannot be made safe is refused: `NotCleaned`.

Nothing here logs, and no text of an error has a value of the data set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gateway.datasets.conversion import syntax_of
from workers.deidentify import pixel_areas
from workers.deidentify.declaration import declare
from workers.deidentify.element_walk import AttributeWalk
from workers.deidentify.pixel_areas import NotCleaned as NotCleaned

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from workers.deidentify.profile import Profile


class Deidentified(NamedTuple):
    """A de-identified data set."""

    dataset: Dataset
    transfer_syntax: str
    """Another one than before if its pixel data had to be decompressed."""


def deidentify(dataset: Dataset, profile: Profile, transfer_syntax: str = "") -> Deidentified:
    """Return a data set de-identified by a profile (PS3.15 E.2, E.3); `dataset` stays as it is.

    `transfer_syntax` is the one that it was read in; without it `file_meta` tells.

    Raises NotCleaned for one that cannot be made safe.
    """
    try:
        return _deidentified(dataset, profile, transfer_syntax or syntax_of(dataset))
    except NotCleaned:
        raise
    except Exception as error:  # whatever pydicom raises; its text may quote a value
        raise NotCleaned(f"it makes no sense to pydicom: {type(error).__name__}") from None


def _deidentified(dataset: Dataset, profile: Profile, syntax: str) -> Deidentified:
    if "EncapsulatedDocument" in dataset:
        raise NotCleaned("an encapsulated document cannot be de-identified")
    rule = pixel_areas.rule_for(dataset, profile.pixel_rules)
    burned_in = str(dataset.get("BurnedInAnnotation", "")).strip().upper() == "YES"
    if rule is None and burned_in and profile.burned_in == "refuse":
        raise NotCleaned("its Burned In Annotation (0028,0301) is YES, and no rule of pixels fits")
    made = AttributeWalk(dataset, profile).walk(dataset)
    if not made.get("SOPInstanceUID"):
        raise NotCleaned("it has no SOP Instance UID")
    implicit, little = dataset.original_encoding
    made.set_original_encoding(implicit, little, dataset.original_character_set)
    pixel_areas.clear_overlay_bits(dataset, made, syntax)
    if rule is not None:
        syntax = pixel_areas.blacken(made, syntax, rule.areas)
        made.BurnedInAnnotation = "NO"
    declare(made, profile, pixels_cleaned=rule is not None)
    return Deidentified(made, syntax)
