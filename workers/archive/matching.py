"""Attribute matching: single values, lists, wildcards and ranges as conditions (PS3.4 C.2.2.2).

A condition is data; `index.search` turns it into SQL. No part of a key becomes part of a statement.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from workers.archive import comparison_keys as keys
from workers.archive.attributes import Attribute, MatchingKind
from workers.archive.stored_text import LONGEST, bounded, spellings

_LISTED = frozenset({"UI", "CS"})
"""VRs whose keys may have more than one value: UIDs and, because many peers do it, codes."""
_DT = r"\d{4,14}(?:\.\d{1,6})?(?:[+-](?:0\d|1[0-4])\d\d)?"
_DT_RANGE = re.compile(rf"({_DT})? *- *({_DT})?")
_DT_SINGLE = re.compile(_DT)


class BadIdentifier(ValueError):  # noqa: N818 - an error of the peer, answered with A900
    """An identifier with an element that cannot be matched, or does not fit the SOP class.

    The text says why; `tag` is the element.
    """

    def __init__(self, tag: int, text: str) -> None:
        super().__init__(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {text}")
        self.tag = tag


@dataclass(frozen=True, slots=True)
class Equal:
    """One of the columns is one of the values; without values nothing matches."""

    columns: tuple[str, ...]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Like:
    """One of the columns matches a pattern: `*` is any text, `?` any character."""

    columns: tuple[str, ...]
    pattern: str


@dataclass(frozen=True, slots=True)
class Between:
    """The column is within a range, bounds included; None: no bound."""

    column: str
    low: str | None
    high: str | None


@dataclass(frozen=True, slots=True)
class Moments:
    """The columns of a date and of its time are within a range of moments, as in `Between`."""

    date: str
    time: str
    low: tuple[str, str] | None
    high: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of the conditions holds."""

    conditions: tuple[Equal | Like, ...]


@dataclass(frozen=True, slots=True)
class Empty:
    """The column has no value."""

    column: str


Condition: TypeAlias = Equal | Like | Between | Moments | AnyOf | Empty

NOTHING = Equal((), ())


def conditions(attribute: Attribute, text: str) -> tuple[Condition, ...]:
    """Return the conditions of a key; none for universal matching. Raises BadIdentifier.

    Many peers use `*` for any date or number. That is accepted, although the standard has only the
    empty value for it. For a UID it is an error, because a C-GET might retrieve everything.
    """
    text = _clean(text)
    if not text or (attribute.kind is not MatchingKind.UID and not text.strip("*")):
        return ()
    found = _BY_KIND[attribute.kind](attribute, text)
    return found if isinstance(found, tuple) else (found,)


def _clean(text: str) -> str:
    """Return a key as values are stored (`stored_text.clean`), but of any length."""
    return text.replace("\0", "").strip(" ").encode("utf-8", "replace").decode()


def _one(attribute: Attribute, text: str) -> str:
    if "\\" in text:
        raise BadIdentifier(attribute.tag, "has more than one value")
    return text


def _uids(attribute: Attribute, text: str) -> Condition:
    """Match UIDs as they are stored and told, valid or not; a wildcard is never one of them."""
    values = (uid.strip("\0").strip() for uid in text.split("\\"))
    uids = tuple(dict.fromkeys(bounded(uid) for uid in values if uid))
    if bad := next((uid for uid in uids if _is_pattern(uid)), None):
        raise BadIdentifier(attribute.tag, f"has a wildcard in a UID {bad[:16]!a}")
    return Equal(attribute.keys, uids)


def _number(attribute: Attribute, text: str) -> Condition:
    return Equal(attribute.keys, (keys.number_key(_one(attribute, text)) or "",))


def _name(attribute: Attribute, text: str) -> tuple[Condition, ...]:
    """Match one component group with any, several each with its own (PS3.5 6.2.1.2)."""
    text = _one(attribute, text)
    groups = (text if _is_pattern(text) else bounded(text)).split("=")
    if len(groups) == 1:
        return (_name_pattern(attribute.keys, keys.fold(groups[0])),)
    if len(groups) > 3:
        raise BadIdentifier(attribute.tag, "has more than three component groups")
    return tuple(
        _name_pattern((column,), keys.fold(group))
        for column, group in zip(attribute.keys, groups, strict=False)
        if group.strip("* ")
    )


def _name_pattern(columns: tuple[str, ...], text: str) -> Condition:
    """Match trailing empty components that may be left out (PS3.5 6.2.1): `doe^*` matches `doe`."""
    pattern = _pattern(columns, text)
    components = text.split("^")
    while len(components) > 1 and not components[-1].strip("*"):
        components.pop()
    short = "^".join(components)
    return AnyOf((_pattern(columns, short), pattern)) if short and short != text else pattern


