"""Turn the identifier of a C-FIND, C-GET or C-MOVE into a query of the index (PS3.4 C.4).

An identifier that does not fit the SOP class raises `BadIdentifier`, which becomes status A900 with
a comment that names the tag.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.archive.attributes import BY_TAG, MOMENTS, UNIQUE, Attribute, Level
from workers.archive.index.search import COMPUTED, Computed, Query
from workers.archive.matching import BadIdentifier, Condition, Equal, conditions, moments_between

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

QUERY_LEVEL = 0x00080052
_MODALITY, _MODALITIES = 0x00080060, 0x00080061
_NO_KEYS = frozenset({0x00080005, QUERY_LEVEL, 0x00080054, 0x00080056, 0x00080201})
"""Attributes that are not keys: they say how to read the others, or are not from the index."""
_LEVELS = {level.name: level for level in Level}

PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1."
STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2."
PATIENT_STUDY_ONLY = "1.2.840.10008.5.1.4.1.2.3."
"""Prefixes of the SOP class UIDs of each information model; 1, 2 and 3 are FIND, MOVE, GET."""
MODELS = (PATIENT_ROOT, STUDY_ROOT, PATIENT_STUDY_ONLY)
FIND = frozenset(f"{root}1" for root in MODELS)


@dataclass(frozen=True, slots=True)
class Model:
    """An information model: its levels, from the top."""

    levels: tuple[Level, ...]

    @classmethod
    def of(cls, sop_class_uid: str) -> Model:
        """Return the model of a SOP class; raises ValueError for any other UID."""
        if sop_class_uid.startswith(PATIENT_ROOT):
            return cls(tuple(Level))
        if sop_class_uid.startswith(STUDY_ROOT):
            return cls((Level.STUDY, Level.SERIES, Level.IMAGE))
        if sop_class_uid.startswith(PATIENT_STUDY_ONLY):
            return cls((Level.PATIENT, Level.STUDY))
        raise ValueError(f"{sop_class_uid} is not an information model of the archive")

    def above(self, level: Level) -> tuple[Level, ...]:
        """Return the levels above, whose unique keys must be given."""
        return tuple(one for one in self.levels if one < level)


@dataclass(frozen=True, slots=True)
class FindQuery:
    """The query of a C-FIND, and what its responses contain."""

    query: Query
    keywords: tuple[str, ...]
    """The keywords of the values in a row, in order."""
    extra: frozenset[str]
    """Requested attributes that are not in a row: RetrieveAETitle, InstanceAvailability."""
    is_partial: bool
    """There are optional keys that are not supported: status FF01 (PS3.4 C.4.1.1.4)."""


def level_of(identifier: Dataset, model: Model) -> Level:
    """Return the Query/Retrieve Level; raises BadIdentifier."""
    element = identifier.get(QUERY_LEVEL)
    text = _text(element).strip() if element is not None else ""
    level = _LEVELS.get(text)
    if level is None:
        raise BadIdentifier(QUERY_LEVEL, "is missing" if not text else "is not a known level")
    if level not in model.levels:
        raise BadIdentifier(QUERY_LEVEL, f"the model has no level {level.name}")
    return level


def find_query(
    identifier: Dataset,
    model: Model,
    *,
    relational: bool = False,
    combined: bool = False,
    with_holders: bool = False,
) -> FindQuery:
    """Return the query of a C-FIND; raises BadIdentifier.

    `relational` and `combined` are what was accepted in extended negotiation (PS3.4 C.5.1.1).
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
    return FindQuery(query, keywords, frozenset(extra), is_partial)


def retrieve_query(identifier: Dataset, model: Model, *, relational: bool) -> Query:
    """Return the query for the instances of a C-GET or C-MOVE; raises BadIdentifier.

    Only unique keys are used, and one is required, so that no one retrieves the whole archive by
    mistake.
    """
    level = level_of(identifier, model)
    if not relational:
        _check_hierarchy(identifier, model, level)
    unique = UNIQUE[level]
    element = identifier.get(unique.tag)
    if element is None or not _text(element).strip():
        raise BadIdentifier(unique.tag, f"is required at level {level.name}")
    wanted = []
    for one in (*model.above(level), level):
        if (element := identifier.get(UNIQUE[one].tag)) is not None:
            wanted += [(one, c) for c in _unique(UNIQUE[one], element)]
    return Query(Level.IMAGE, conditions=tuple(wanted))


def _is_unsupported(element: DataElement, answered: Collection[str]) -> bool:
    """Return whether it is an optional key that is not returned, or that cannot be matched."""
    if element.keyword in COMPUTED and element.keyword in answered:
        return element.tag != _MODALITIES and bool(_text(element).strip("* "))
    tag = int(element.tag)
    return element.keyword not in answered and tag not in _NO_KEYS and bool(tag & 0xFFFF)


def _is_of(own: Level, level: Level, model: Model) -> bool:
    """Return whether keys of level `own` are allowed: those above, and always the patient's."""
    return own <= level and (own in model.levels or own is Level.PATIENT)


def _check_hierarchy(identifier: Dataset, model: Model, level: Level) -> None:
    """Check that each level above has one value of its unique key (PS3.4 C.4.1.3.1.1)."""
    for above in model.above(level):
        unique = UNIQUE[above]
        element = identifier.get(unique.tag)
        text = _text(element).strip() if element is not None else ""
        if not text:
            raise BadIdentifier(unique.tag, f"is required at level {level.name}")
        if "\\" in text or (unique.vr == "LO" and ("*" in text or "?" in text)):
            raise BadIdentifier(unique.tag, "must have a single value")


def _conditions(attribute: Attribute, element: DataElement) -> tuple[Condition, ...]:
    if element.VR not in (attribute.vr, "UN"):
        raise BadIdentifier(attribute.tag, f"has VR {element.VR}, not {attribute.vr}")
    return conditions(attribute, _text(element))


def _combine(identifier: Dataset, found: dict[Attribute, tuple[Condition, ...]]) -> None:
    """Replace the conditions of a date and of its time by one."""
    for date, time in MOMENTS:
        if date in found and time in found:
            texts = _text(identifier[date.tag]), _text(identifier[time.tag])
            if (moments := moments_between(date, texts[0], time, texts[1])) is not None:
                found |= {date: (moments,), time: ()}


def _unique(attribute: Attribute, element: DataElement) -> tuple[Condition, ...]:
    """Return the condition of a unique key, in which wildcards have no meaning."""
    text = _text(element).strip()
    if attribute.vr == "LO":
        return (Equal(attribute.keys, tuple(v.strip() for v in text.split("\\"))),) if text else ()
    return _conditions(attribute, element)


def _text(element: DataElement) -> str:
    """Return the value as text; raises BadIdentifier if it is invalid."""
    try:
        value = element.value
    except Exception:
        # pydicom raises many types for an invalid value
        raise BadIdentifier(int(element.tag), f"is not a valid {element.VR} value") from None
    if value is None:
        return ""
    if element.VR == "SQ" or isinstance(value, bytes):
        if isinstance(value, bytes):
            return value.decode("ascii", "replace")
        raise BadIdentifier(int(element.tag), "is a sequence")
    if hasattr(value, "append"):
        return "\\".join("" if one is None else str(one) for one in value)
    return str(value)
