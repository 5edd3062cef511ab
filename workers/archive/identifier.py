"""What a C-FIND, C-GET or C-MOVE asks for: the identifier checked, and put as a query (PS3.4 C.4).

What cannot be answered is an `Unfit`, which becomes A900 with a comment that names the tag.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.archive.attributes import BY_TAG, MOMENTS, UNIQUE, Attribute, Level
from workers.archive.index.search import COMPUTED, Computed, Query
from workers.archive.matching import BadKey, Condition, Equal, conditions, moments_between

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

QUERY_LEVEL = 0x00080052
_MODALITY, _MODALITIES = 0x00080060, 0x00080061
_NO_KEYS = frozenset({0x00080005, QUERY_LEVEL, 0x00080054, 0x00080056, 0x00080201})
"""They say how to read the others, or are answered without being in the index."""
_LEVELS = {level.name: level for level in Level}

PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1."
STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2."
PATIENT_STUDY_ONLY = "1.2.840.10008.5.1.4.1.2.3."
"""What the UIDs of the SOP classes of each information model begin with; then find, move, get."""
MODELS = (PATIENT_ROOT, STUDY_ROOT, PATIENT_STUDY_ONLY)
FIND = frozenset(f"{root}1" for root in MODELS)


class Unfit(ValueError):  # noqa: N818 - the peer's fault, told to it as A900
    """The identifier does not fit the SOP class; `tag` is to blame."""

    def __init__(self, tag: int, text: str) -> None:
        super().__init__(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {text}")
        self.tag = tag


@dataclass(frozen=True, slots=True)
class Model:
    """An information model: its levels, from the top."""

    levels: tuple[Level, ...]

    @classmethod
    def of(cls, sop_class_uid: str) -> Model:
        """The model of a SOP class; ValueError if it is none of the archive's."""
        if sop_class_uid.startswith(PATIENT_ROOT):
            return cls(tuple(Level))
        if sop_class_uid.startswith(STUDY_ROOT):
            return cls((Level.STUDY, Level.SERIES, Level.IMAGE))
        if sop_class_uid.startswith(PATIENT_STUDY_ONLY):
            return cls((Level.PATIENT, Level.STUDY))
        raise ValueError(f"{sop_class_uid} is no information model of this archive")

    def above(self, level: Level) -> tuple[Level, ...]:
        """The levels whose unique keys name where to look."""
        return tuple(one for one in self.levels if one < level)


@dataclass(frozen=True, slots=True)
class Asked:
    """An identifier as it was understood."""

    query: Query
    keywords: tuple[str, ...]
    """What each value of a row of the query is, in its order."""
    extra: frozenset[str]
    """Keywords asked for that no row has: RetrieveAETitle, InstanceAvailability."""
    is_partial: bool
    """There are optional keys that are not supported (PS3.4 C.4.1.1.4, FF01)."""


def level_of(identifier: Dataset, model: Model) -> Level:
    """The Query/Retrieve Level; raises Unfit."""
    element = identifier.get(QUERY_LEVEL)
    text = _text(element).strip() if element is not None else ""
    level = _LEVELS.get(text)
    if level is None:
        raise Unfit(QUERY_LEVEL, "is missing" if not text else "names no level")
    if level not in model.levels:
        raise Unfit(QUERY_LEVEL, f"{level.name} is no level of this model")
    return level


def find_query(
    identifier: Dataset,
    model: Model,
    *,
    relational: bool = False,
    combined: bool = False,
    with_holders: bool = False,
) -> Asked:
    """What a C-FIND asks for; raises Unfit.

    `relational`, `combined`: what was agreed to (PS3.4 C.5.1.1).
    """
    level = level_of(identifier, model)
    if not relational:
        _check_hierarchy(identifier, model, level)
    attributes: list[Attribute] = []
    computed: list[Computed] = []
    found: dict[Attribute, tuple[Condition, ...]] = {}
    modalities: tuple[Condition, ...] = ()
    for element in identifier:
        tag, keyword = int(element.tag), element.keyword
        attribute = BY_TAG.get(tag)
        if attribute is not None and _is_of(attribute.level, level, model):
            attributes.append(attribute)
            found[attribute] = _conditions(attribute, element)
        elif keyword in COMPUTED and _is_of(COMPUTED[keyword].level, level, model):
            computed.append(COMPUTED[keyword])
            if tag == _MODALITIES:
                modalities = conditions(BY_TAG[_MODALITY], _text(element))
    if combined:
        _combine(identifier, found)
    wanted = tuple((one.level, condition) for one, each in found.items() for condition in each)
    query = Query(level, tuple(attributes), tuple(computed), wanted, modalities, with_holders)
    keywords = (*(a.keyword for a in attributes), *(c.keyword for c in computed))
    extra = {k for k in ("RetrieveAETitle", "InstanceAvailability") if k in identifier}
    is_partial = any(_is_unsupported(element, keywords) for element in identifier)
    return Asked(query, keywords, frozenset(extra), is_partial)