def _text(attribute: Attribute, text: str) -> Condition | tuple[Condition, ...]:
    if attribute.vr not in _LISTED or "\\" not in text:
        return _joined([_pattern(attribute.keys, one) for one in spellings(_one(attribute, text))])
    values = [stripped for value in text.split("\\") if (stripped := value.strip())]
    if any(not value.strip("*") for value in values):
        return ()
    return _joined([_pattern(attribute.keys, value) for value in values])


def _joined(parts: list[Equal | Like]) -> Condition:
    """Return the condition that one of the conditions on the same columns holds."""
    values = tuple(value for part in parts if isinstance(part, Equal) for value in part.values)
    plain = [Equal(parts[0].columns, values)] if values else []
    every: list[Equal | Like] = [*plain, *(part for part in parts if isinstance(part, Like))]
    return every[0] if len(every) == 1 else AnyOf(tuple(every)) if every else NOTHING


def _is_pattern(text: str) -> bool:
    return "*" in text or "?" in text


def _pattern(columns: tuple[str, ...], text: str) -> Equal | Like:
    if not _is_pattern(text):
        return Equal(columns, (bounded(text),))
    pattern = re.sub(r"\*+", "*", text)
    # No stored value is so long, and a pattern of 10 MB must not reach the database.
    if len(pattern) - pattern.count("*") > LONGEST:
        return NOTHING
    return Like(columns, pattern)


Key: TypeAlias = Callable[[str], str | None]


def _date(attribute: Attribute, text: str) -> Between:
    return _range(attribute, text, keys.date_key, keys.date_key)


def _time(attribute: Attribute, text: str) -> Between:
    return _range(attribute, text, keys.time_key, lambda end: keys.time_key(end, fill="9"))


def _range(attribute: Attribute, text: str, first: Key, last: Key) -> Between:
    """Match one value, or a range with a hyphen and one or two bounds (PS3.4 C.2.2.2.5)."""
    text = _one(attribute, text)
    if (low := first(text)) is not None:
        return Between(attribute.keys[0], low, last(text))
    begin, hyphen, end = text.partition("-")
    bounds = first(begin.strip()), last(end.strip())
    wrong = (bounds[0] is None and begin.strip()) or (bounds[1] is None and end.strip())
    if not hyphen or wrong or bounds == (None, None):
        raise BadIdentifier(attribute.tag, f"is not a valid {attribute.vr} value or range")
    return Between(attribute.keys[0], *bounds)


def moments_between(
    date: Attribute, date_text: str, time: Attribute, time_text: str
) -> Moments | None:
    """Return a date and a time key as one range, None if they do not have the same form.

    This is combined datetime matching (PS3.4 C.2.2.2.5). An entity with a date but no time matches
    if every time of that day would. Raises BadIdentifier.
    """
    date_text, time_text = date_text.strip(" \0"), time_text.strip(" \0")
    if not date_text or not time_text or keys.date_key(date_text) or keys.time_key(time_text):
        return None
    days, times = _date(date, date_text), _time(time, time_text)
    if (days.low is None, days.high is None) != (times.low is None, times.high is None):
        return None
    low = (days.low, times.low) if days.low is not None and times.low is not None else None
    high = (days.high, times.high) if days.high is not None and times.high is not None else None
    return Moments(date.keys[0], time.keys[0], low, high)


def _datetime(attribute: Attribute, text: str) -> Condition:
    text = _one(attribute, text)
    if _DT_SINGLE.fullmatch(text):
        bounds: tuple[str | None, str | None] = (text, text)
    elif (found := _DT_RANGE.fullmatch(text)) and any(found.groups()):
        bounds = found.group(1), found.group(2)
    else:
        raise BadIdentifier(attribute.tag, "is not a valid DT value or range")
    low = keys.datetime_key(bounds[0]) if bounds[0] else None
    high = keys.datetime_key(bounds[1], fill="9") if bounds[1] else None
    return Between(attribute.keys[0], low, high)


_BY_KIND: dict[MatchingKind, Callable[[Attribute, str], Condition | tuple[Condition, ...]]] = {
    MatchingKind.UID: _uids,
    MatchingKind.NAME: _name,
    MatchingKind.DATE: _date,
    MatchingKind.TIME: _time,
    MatchingKind.DATETIME: _datetime,
    MatchingKind.NUMBER: _number,
    MatchingKind.TEXT: _text,
}
