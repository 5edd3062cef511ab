"""From a row of a database to a worklist item: which attribute each column is, and its value.

A column has the name of its attribute in small letters, `patient_name` for PatientName, or the
configuration says which attribute it is: a keyword or eight hexadecimal digits, with a dot after
each sequence, as `RequestedProcedureCodeSequence.CodeValue`. Attributes of a scheduled procedure
step go into its sequence by themselves. Each row is one scheduled procedure step.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time
from functools import cache
from typing import TYPE_CHECKING, Any

from pydicom.datadict import dictionary_has_tag, dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset

from gateway.sdk import ConfigError
from workers.archive import comparison_keys
from workers.archive.attributes import attribute_of
from workers.worklist.worklist_keys import NEEDED, OF_STEP, STEPS, UTF_8

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Path = tuple[int, ...]

_HEX = re.compile(r"[0-9A-Fa-f]{8}")
_UID = re.compile(r"[0-9.]{1,64}")
_CODE = re.compile(r"[A-Z0-9 _\\]*")
_WHOLE_NUMBERS = frozenset({"US", "SS", "UL", "SL"})
_NO_TAG = 0xFFFFFFFF
_KINDS = {"DA": (date,), "TM": (time, datetime), "DT": (datetime,)}
_FORMATS = {"DA": "%Y%m%d", "TM": "%H%M%S", "DT": "%Y%m%d%H%M%S"}


class WrongValue(ValueError):  # noqa: N818 - a state of a row
    """A value that its attribute cannot have; the text does not tell it: it may be a patient's."""


class RowReader:
    """Makes worklist items of rows; raises ConfigError for columns that cannot be mapped."""

    def __init__(self, columns: Sequence[str], given: Mapping[str, Any]) -> None:
        names = {name.lower(): number for number, name in enumerate(columns)}
        if unknown := sorted(name for name in given if name.lower() not in names):
            raise ConfigError(
                f"worklist: database.columns.{unknown[0]}: the query has no such column; "
                f"it has {', '.join(columns)}"
            )
        told = {name.lower(): path_of(name, text) for name, text in given.items()}
        known = _known_columns()
        self._columns = [
            (number, name, path)
            for name, number in names.items()
            if (path := told.get(name) or known.get(name)) is not None
        ]
        if not self._columns:
            raise ConfigError(
                "worklist: database: no column of the query is an attribute; it has "
                f"{', '.join(columns)}"
            )

    def item(self, row: Sequence[Any], wrong: Callable[[str], None]) -> Dataset | None:
        """Return the item of a row; None if it lacks what a modality needs.

        `wrong` is told the name of each column whose value is none of its attribute.
        """
        item = Dataset()
        item.SpecificCharacterSet = UTF_8
        item.add_new(STEPS, "SQ", [Dataset()])
        is_whole = True
        for number, name, path in self._columns:
            vr = dictionary_VR(path[-1]).split(" ")[0]
            try:
                _place_of(item, path).add_new(path[-1], vr, value_of(vr, row[number]))
            except ValueError:
                wrong(name)
                is_whole = is_whole and path not in NEEDED
        return item if is_whole else None


def path_of(column: str, text: Any) -> Path:
    """Return the tags that lead to an attribute; raises ConfigError."""
    names = str(text).split(".")
    tags = [
        int(name, 16) if _HEX.fullmatch(name) else tag_for_keyword(name) or _NO_TAG
        for name in names
    ]
    for name, tag in zip(names, tags, strict=True):
        if not dictionary_has_tag(tag):
            raise ConfigError(
                f"worklist: database.columns.{column} = {text!r}: there is no attribute {name!r}"
            )
    vrs = [dictionary_VR(tag) for tag in tags]
    if vrs[-1] == "SQ" or any(vr != "SQ" for vr in vrs[:-1]):
        raise ConfigError(
            f"worklist: database.columns.{column} = {text!r}: it must be SEQUENCE.ATTRIBUTE, or "
            "an attribute that is no sequence"
        )
    if tags[0] in OF_STEP:
        tags.insert(0, STEPS)
    return tuple(tags)


def value_of(vr: str, value: Any) -> str | int | None:
    """Return a value of a database as that of an attribute; raises ValueError if it cannot be."""
    if value is None or value == "":
        return None
    if vr in _WHOLE_NUMBERS:
        return int(str(value))
    if isinstance(value, _KINDS.get(vr, ())):
        return value.strftime(_FORMATS[vr])
    if isinstance(value, bool | bytes | memoryview | date | time):
        raise WrongValue
    text = str(value).strip()
    if vr == "DA" and text:
        return _or_wrong(comparison_keys.date_key(text))
    if vr == "TM" and text:
        return text.replace(":", "") if comparison_keys.time_key(text) else _or_wrong(None)
    if text and not _is_valid(vr, text):
        raise WrongValue
    return text or None


def _is_valid(vr: str, text: str) -> bool:
    """Return whether a text can be of a VR; raises ValueError for what is no number."""
    match vr:
        case "UI":
            return _UID.fullmatch(text) is not None
        case "CS":
            return _CODE.fullmatch(text) is not None
        case "AE":
            return all(len(one) <= 16 for one in text.split("\\"))
        case "IS":
            int(text)
        case "DS":
            float(text)
    return True


def _or_wrong(text: str | None) -> str:
    if text is None:
        raise WrongValue
    return text


def _place_of(item: Dataset, path: Path) -> Dataset:
    """Return the item of sequences that an attribute goes into, which is made if need be."""
    for tag in path[:-1]:
        if tag not in item:
            item.add_new(tag, "SQ", [Dataset()])
        item = item[tag].value[0]
    return item


@cache
def _known_columns() -> dict[str, Path]:
    """Return the attributes by the names of their columns."""
    found = {}
    from pydicom._dicom_dict import DicomDictionary

    for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
        if keyword and vr != "SQ" and "or" not in vr and tag >> 16 > 0x0002:
            steps = (STEPS,) if tag in OF_STEP else ()
            found[attribute_of(keyword, tag, vr).column] = (*steps, tag)
    return found
