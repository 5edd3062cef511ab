"""The values that stand in place of others: action D of PS3.15 Table E.1-1a."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = "REMOVED"
_VALUES: dict[str, Any] = {
    **dict.fromkeys(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"), TEXT),
    "AS": "000Y",
    "AT": 0,
    "DA": "19000101",
    "DS": "0",
    "DT": "19000101000000",
    "FD": 0.0,
    "FL": 0.0,
    "IS": "0",
    **dict.fromkeys(("SL", "SS", "SV", "UL", "US", "UV"), 0),
    "TM": "000000",
    "UR": "urn:removed",
    **dict.fromkeys(("OB", "OD", "OF", "OL", "OV", "OW", "UN"), b"\0" * 8),
}
_STRUCTURE = frozenset(
    {
        *("ValueType", "RelationshipType", "ContinuityOfContent", "GraphicAnnotationUnits"),
        *("BoundingBoxAnnotationUnits", "AnchorPointAnnotationUnits", "GraphicType"),
        *("GraphicFilled", "AnchorPointVisibility"),
        *("BoundingBoxTextHorizontalJustification",),
    }
)
"""Codes that say what an item is, and keep their values: a dummy would have no meaning."""
_CONTENT = 0x0040A730


def dummy(element: DataElement, uid: Callable[[str], str]) -> DataElement:
    """Return an element with a dummy value of its VR; `uid` returns the one in place of a UID."""
    tag, vr = element.tag, element.VR
    if vr == "SQ":
        return DataElement(tag, vr, _dummy_items(element, uid))
    if vr == "UI":
        return mapped(element, uid)
    return DataElement(tag, vr, _VALUES.get(vr, TEXT))


def mapped(element: DataElement, uid: Callable[[str], str]) -> DataElement:
    """Return an element with each of its UIDs replaced."""
    value = element.value
    several = value if hasattr(value, "append") else [value or ""]
    changed = [uid(str(one)) for one in several]
    return DataElement(element.tag, "UI", changed[0] if len(changed) == 1 else changed)


def _dummy_items(element: DataElement, uid: Callable[[str], str]) -> Sequence:
    """Return one item of the kind that the first is, with dummy values all through."""
    if int(element.tag) == _CONTENT:
        return Sequence([_removed_content()])
    items = list(element.value)[:1]
    return Sequence([_dummy_item(item, uid) for item in items])


def _dummy_item(item: Dataset, uid: Callable[[str], str]) -> Dataset:
    made = Dataset()
    for tag in item.keys():  # noqa: SIM118 - an element that cannot be converted is left out
        element = None if int(tag) >> 16 & 1 else _converted(item, tag)
        if element is not None:
            made[tag] = element if element.keyword in _STRUCTURE else dummy(element, uid)
    return made


def _converted(item: Dataset, tag: Any) -> DataElement | None:
    try:
        found: DataElement = item[tag]
    except Exception:  # whatever pydicom raises for a value that makes no sense
        return None
    return found


def _removed_content() -> Dataset:
    """Return a content item that says nothing (PS3.3 C.17.3)."""
    name = Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = "121106", "DCM", "Comment"
    made = Dataset()
    made.RelationshipType, made.ValueType = "CONTAINS", "TEXT"
    made.ConceptNameCodeSequence = [name]
    made.TextValue = TEXT
    return made
