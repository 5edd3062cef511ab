"""The values of the index: text from the bytes of an element, and the keys that are compared."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from gateway.datasets.character_sets import ESCAPE, CharacterSets, decode
from workers.archive.attributes import BY_KEYWORD, Attribute, Level, MatchingKind, of_level
from workers.archive.stored_text import LONGEST, bounded, clean, is_text, readable, unread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

TEXT_VRS = frozenset({"SH", "LO", "PN"})
"""Value representations that the Specific Character Set governs (PS3.5 6.1.2.2)."""
_US = {True: Struct("<H"), False: Struct(">H")}
_DATE = re.compile(r"(\d{4})[.-]?(\d{2})[.-]?(\d{2})")
_TIME = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?(?:\.(\d{1,6}))?")
_DATETIME = re.compile(
    r"(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?(?:\.(\d{1,6}))?([+-]\d{4})?"
)
_NUMBER = re.compile(r"[+-]?\d{1,18}")

_FIRST = ("", "01", "01", "00", "00", "00")
_LAST = ("", "12", "31", "23", "59", "59")
"""The first and the last value of the components that a partial date and time lacks."""


def text_of(attribute: Attribute, raw: bytes, sets: CharacterSets, little: bool) -> str:
    """Return a value as it is stored: text, or its bytes where they are none (`stored_text`)."""
    if attribute.vr == "US":
        return _numbers(raw, little)
    governed = attribute.vr in TEXT_VRS
    if raw.isascii() and not (governed and ESCAPE in raw):
        return clean(raw.decode("ascii"))
    if not governed or len(raw) > LONGEST * 8:
        return clean(unread(raw.rstrip(b"\0 ")))
    try:
        text = decode(raw.rstrip(b"\0 "), sets, is_name=attribute.vr == "PN")
    except UnicodeDecodeError:
        text = "\0"
    return clean(text if is_text(text) else unread(raw.rstrip(b"\0 ")))


def _numbers(raw: bytes, little: bool) -> str:
    """Return the values of a US element; nothing if their length does not fit."""
    if len(raw) % 2:
        return ""
    return bounded("\\".join(str(number) for (number,) in _US[little].iter_unpack(raw)))


def names(level: Level) -> tuple[str, ...]:
    """Return the columns for the attributes of a level."""
    return tuple(name for attribute in of_level(level) for name in _names_of(attribute))


def row(level: Level, texts: Mapping[str, str | None]) -> list[str | None]:
    """Return the values of these columns, from cleaned texts by keyword; None for no element."""
    values: list[str | None] = []
    for keyword, with_keys, nothing in _COLUMNS[level]:
        text = texts.get(keyword)
        if text is None:
            values += nothing
        elif with_keys is None:
            values.append(text)
        else:
            values += with_keys(text)
    return values


class PresentColumns(NamedTuple):
    """The columns of elements that are there, and their values."""

    names: tuple[str, ...]
    values: tuple[str | None, ...]


def present_columns(keywords: Iterable[str], texts: Mapping[str, str | None]) -> PresentColumns:
    """Return the columns for those of these attributes that are in `texts`."""
    columns: list[str] = []
    values: list[str | None] = []
    for keyword in keywords:
        if (text := texts.get(keyword)) is not None:
            attribute = BY_KEYWORD[keyword]
            with_keys = _WITH_KEYS.get(attribute.kind)
            columns += _names_of(attribute)
            values += (text,) if with_keys is None else with_keys(text)
    return PresentColumns(tuple(columns), tuple(values))


def _names_of(attribute: Attribute) -> dict[str, None]:
    return dict.fromkeys((attribute.column, *attribute.keys))


def fold(text: str) -> str:
    """Return a component group as it is compared, regardless of width and case."""
    folded = unicodedata.normalize("NFKC", readable(text)).casefold()
    return "^".join(part.strip() for part in folded.split("^")).rstrip("^ ")


def name_keys(text: str) -> tuple[str, str, str]:
    """Return the three component groups of a person name, folded (PS3.5 6.2.1.2)."""
    groups = [fold(group) for group in text.split("=")[:3]]
    first, second, third = (*groups, "", "")[:3] if len(groups) < 3 else groups
    return first, second, third


def date_key(text: str) -> str | None:
    """Return YYYYMMDD, also from the ACR-NEMA form (PS3.5 6.2); None if invalid."""
    found = _DATE.fullmatch(text)
    return "".join(found.groups()) if found else None


def _stored_date_key(text: str) -> str | None:
    """Return `date_key` of a value that can be a date: any other is in no range."""
    key = date_key(text)
    return key if key and "01" <= key[4:6] <= "12" and "01" <= key[6:] <= "31" else None


def time_key(text: str, *, fill: str = "0") -> str | None:
    """Return HHMMSS.FFFFFF; missing components are the first, or with fill 9 the last, possible."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    hour, minute, second, fraction = found.groups()
    rest = "00" if fill == "0" else "59"
    return f"{hour}{minute or rest}{second or rest}.{(fraction or '').ljust(6, fill)}"


def datetime_key(text: str, *, fill: str = "0") -> str | None:
    """Return YYYYMMDDHHMMSS.FFFFFF in UTC; one without offset is taken as UTC (PS3.5 6.2, DT)."""
    found = _DATETIME.fullmatch(text)
    if found is None:
        return None
    *parts, fraction, offset = found.groups()
    rests = _FIRST if fill == "0" else _LAST
    whole = [part or rest for part, rest in zip(parts, rests, strict=True)]
    key = "".join(whole) + "." + (fraction or "").ljust(6, fill)
    return _to_utc(key, offset) if offset else key


def _to_utc(key: str, offset: str) -> str:
    from datetime import datetime, timedelta

    minutes = int(offset[1:3]) * 60 + int(offset[3:])
    shift = timedelta(minutes=-minutes if offset[0] == "+" else minutes)
    try:
        moment = datetime.strptime(key, "%Y%m%d%H%M%S.%f") + shift
    except (ValueError, OverflowError):
        return key
    return f"{moment.year:04d}{moment:%m%d%H%M%S.%f}"


def number_key(text: str) -> str | None:
    """Return an integer without plus sign and leading zeros."""
    return str(int(text)) if _NUMBER.fullmatch(text) else text or None


_SAME = 1024
"""Cached values of each kind: most instances of a series have the same."""

_WITH_KEYS: dict[MatchingKind, Callable[[str], tuple[str | None, ...]]] = {
    MatchingKind.NAME: lru_cache(_SAME)(lambda text: (text, *name_keys(text))),
    MatchingKind.DATE: lru_cache(_SAME)(lambda text: (text, _stored_date_key(text))),
    MatchingKind.TIME: lru_cache(_SAME)(lambda text: (text, time_key(text))),
    MatchingKind.DATETIME: lru_cache(_SAME)(lambda text: (text, datetime_key(text))),
    MatchingKind.NUMBER: lru_cache(_SAME)(lambda text: (text, number_key(text))),
}


def _nothing(attribute: Attribute) -> tuple[str | None, ...]:
    """Return the columns of an absent element; an absent name is compared like an empty one."""
    if attribute.kind is MatchingKind.NAME:
        return (None, *name_keys(""))
    return (None,) * len(_names_of(attribute))


_COLUMNS = {
    level: [(a.keyword, _WITH_KEYS.get(a.kind), _nothing(a)) for a in of_level(level)]
    for level in Level
}
