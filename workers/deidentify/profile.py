"""The profile by which a data set is de-identified: options of PS3.15 E.3, and rules of a site."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workers.deidentify.action_table import BASIC_PROFILE, CLEAN_PIXELS, OPTIONS
from workers.deidentify.keyed import Pseudonyms

if TYPE_CHECKING:
    from workers.deidentify.pixel_areas import PixelRule
    from workers.deidentify.private_elements import PrivateTag


@dataclass(frozen=True, slots=True)
class Profile:
    """The Basic Application Level Confidentiality Profile with options."""

    key: bytes
    """Of UIDs, dates and patient identifiers."""
    options: frozenset[str] = frozenset()
    """Names in `OPTIONS`."""
    pixel_rules: tuple[PixelRule, ...] = ()
    burned_in: str = "refuse"
    """refuse, or keep: what happens to an instance whose pixels identify the patient (0028,0301)
    and that no rule fits."""
    words: frozenset[str] = frozenset()
    """The vocabulary of Clean Descriptors, in lower case."""
    safe_private: frozenset[PrivateTag] = frozenset()
    remove: frozenset[int] = frozenset()
    """Tags of attributes that are removed, whatever the table says."""
    pseudonyms: Pseudonyms = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pseudonyms", Pseudonyms(self.key))

    def methods(self, *, pixels_cleaned: bool) -> list[tuple[str, str]]:
        """Return code and meaning of what is done to a data set (PS3.16 CID 7050)."""
        done = self.options if pixels_cleaned else self.options - {CLEAN_PIXELS}
        return [BASIC_PROFILE, *(OPTIONS[name] for name in OPTIONS if name in done)]
