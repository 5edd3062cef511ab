"""Paths to attributes of data sets, also in items of sequences, as settings write them.

    PatientID
    (0010,0020)
    RequestAttributesSequence[0].ScheduledProcedureStepID
    (0040,0275)[*].(0040,0009)

An item is numbered from 0, as dcmodify of DCMTK and Orthanc do it; `[*]` stands for all items that
are there. Needs pydicom's dictionary, which is loaded with the first path.
"""

from __future__ import annotations

import difflib
import re
from typing import NamedTuple

from gateway.errors import ConfigError

MOST_ITEMS = 1000
"""Items of a sequence that a path can name."""
_TAG = r"\(?[0-9A-Fa-f]{4},?[0-9A-Fa-f]{4}\)?"
_STEP = re.compile(rf"(?P<name>{_TAG}|\w*)(?P<item>\[[^]]*\])?(?P<rest>\.|$)")
_ITEM = re.compile(r"\[(\*|\d{1,3})\]")
_NO_GROUPS = frozenset({0x0000, 0x0002, 0xFFFA, 0xFFFE})
"""Groups that are not of a data set, or not for this: signatures and items."""


class PathStep(NamedTuple):
    """A sequence on the way to an attribute, and which of its items."""

    tag: int
    item: int | None
    """Its number from 0; None: all items that are there."""


class AttributePath(NamedTuple):
    """Where an attribute is in a data set."""

    tag: int
    steps: tuple[PathStep, ...] = ()
    """Sequences around it, from the outside; none: it is in the data set itself."""

    @property
    def outermost(self) -> int:
        """The tag of the element of the data set itself that it is, or is in."""
        return self.steps[0].tag if self.steps else self.tag

    def __str__(self) -> str:
        """The path with tags, as in `(0040,0275)[0].(0040,0009)`."""
        marks = ("*" if one.item is None else str(one.item) for one in self.steps)
        steps = zip(self.steps, marks, strict=True)
        return "".join(f"{shown(one.tag)}[{mark}]." for one, mark in steps) + shown(self.tag)


def parse_path(place: str, text: str) -> AttributePath:
    """Return the path that a text names; raise ConfigError, which begins with `place`."""
    steps: list[PathStep] = []
    at = 0
    while (found := _STEP.match(text, at)) is not None:
        name, item, rest = found["name"], found["item"], found["rest"]
        if not rest:
            if item is not None:
                raise ConfigError(f"{place}: {text!r} is an item: name an attribute in it")
            return AttributePath(_tag(place, name), tuple(steps))
        steps.append(_step(place, name, item))
        at = found.end()
    raise ConfigError(
        f"{place}: {text!r} is not an attribute of PS3.6, or a path to one, as "
        "RequestAttributesSequence[0].ScheduledProcedureStepID"
    )


def shown(tag: int) -> str:
    """Return a tag as PS3.6 prints it."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _step(place: str, name: str, item: str | None) -> PathStep:
    from pydicom.datadict import dictionary_has_tag, dictionary_VR

    tag = _tag(place, name)
    if not dictionary_has_tag(tag) or dictionary_VR(tag) != "SQ":
        raise ConfigError(f"{place}: {name} is not a sequence of PS3.6, and has no items")
    found = _ITEM.fullmatch(item or "")
    if found is None:
        raise ConfigError(
            f"{place}: say which item of {name}: {name}[0] is the first, {name}[*] is all, and "
            f"{name}[{MOST_ITEMS - 1}] the last that can be named"
        )
    return PathStep(tag, None if found[1] == "*" else int(found[1]))


def _tag(place: str, name: str) -> int:
    """Return the tag that a keyword or `(GGGG,EEEE)` names; raise ConfigError."""
    from pydicom.datadict import tag_for_keyword

    if re.fullmatch(_TAG, name):
        tag = int(re.sub(r"[(),]", "", name), 16)
    elif name and (known := tag_for_keyword(name)) is not None:
        tag = int(known)
    else:
        raise ConfigError(f"{place}: {name!r} is not an attribute of PS3.6{_hint(name)}")
    if tag >> 16 in _NO_GROUPS or not tag & 0xFFFF:
        raise ConfigError(f"{place}: {shown(tag)} is not an attribute of instances")
    return tag


def _hint(name: str) -> str:
    from pydicom.datadict import keyword_dict

    near = difflib.get_close_matches(name, keyword_dict, 1, 0.7)
    return f"; did you mean {near[0]}?" if near else "; write its keyword, or (GGGG,EEEE)"