def retrieve_query(identifier: Dataset, model: Model, *, relational: bool) -> Query:
    """The instances that a C-GET or C-MOVE asks for; raises Unfit.

    Only unique keys count, and there must be one: nobody shall fetch the whole archive by mistake.
    """
    level = level_of(identifier, model)
    if not relational:
        _check_hierarchy(identifier, model, level)
    unique = UNIQUE[level]
    element = identifier.get(unique.tag)
    if element is None or not _text(element).strip():
        raise Unfit(unique.tag, f"must name what to retrieve at level {level.name}")
    wanted = []
    for one in (*model.above(level), level):
        if (element := identifier.get(UNIQUE[one].tag)) is not None:
            wanted += [(one, c) for c in _unique(UNIQUE[one], element)]
    return Query(Level.IMAGE, conditions=tuple(wanted))


def _is_unsupported(element: DataElement, answered: Collection[str]) -> bool:
    """Is it an optional key that is not answered, or one that is counted and cannot be matched?"""
    if element.keyword in COMPUTED and element.keyword in answered:
        return element.tag != _MODALITIES and bool(_text(element).strip("* "))
    tag = int(element.tag)
    return element.keyword not in answered and tag not in _NO_KEYS and bool(tag & 0xFFFF)


def _is_of(own: Level, level: Level, model: Model) -> bool:
    """Keys of the levels above are given too; patients' also where studies are the root."""
    return own <= level and (own in model.levels or own is Level.PATIENT)


def _check_hierarchy(identifier: Dataset, model: Model, level: Level) -> None:
    """Each level above is named by one value of its unique key (PS3.4 C.4.1.3.1.1)."""
    for above in model.above(level):
        unique = UNIQUE[above]
        element = identifier.get(unique.tag)
        text = _text(element).strip() if element is not None else ""
        if not text:
            raise Unfit(unique.tag, f"is needed at level {level.name}")
        if "\\" in text or (unique.vr == "LO" and ("*" in text or "?" in text)):
            raise Unfit(unique.tag, "must have a single value above the level")


def _conditions(attribute: Attribute, element: DataElement) -> tuple[Condition, ...]:
    if element.VR not in (attribute.vr, "UN"):
        raise Unfit(attribute.tag, f"has VR {element.VR}, not {attribute.vr}")
    try:
        return conditions(attribute, _text(element))
    except BadKey as error:
        raise Unfit(error.tag, str(error).split(" ", 1)[1]) from None


def _combine(identifier: Dataset, found: dict[Attribute, tuple[Condition, ...]]) -> None:
    """Put one condition in the place of those of a date and its time."""
    for date, time in MOMENTS:
        if date in found and time in found:
            texts = _text(identifier[date.tag]), _text(identifier[time.tag])
            if (moments := moments_between(date, texts[0], time, texts[1])) is not None:
                found |= {date: (moments,), time: ()}


def _unique(attribute: Attribute, element: DataElement) -> tuple[Condition, ...]:
    """No wildcards here: a Patient ID is what it is."""
    text = _text(element).strip()
    if attribute.vr == "LO":
        return (Equal(attribute.keys, tuple(v.strip() for v in text.split("\\"))),) if text else ()
    return _conditions(attribute, element)


def _text(element: DataElement) -> str:
    """The value as it was sent, in text; raises Unfit for one that is none."""
    try:
        value = element.value
    except Exception:
        # whatever pydicom raises for a value that is none
        raise Unfit(int(element.tag), f"is no value of {element.VR}") from None
    if value is None:
        return ""
    if element.VR == "SQ" or isinstance(value, bytes):
        if isinstance(value, bytes):
            return value.decode("ascii", "replace")
        raise Unfit(int(element.tag), "is a sequence")
    if hasattr(value, "append"):
        return "\\".join("" if one is None else str(one) for one in value)
    return str(value)
