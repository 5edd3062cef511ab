"""Whether a value in memory fulfils the condition that a key of a query is (`matching`).

The archive's index does this in SQL. Here it is done for single values, with the same keys.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from workers.archive import comparison_keys as keys
from workers.archive.attributes import MatchingKind
from workers.archive.matching import AnyOf, Between, Empty, Equal, Like
from workers.archive.stored_text import bounded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.archive.attributes import Attribute
    from workers.archive.matching import Condition

_MANY = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "PN", "SH", "TM", "UC", "UI"})
"""VRs in which a backslash separates values (PS3.5 6.2)."""


def fulfils(attribute: Attribute, text: str, condition: Condition) -> bool:
    """Return whether one of the values in an attribute's text fulfils a condition."""
    values = text.split("\\") if attribute.vr in _MANY else [text]
    return any(_holds(condition, _columns(attribute, value.strip())) for value in values)


def _columns(attribute: Attribute, text: str) -> Mapping[str, str | None]:
    """Return the columns that the index would have for a value."""
    compared: tuple[str | None, ...]
    match attribute.kind:
        case MatchingKind.NAME:
            compared = keys.name_keys(text)
        case MatchingKind.DATE:
            compared = (keys.date_key(text),)
        case MatchingKind.TIME:
            compared = (keys.time_key(text),)
        case MatchingKind.DATETIME:
            compared = (keys.datetime_key(text),)
        case MatchingKind.NUMBER:
            compared = (keys.number_key(text),)
        case _:
            compared = (bounded(text),)
    return {attribute.column: text, **dict(zip(attribute.keys, compared, strict=True))}


def _holds(condition: Condition, columns: Mapping[str, str | None]) -> bool:
    match condition:
        case Equal(names, values):
            return any((columns[name] or "") in values for name in names)
        case Like(names, pattern):
            test = _pattern(pattern)
            return any(test.fullmatch(columns[name] or "") is not None for name in names)
        case Between(name, low, high):
            value = columns[name] or ""
            return bool(value) and (low or "") <= value and (high is None or value <= high)
        case Empty(name):
            return not columns[name]
        case AnyOf(conditions):
            return any(_holds(one, columns) for one in conditions)
    raise TypeError(f"{condition!r} is of several attributes")


@lru_cache(256)
def _pattern(pattern: str) -> re.Pattern[str]:
    """Return the expression for a wildcard pattern.

    Between wildcards it takes the first place that fits and never tries another one, so its time
    does not explode for a pattern with many of them.
    """
    first, *others = pattern.split("*")
    text = _literal(first)
    if others:
        *inner, last = others
        text += "".join(f"(?>.*?{_literal(part)})" for part in inner if part)
        text += f".*{_literal(last)}"
    return re.compile(text, re.DOTALL)


def _literal(text: str) -> str:
    return "".join("." if character == "?" else re.escape(character) for character in text)
