"""Table E.1-1 of PS3.15, and which of its actions applies to an attribute.

`action_table.tsv` has a line for each attribute: tag, keyword, action of the basic profile, and the
options of the profile that replace it by K or C. Where several options do, K counts: the site has
asked for it.
"""

from __future__ import annotations

import pkgutil
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

EDITION = "2026c"
"""The edition of the standard that the table is from."""

RETAIN_UIDS = "retain_uids"
RETAIN_DEVICE = "retain_device_identity"
RETAIN_INSTITUTION = "retain_institution_identity"
RETAIN_PATIENT = "retain_patient_characteristics"
FULL_DATES = "retain_full_dates"
MODIFIED_DATES = "retain_modified_dates"
CLEAN_DESCRIPTORS = "clean_descriptors"
CLEAN_CONTENT = "clean_structured_content"
CLEAN_GRAPHICS = "clean_graphics"
CLEAN_PIXELS = "clean_pixels"
SAFE_PRIVATE = "retain_safe_private"
OPTIONS: Mapping[str, tuple[str, str]] = {
    CLEAN_PIXELS: ("113101", "Clean Pixel Data Option"),
    CLEAN_GRAPHICS: ("113103", "Clean Graphics Option"),
    CLEAN_CONTENT: ("113104", "Clean Structured Content Option"),
    CLEAN_DESCRIPTORS: ("113105", "Clean Descriptors Option"),
    FULL_DATES: ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    MODIFIED_DATES: ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    RETAIN_PATIENT: ("113108", "Retain Patient Characteristics Option"),
    RETAIN_DEVICE: ("113109", "Retain Device Identity Option"),
    RETAIN_UIDS: ("113110", "Retain UIDs Option"),
    SAFE_PRIVATE: ("113111", "Retain Safe Private Option"),
    RETAIN_INSTITUTION: ("113112", "Retain Institution Identity Option"),
}
"""The options of the profile with their codes (PS3.16 CID 7050)."""
NOT_DONE: Mapping[str, str] = {
    "clean_recognizable_visual_features": (
        "that nobody is recognizable in pixels cannot be told from attributes (PS3.15 E.3.2); "
        "areas that are always at the same place are for clean_pixels"
    ),
}
"""Options of the profile that are not done, with the reason (113102 of CID 7050)."""
BASIC_PROFILE = ("113100", "Basic Application Confidentiality Profile")


class AttributeAction(Enum):
    """What becomes of an attribute (PS3.15 Table E.1-1a), once that is decided."""

    REMOVE = "X"
    EMPTY = "Z"
    DUMMY = "D"
    KEEP = "K"
    """As it is; items of a sequence are de-identified."""
    CLEAN = "C"
    UID = "U"


class ActionRow(NamedTuple):
    """A line of the table."""

    tag: str
    """Eight hexadecimal digits; X stands for any."""
    keyword: str
    basic: str
    """The action of the basic profile: X, Z, D, U, K, C or several, such as X/Z/D."""
    options: tuple[tuple[str, str], ...]
    """Options of the profile, each with the action that it has in place of it."""

    def action(self, options: Collection[str]) -> str:
        """Return the action with these options of the profile."""
        asked = {action for option, action in self.options if option in options}
        return "K" if "K" in asked else "C" if "C" in asked else self.basic


@cache
def action_rows() -> dict[int, ActionRow]:
    """Return the lines of single attributes by their tag."""
    return {int(row.tag, 16): row for row in all_rows() if "X" not in row.tag}


@cache
def all_rows() -> tuple[ActionRow, ...]:
    """Return all lines, in the order of the tags."""
    text = pkgutil.get_data("workers.deidentify", "action_table.tsv")
    assert text is not None
    lines = [line.split("\t") for line in text.decode().splitlines() if line[:1] != "#"]
    return tuple(
        ActionRow(tag, keyword, basic, tuple(_pair(one) for one in options.split()))
        for tag, keyword, basic, options in lines
    )


def _pair(text: str) -> tuple[str, str]:
    option, _, action = text.partition("=")
    return option, action
