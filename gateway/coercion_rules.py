"""The rules of `[[coerce.rules]]`: what is set, removed or filled in of instances that arrive.

`compile_rules` names what cannot be meant: an attribute that is not in the data dictionary, a value
that its VR does not allow, a rule that does nothing. It needs pydicom's dictionary, which is loaded
only if there are rules.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from gateway.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gateway.worker_settings import CoerceRule

Value: TypeAlias = "str | int | float | list[str] | list[int] | list[float]"

_TAG = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?")
_TEXTS = frozenset("AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())  # noqa: SIM905
_NUMBERS = {"US": (0, 0xFFFF), "SS": (-0x8000, 0x7FFF), "UL": (0, 0xFFFFFFFF)} | {
    "SL": (-0x80000000, 0x7FFFFFFF),
    "FL": (float("-inf"), float("inf")),
    "FD": (float("-inf"), float("inf")),
}
_SINGLE = frozenset({"LT", "ST", "UR", "UT"})
"""VRs whose values may have backslashes in them."""
_FIXED = {
    0x00080005: "it says how texts are encoded",
    0x00080016: "an instance keeps its SOP class",
    0x00080018: "it is what tells instances apart",
    0x0020000D: "it is what tells studies apart",
    0x0020000E: "it is what tells series apart",
    0x7FE00008: "pixel data are not coerced",
    0x7FE00009: "pixel data are not coerced",
    0x7FE00010: "pixel data are not coerced",
}
_NO_GROUPS = frozenset({0x0000, 0x0002, 0xFFFA, 0xFFFE})
"""Groups that are not of a data set, or not for this: signatures and items."""


class CoercedElement(NamedTuple):
    """An element that is to have a value."""

    tag: int
    vr: str
    value: Value


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule, with tags and values as they go into data sets."""

    calling: tuple[str, ...]
    called: tuple[str, ...]
    removed: tuple[int, ...]
    set: tuple[CoercedElement, ...]
    default: tuple[CoercedElement, ...]

    def holds_for(self, calling: str, called: str) -> bool:
        """Return whether the rule is for an association between these AE titles."""
        return _is_among(calling, self.calling) and _is_among(called, self.called)


def compile_rules(rules: Sequence[CoerceRule]) -> tuple[CompiledRule, ...]:
    """Return the rules as they are applied; raise ConfigError, which names the wrong one."""
    return tuple(_compiled(number, rule) for number, rule in enumerate(rules, 1))


def _is_among(title: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(title, pattern) for pattern in patterns)


def _compiled(number: int, rule: CoerceRule) -> CompiledRule:
    place = f"coerce.rules[{number}]"
    if not (rule.set or rule.default or rule.remove):
        raise ConfigError(f"{place} does nothing: give it set, default or remove")
    removed = tuple(_tag(f"{place}.remove", name) for name in rule.remove)
    assigned = tuple(_elements(f"{place}.set", rule.set))
    default = tuple(_elements(f"{place}.default", rule.default))
    seen: set[int] = set()
    for tag in (*removed, *(one.tag for one in (*assigned, *default))):
        if tag in seen:
            raise ConfigError(f"{place} has {_shown(tag)} twice: in set, default or remove")
        seen.add(tag)
    return CompiledRule(tuple(rule.calling), tuple(rule.called), removed, assigned, default)


def _elements(place: str, values: Mapping[str, Any]) -> Iterator[CoercedElement]:
    from pydicom.datadict import dictionary_VM, dictionary_VR

    for name, value in values.items():
        tag = _tag(place, name)
        at = f"{place}.{name}"
        try:
            vr, vm = dictionary_VR(tag), dictionary_VM(tag)
        except KeyError:
            raise ConfigError(f"{at}: it has no VR in the data dictionary of PS3.6") from None
        items = list(value) if isinstance(value, list | tuple) else [value]
        if len(items) != 1 and vm == "1":
            raise ConfigError(f"{at} = {value!r}: it has one value (PS3.6)")
        checked = [_checked(at, vr, one) for one in items]
        yield CoercedElement(tag, vr, checked if len(checked) != 1 else checked[0])


def _checked(at: str, vr: str, value: Any) -> Any:
    """Return a value as its VR has it; raise ConfigError for one that it does not allow."""
    if vr in _NUMBERS:
        low, high = _NUMBERS[vr]
        is_whole = vr not in ("FL", "FD")
        fits = isinstance(value, int if is_whole else int | float) and not isinstance(value, bool)
        if not fits or not low <= value <= high:
            raise ConfigError(f"{at} = {value!r}: it is not a number of VR {vr} (PS3.5 6.2)")
        return value
    if vr not in _TEXTS:
        raise ConfigError(f"{at}: a value of VR {vr} cannot be written here")
    if vr in ("DS", "IS") and isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ConfigError(f"{at} = {value!r}: it must be a text")
    if "\\" in value and vr not in _SINGLE:
        raise ConfigError(f"{at} = {value!r}: write several values as a list")
    if wrong := _violation(vr, value):
        raise ConfigError(f"{at} = {value!r}: {wrong} (PS3.5 6.2)")
    return value


def _violation(vr: str, value: str) -> str:
    """Return why a VR does not allow a text; empty: it does."""
    from pydicom.config import RAISE
    from pydicom.valuerep import validate_value

    if any(ord(one) < 0x20 and one not in ("\t\n\f\r" if vr in _SINGLE else "") for one in value):
        return "it has a control character"
    try:
        validate_value(vr, value, RAISE)
    except ValueError as error:
        return str(error).partition("Please see")[0].strip().rstrip(".")
    return ""


def _tag(place: str, name: str) -> int:
    """Return the tag that a keyword or `(GGGG,EEEE)` names; raise ConfigError."""
    from pydicom.datadict import dictionary_description, tag_for_keyword

    if (found := _TAG.fullmatch(name)) is not None:
        tag = int(found[1] + found[2], 16)
    elif name and (known := tag_for_keyword(name)) is not None:
        tag = int(known)
    else:
        raise ConfigError(f"{place}: {name!r} is not an attribute of PS3.6{_hint(name)}")
    if tag >> 16 in _NO_GROUPS or not tag & 0xFFFF:
        raise ConfigError(f"{place}: {_shown(tag)} is not an attribute of instances")
    if tag in _FIXED:
        what = f"{dictionary_description(tag)} {_shown(tag)}"
        raise ConfigError(f"{place}: {what} cannot be coerced: {_FIXED[tag]}")
    return tag


def _hint(name: str) -> str:
    from pydicom.datadict import keyword_dict

    near = difflib.get_close_matches(name, keyword_dict, 1, 0.7)
    return f"; did you mean {near[0]}?" if near else "; write its keyword, or (GGGG,EEEE)"


def _shown(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
