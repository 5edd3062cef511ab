"""The options of `[workers.deidentify]`, checked, and the profile that they state."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydicom.datadict import tag_for_keyword

from gateway.sdk import ConfigError
from workers.archive.worker_options import options_of
from workers.deidentify.action_table import (
    CLEAN_CONTENT,
    CLEAN_DESCRIPTORS,
    CLEAN_GRAPHICS,
    CLEAN_PIXELS,
    FULL_DATES,
    MODIFIED_DATES,
    NOT_DONE,
    OPTIONS,
    RETAIN_PATIENT,
    SAFE_PRIVATE,
)
from workers.deidentify.clean_text import standard_words, words_in
from workers.deidentify.key_files import read_key
from workers.deidentify.pixel_areas import PixelArea, PixelRule
from workers.deidentify.private_elements import KNOWN_SAFE, PrivateTag
from workers.deidentify.profile import Profile

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

BURNED_IN = ("refuse", "keep")
_LARGEST = 65_535
"""The most rows or columns of an image."""
_USING_WORDS = frozenset({CLEAN_DESCRIPTORS, CLEAN_CONTENT, CLEAN_GRAPHICS, RETAIN_PATIENT})
"""Options that clean texts."""
_TEXT_LISTS = ("profile", "safe_private", "remove")


@dataclass(frozen=True, slots=True)
class DeidentifyOptions:
    """The options of `[workers.deidentify]`."""

    key_file: str = ""
    """The file with the key of UIDs, dates and patient identifiers; mode 0600."""
    profile: tuple[str, ...] = ()
    """Options of the profile, as "clean_descriptors"; none: the basic profile."""
    pixels: tuple[dict[str, Any], ...] = ()
    """Rules of clean_pixels: tables with `match` and `areas`."""
    burned_in: str = "refuse"
    """refuse, or keep: an instance whose Burned In Annotation is YES, and that no rule fits."""
    words_file: str = ""
    """Further words that clean_descriptors keeps."""
    safe_private: tuple[str, ...] = ()
    """Further private elements of retain_safe_private, as "0019,SIEMENS MR HEADER,0C"."""
    remove: tuple[str, ...] = ()
    """Keywords of attributes that are removed besides."""


def check_options(options: Mapping[str, Any], _destinations: Collection[str]) -> None:
    """Raise ConfigError for an option that is wrong."""
    profile_of(options)


def profile_of(options: Mapping[str, Any]) -> Profile:
    """Return the profile that options state, with the key read; raises ConfigError."""
    given = options_of(DeidentifyOptions, options, "deidentify")
    for name in _TEXT_LISTS:
        if wrong := [one for one in getattr(given, name) if not isinstance(one, str)]:
            raise ConfigError(f"deidentify: {name}: {wrong[0]!r}: it must be a text")
    chosen = _chosen(given.profile)
    _check_needed(given, chosen)
    words = frozenset[str]() if _USING_WORDS.isdisjoint(chosen) else standard_words()
    if given.words_file:
        words |= words_in(given.words_file)
    if not given.key_file:
        raise ConfigError("deidentify: key_file is missing: the path of a file with a secret key")
    return Profile(
        read_key(given.key_file),
        chosen,
        tuple(_rule(number, table) for number, table in enumerate(given.pixels, 1)),
        given.burned_in,
        words,
        KNOWN_SAFE | {PrivateTag.of(text) for text in given.safe_private},
        frozenset(_tag(f"remove: {keyword!r}", keyword) for keyword in given.remove),
    )


def _chosen(names: Collection[str]) -> frozenset[str]:
    for name in names:
        if name in NOT_DONE:
            raise ConfigError(f"deidentify: profile: {name} is not possible: {NOT_DONE[name]}")
        if name not in OPTIONS:
            raise ConfigError(
                f"deidentify: profile: there is no option {name!r}; {_known(name, OPTIONS)}"
            )
    if FULL_DATES in names and MODIFIED_DATES in names:
        raise ConfigError(
            f"deidentify: profile: {FULL_DATES} and {MODIFIED_DATES} exclude each other"
        )
    return frozenset(names)


def _check_needed(given: DeidentifyOptions, chosen: Collection[str]) -> None:
    """Raise ConfigError for what has no effect, or for want of something."""
    if given.burned_in not in BURNED_IN:
        raise ConfigError(
            f"deidentify: burned_in = {given.burned_in!r}: it must be {' or '.join(BURNED_IN)}"
        )
    for name, options in (
        ("pixels", {CLEAN_PIXELS}),
        ("words_file", _USING_WORDS),
        ("safe_private", {SAFE_PRIVATE}),
    ):
        if getattr(given, name) and options.isdisjoint(chosen):
            wanted = " or ".join(f'"{one}"' for one in OPTIONS if one in options)
            raise ConfigError(f"deidentify: {name} has no effect without {wanted} in profile")
    if CLEAN_PIXELS in chosen and not given.pixels:
        raise ConfigError(f"deidentify: profile: {CLEAN_PIXELS} needs rules: [[...pixels]]")


def _rule(number: int, table: Any) -> PixelRule:
    place = f"deidentify: pixels[{number}]"
    if not isinstance(table, dict):
        raise ConfigError(f"{place} must be a table with match and areas")
    for name in table:
        if name not in ("match", "areas"):
            raise ConfigError(f"{place}: there is no {name!r}; known: match, areas")
    match, areas = table.get("match"), table.get("areas")
    if not isinstance(match, dict) or not match:
        raise ConfigError(
            f'{place}.match must be a table of attributes with patterns, as {{Modality = "US"}}'
        )
    for keyword, pattern in match.items():
        _tag(f"{place[12:]}.match: {keyword!r}", keyword)
        if not isinstance(pattern, str | int) or isinstance(pattern, bool):
            raise ConfigError(f"{place}.match.{keyword} = {pattern!r}: it must be a text")
    if not isinstance(areas, list):
        raise ConfigError(
            f"{place}.areas must be a list of [left, top, width, height]; []: nothing is burned in"
        )
    pairs = tuple((keyword, str(pattern)) for keyword, pattern in match.items())
    return PixelRule(pairs, tuple(_area(place, area) for area in areas))


def _area(place: str, area: Any) -> PixelArea:
    is_right = (
        isinstance(area, list)
        and len(area) == len(PixelArea._fields)
        and all(type(one) is int and 0 <= one <= _LARGEST for one in area)
    )
    if not is_right:
        raise ConfigError(
            f"{place}.areas: {area!r} must be [left, top, width, height], four whole numbers from "
            f"0 to {_LARGEST}; a width or height of 0 is as far as the edge"
        )
    return PixelArea(*area)


def _tag(place: str, keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    if tag is None:
        from pydicom.datadict import keyword_dict

        raise ConfigError(
            f"deidentify: {place} is not the keyword of an attribute; "
            f"{_known(keyword, keyword_dict)}"
        )
    return int(tag)


def _known(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, 1, 0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"known: {', '.join(known)}" if len(known) < 50 else "as PatientName"
