"""The rules of `[[coerce.rules]]`: what is set, removed or filled in of instances that arrive.

`compile_rules` names what cannot be meant: an attribute that is not in the data dictionary, a value
that its VR does not allow, a rule that does nothing. It needs pydicom's dictionary, which is loaded
only if there are rules. Attributes are named by the paths of `attribute_paths`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from gateway.attribute_paths import AttributePath, parse_path, shown
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gateway.worker_settings import CoerceRule, CoerceSettings

Value: TypeAlias = "str | int | float | list[str] | list[int] | list[float]"

_TEXTS = frozenset("AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())  # noqa: SIM905
_NUMBERS = {"US": (0, 0xFFFF), "SS": (-0x8000, 0x7FFF), "UL": (0, 0xFFFFFFFF)} | {
    "SL": (-0x80000000, 0x7FFFFFFF),
    "FL": (float("-inf"), float("inf")),
    "FD": (float("-inf"), float("inf")),
}
_SINGLE = frozenset({"LT", "ST", "UR", "UT"})
"""VRs whose values may have backslashes in them."""
_ORIGINAL_ATTRIBUTES = 0x04000561
_FIXED_ANYWHERE = {
    0x00080005: "it says how texts are encoded",
    0x7FE00008: "pixel data are not coerced",
    0x7FE00009: "pixel data are not coerced",
    0x7FE00010: "pixel data are not coerced",
}
_FIXED = _FIXED_ANYWHERE | {
    0x00080016: "an instance keeps its SOP class",
    0x00080018: "it is what tells instances apart",
    0x0020000D: "it is what tells studies apart",
    0x0020000E: "it is what tells series apart",
}
"""Attributes that an instance keeps as they are; the last four only in the data set itself."""


class CoercedElement(NamedTuple):
    """An element that is to have a value."""

    path: AttributePath
    vr: str
    value: Value


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule, with tags and values as they go into data sets."""

    calling: tuple[str, ...]
    called: tuple[str, ...]
    removed: tuple[AttributePath, ...]
    set: tuple[CoercedElement, ...]
    default: tuple[CoercedElement, ...]
    source: str = ""
    """Source of Previous Values; empty: the calling AE title."""
    reason: str = "COERCE"
    """Reason for the Attribute Modification."""

    def holds_for(self, calling: str, called: str) -> bool:
        """Return whether the rule is for an association between these AE titles."""
        return _is_among(calling, self.calling) and _is_among(called, self.called)


def compile_rules(rules: Sequence[CoerceRule]) -> tuple[CompiledRule, ...]:
    """Return the rules as they are applied; raise ConfigError, which names the wrong one."""
    return tuple(_compiled(number, rule) for number, rule in enumerate(rules, 1))


def check_coercion(settings: CoerceSettings) -> None:
    """Raise ConfigError for rules that cannot be meant, alone or with the settings beside them."""
    for number, rule in enumerate(compile_rules(settings.rules), 1):
        if settings.original_attributes and AttributePath(_ORIGINAL_ATTRIBUTES) in rule.removed:
            raise ConfigError(
                f"coerce.rules[{number}].remove: Original Attributes Sequence (0400,0561) stays "
                "with coerce.original_attributes, which adds to it (PS3.3 C.12.1.1.9)"
            )


def _is_among(title: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(title, pattern) for pattern in patterns)


def _compiled(number: int, rule: CoerceRule) -> CompiledRule:
    place = f"coerce.rules[{number}]"
    if not (rule.set or rule.default or rule.remove):
        raise ConfigError(f"{place} does nothing: give it set, default or remove")
    removed = tuple(_path(f"{place}.remove", name) for name in rule.remove)
    assigned = tuple(_elements(f"{place}.set", rule.set))
    default = tuple(_elements(f"{place}.default", rule.default))
    seen: set[AttributePath] = set()
    for path in (*removed, *(one.path for one in (*assigned, *default))):
        if path in seen:
            raise ConfigError(f"{place} has {path} twice: in set, default or remove")
        seen.add(path)
    peers = tuple(rule.calling), tuple(rule.called)
    return CompiledRule(*peers, removed, assigned, default, rule.source, rule.reason)


def _elements(place: str, values: Mapping[str, Any]) -> Iterator[CoercedElement]:
    from pydicom.datadict import dictionary_VM, dictionary_VR

    for name, value in values.items():
        path = _path(place, name)
        if path.outermost == _ORIGINAL_ATTRIBUTES:
            raise ConfigError(f"{place}: {name}: it says what was there before")
        tag, at = path.tag, f"{place}.{name}"
        try:
            vr, vm = dictionary_VR(tag), dictionary_VM(tag)
        except KeyError:
            raise ConfigError(f"{at}: it has no VR in the data dictionary of PS3.6") from None
        items = list(value) if isinstance(value, list | tuple) else [value]
        if len(items) != 1 and vm == "1":
            raise ConfigError(f"{at} = {value!r}: it has one value (PS3.6)")
        checked = [_checked(at, vr, one) for one in items]
        yield CoercedElement(path, vr, checked if len(checked) != 1 else checked[0])


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
        raise ConfigError(f"{at}: a value of VR {vr} cannot be written here{_advice(vr, value)}")
    if vr in ("DS", "IS") and isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ConfigError(f"{at} = {value!r}: it must be a text")
    if "\\" in value and vr not in _SINGLE:
        raise ConfigError(f"{at} = {value!r}: write several values as a list")
    if wrong := _violation(vr, value):
        raise ConfigError(f"{at} = {value!r}: {wrong} (PS3.5 6.2)")
    return value


def _advice(vr: str, value: Any) -> str:
    if isinstance(value, dict):
        return "; write the path to an attribute in quotation marks"
    return "; name an attribute in an item of it" if vr == "SQ" else ""


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


def _path(place: str, text: str) -> AttributePath:
    """Return the path of an attribute that may be coerced; raise ConfigError."""
    from pydicom.datadict import dictionary_description

    path = parse_path(place, text)
    fixed = _FIXED_ANYWHERE if path.steps else _FIXED
    if path.tag in fixed:
        what = f"{dictionary_description(path.tag)} {shown(path.tag)}"
        raise ConfigError(f"{place}: {what} cannot be coerced: {fixed[path.tag]}")
    return path
