"""Query keys of the command line, and matches as text (PS3.4 C.4.1).

A key is `Keyword=value`, or `Keyword` alone, which matches any value and returns it. A tag may
stand in place of the keyword: `0010,0020=...` or `00100020=...`. A path leads into a sequence:
`Sequence.Keyword=value`.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

import typer
from pydicom.datadict import dictionary_VR, keyword_dict, keyword_for_tag, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from gateway.cli.information_models import QueryLevel, Root
from gateway.datasets.validation import disable_validation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataelem import DataElement

    from gateway.cli.information_models import QueryOptions

_TAG = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?")

_PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
_STUDY = [
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "StudyID",
    "ModalitiesInStudy",
    "StudyDescription",
]
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_RETURNED: dict[QueryLevel, tuple[str, ...]] = {
    QueryLevel.PATIENT: _PATIENT,
    QueryLevel.STUDY: (*_PATIENT[:2], *_STUDY, *_UIDS[:1]),
    QueryLevel.SERIES: ("Modality", "SeriesNumber", "SeriesDescription", *_UIDS[:2]),
    QueryLevel.IMAGE: ("InstanceNumber", "SOPClassUID", *_UIDS),
}
"""Attributes that a query asks for at each level, besides the given keys."""

_REQUESTED = ["AccessionNumber", "RequestedProcedureID", "RequestedProcedureDescription"]
_STEP = "ScheduledProcedureStep"
_OF_STEP = ["Modality", "ScheduledStationAETitle"]
_OF_STEP += [f"{_STEP}{name}" for name in ("StartDate", "StartTime", "Description", "ID")]
_WORKLIST = (*_PATIENT, *_REQUESTED, *_UIDS[:1], *(f"{_STEP}Sequence.{n}" for n in _OF_STEP))


def identifier(
    keys: list[str], level: QueryLevel | None, returned: tuple[str, ...] = ()
) -> Dataset:
    """Return the identifier of a request; raises typer.BadParameter for an invalid key.

    `returned` are further attributes to ask for.
    """
    disable_validation(writing=True)
    data_set = Dataset()
    if not all(key.isascii() for key in keys):
        data_set.SpecificCharacterSet = "ISO_IR 192"
    if level is not None:
        data_set.QueryRetrieveLevel = level.upper()
    for name in returned:
        _put(data_set, name, "")
    for key in keys:
        name, _, value = key.partition("=")
        _put(data_set, name, value)
    return data_set


def find_identifier(query: QueryOptions, *, only_keys: bool = False) -> Dataset:
    """Return the identifier of a C-FIND: the given keys, and the usual attributes of its level."""
    level = None if query.root is Root.WORKLIST else query.level
    returned = () if only_keys else returned_by(query.root, query.level)
    return identifier(query.keys, level, returned)


def returned_by(root: Root, level: QueryLevel) -> tuple[str, ...]:
    """Return the attributes that a query asks for by default."""
    return _WORKLIST if root is Root.WORKLIST else _RETURNED[level]


def _put(data_set: Dataset, path: str, value: str) -> None:
    *parents, last = path.strip().split(".")
    for parent in parents:
        tag = tag_of(re.sub(r"\[0\]$", "", parent), path)
        if tag not in data_set:
            data_set.add_new(tag, "SQ", Sequence([Dataset()]))
        data_set = data_set[tag].value[0]
    tag = tag_of(last, path)
    vr = _vr(tag)
    if vr == "SQ":
        if value:
            raise _bad(path, "a sequence has no value; name an attribute in it after a dot")
        if tag not in data_set:
            data_set.add_new(tag, vr, Sequence([Dataset()]))
        return
    try:
        data_set.add_new(tag, vr, _value(vr, value))
    except Exception as error:  # pydicom raises many types
        raise _bad(path, f"{value!r} is not a valid {vr} value: {error}") from None


def _value(vr: str, text: str) -> Any:
    if not text:
        return None
    if vr in ("US", "SS", "UL", "SL", "UV", "SV"):
        return [int(part, 0) for part in text.split("\\")]
    if vr in ("FL", "FD"):
        return [float(part) for part in text.split("\\")]
    if vr == "AT":
        return [tag_of(part, part) for part in text.split("\\")]
    if vr in ("OB", "OW", "UN", "OF", "OD", "OL", "OV"):
        return text.encode()
    return text.split("\\") if "\\" in text and vr not in ("LT", "ST", "UT") else text


def _vr(tag: int) -> str:
    try:
        return dictionary_VR(tag).partition(" or ")[0]
    except KeyError:
        return "LO"


def tag_of(name: str, key: str, option: str = "-k") -> int:
    """Return the tag that a keyword or tag names; raise BadParameter about the option's `key`."""
    if match := _TAG.fullmatch(name.strip()):
        return Tag(int(match[1], 16), int(match[2], 16))
    tag = tag_for_keyword(name) if name else None
    if tag is None:
        near = difflib.get_close_matches(name, keyword_dict, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise _bad(key, f"{name!r} is not a known keyword or a tag{hint}", option)
    return tag


def _bad(key: str, why: str, option: str = "-k") -> typer.BadParameter:
    return typer.BadParameter(f"{key!r}: {why}", param_hint=option)


def plain(data_set: Dataset) -> dict[str, Any]:
    """Return a match as values that JSON can carry, by keyword or tag."""
    return {_name(element): _plain(element) for element in data_set if _is_shown(element)}


def flat(data_set: Dataset, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield a match as (name, text) pairs; an element of a sequence is named by its path."""
    for element in data_set:
        name = prefix + _name(element)
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                index = f"[{number}]" if len(element.value) > 1 else ""
                yield from flat(item, f"{name}{index}.")
        elif _is_shown(element):
            yield name, _text(element.value)


def _is_shown(element: DataElement) -> bool:
    return element.tag.group != 0x0000 and element.keyword not in (
        "SpecificCharacterSet",
        "QueryRetrieveLevel",
        "RetrieveAETitle",
    )


def _name(element: DataElement) -> str:
    known: str = keyword_for_tag(element.tag)
    return known or f"{element.tag.group:04X},{element.tag.element:04X}"


def _plain(element: DataElement) -> Any:
    value = element.value
    if element.VR == "SQ":
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, int | float):
        return value
    if not isinstance(value, str) and hasattr(value, "__iter__") and element.VM > 1:
        return [part if isinstance(part, int | float) else str(part) for part in value]
    return str(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.hex(" ")
    if not isinstance(value, str) and hasattr(value, "__iter__"):
        return "\\".join(map(str, value)) if type(value).__name__ == "MultiValue" else str(value)
    return str(value)
