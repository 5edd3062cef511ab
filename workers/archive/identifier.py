"""Turn the identifier of a C-FIND, C-GET or C-MOVE into a query of the index (PS3.4 C.4).

An identifier that does not fit the SOP class raises `BadIdentifier`, which becomes status A900 with
a comment that names the tag. One that cannot be read to its end is not looked at: C000.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydicom.datadict import keyword_for_tag

from gateway.datasets.element_steps import UnreadableDataSet
from gateway.sdk import GatewayError, status, status_with_comment
from workers.archive.attributes import BY_TAG, MOMENTS, UNIQUE, Attribute, Level
from workers.archive.index.search import COMPUTED, Computed, Query
from workers.archive.key_text import KeyTexts
from workers.archive.matching import (
    BadIdentifier,
    Condition,
    Empty,
    Equal,
    conditions,
    moments_between,
)
from workers.archive.stored_text import bounded, spellings

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydicom.dataset import Dataset

    from gateway.sdk import DatasetError

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


class UnknownModel(GatewayError, ValueError):  # noqa: N818 - the peer's choice, no error here
    """A request of a SOP class that is not a query or retrieval of the archive."""


@dataclass(frozen=True, slots=True)
class Model:
    """An information model: its levels, from the top."""

    levels: tuple[Level, ...]

    @classmethod
    def of(cls, sop_class_uid: str) -> Model:
        """Return the model of a SOP class; raises UnknownModel for any other UID."""
        if sop_class_uid.startswith(PATIENT_ROOT):
            return cls(tuple(Level))
        if sop_class_uid.startswith(STUDY_ROOT):
            return cls((Level.STUDY, Level.SERIES, Level.IMAGE))
        if sop_class_uid.startswith(PATIENT_STUDY_ONLY):
            return cls((Level.PATIENT, Level.STUDY))
        raise UnknownModel(f"{sop_class_uid} is not an information model of the archive")

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
    """Attributes of responses that are not in a row: RetrieveAETitle, InstanceAvailability."""
    is_partial: bool
    """There are optional keys that are not supported: status FF01 (PS3.4 C.4.1.1.4)."""


def not_understood(error: DatasetError) -> Dataset:
    """Return the status for an identifier that cannot be read to its end: C000, with the tag."""
    offending = [error.tag] if isinstance(error, UnreadableDataSet) else []
    return status_with_comment(status.CANNOT_UNDERSTAND, str(error), *offending)


def level_of(identifier: Dataset, model: Model) -> Level:
    """Return the Query/Retrieve Level; raises BadIdentifier."""
    text = KeyTexts(identifier).get(QUERY_LEVEL).strip()
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
    texts = KeyTexts(identifier)
    for tag in texts.tags():
        attribute, keyword = BY_TAG.get(tag), keyword_for_tag(tag)
        if attribute is not None and _is_of(attribute.level, level, model):
            attributes.append(attribute)
            found[attribute] = conditions(attribute, texts.get(tag))
        elif keyword in COMPUTED and _is_of(COMPUTED[keyword].level, level, model):
            computed.append(COMPUTED[keyword])
            if tag == _MODALITIES:
                modalities = conditions(BY_TAG[_MODALITY], texts.get(tag))
    if combined:
        _combine(texts, found)
    wanted = tuple((one.level, condition) for one, each in found.items() for condition in each)
    query = Query(level, tuple(attributes), tuple(computed), wanted, modalities)
    keywords = (*(a.keyword for a in attributes), *(c.keyword for c in computed))
    extra = {k for k in ("RetrieveAETitle", "InstanceAvailability") if k in identifier}
    if (
        level is not Level.PATIENT
    ):  # they say where the entities are, asked or not (PS3.4 C.4.1.1.3)
        extra.add("RetrieveAETitle")
    is_partial = any(_is_unsupported(tag, texts, keywords) for tag in texts.tags())
    return FindQuery(query, keywords, frozenset(extra), is_partial)


def retrieve_query(identifier: Dataset, model: Model, *, relational: bool) -> Query:
    """Return the query for the instances of a C-GET or C-MOVE; raises BadIdentifier.

    Only unique keys are used, and one is required, so that no one retrieves the whole archive by
    mistake.
    """
    level = level_of(identifier, model)
    if not relational:
        _check_hierarchy(identifier, model, level)
    unique, texts = UNIQUE[level], KeyTexts(identifier)
    if not texts.get(unique.tag).strip():
        raise BadIdentifier(unique.tag, f"is required at level {level.name}")
    wanted = []
    for one in (*model.above(level), level):
        wanted += [(one, c) for c in _unique(UNIQUE[one], texts.get(UNIQUE[one].tag))]
    return Query(Level.IMAGE, conditions=tuple(wanted))


def incomplete_query(identifier: Dataset, model: Model) -> Query | None:
    """Return the query of a C-GET or C-MOVE for instances that have no study or no series.

    At image level the Study or Series Instance UID that they lack is left out or empty. None: the
    identifier names no instance, or all that is above.
    """
    if level_of(identifier, model) is not Level.IMAGE:
        return None
    texts = KeyTexts(identifier)
    own = UNIQUE[Level.IMAGE]
    lacking = [one for one in (Level.STUDY, Level.SERIES) if not texts.get(UNIQUE[one].tag).strip()]
    if not lacking or not texts.get(own.tag).strip():
        return None
    wanted = [(Level.IMAGE, c) for c in _unique(own, texts.get(own.tag))]
    for one in model.above(Level.IMAGE):
        wanted += [(one, c) for c in _unique(UNIQUE[one], texts.get(UNIQUE[one].tag))]
    wanted += [(one, Empty(UNIQUE[one].column)) for one in lacking]
    return Query(Level.IMAGE, conditions=tuple(wanted))


def _is_unsupported(tag: int, texts: KeyTexts, answered: Collection[str]) -> bool:
    """Return whether it is an optional key that is not returned, or that cannot be matched."""
    keyword = keyword_for_tag(tag)
    if keyword in COMPUTED and keyword in answered:
        return tag != _MODALITIES and bool(texts.get(tag).strip("* "))
    return keyword not in answered and tag not in _NO_KEYS and bool(tag & 0xFFFF)


def _is_of(own: Level, level: Level, model: Model) -> bool:
    """Return whether keys of level `own` are allowed: those above, and always the patient's."""
    return own <= level and (own in model.levels or own is Level.PATIENT)


def _check_hierarchy(identifier: Dataset, model: Model, level: Level) -> None:
    """Check that each level above has one value of its unique key (PS3.4 C.4.1.3.1.1)."""
    texts = KeyTexts(identifier)
    for above in model.above(level):
        unique = UNIQUE[above]
        text = texts.get(unique.tag).strip()
        if not text:
            raise BadIdentifier(unique.tag, f"is required at level {level.name}")
        if "\\" in text or (unique.vr == "LO" and ("*" in text or "?" in text)):
            raise BadIdentifier(unique.tag, "must have a single value")


def _combine(texts: KeyTexts, found: dict[Attribute, tuple[Condition, ...]]) -> None:
    """Replace the conditions of a date and of its time by one."""
    for date, time in MOMENTS:
        if date in found and time in found:
            moments = moments_between(date, texts.get(date.tag), time, texts.get(time.tag))
            if moments is not None:
                found |= {date: (moments,), time: ()}


def _unique(attribute: Attribute, text: str) -> tuple[Condition, ...]:
    """Return the condition of a unique key, in which wildcards have no meaning.

    A Patient ID is one value, whatever its characters: only UIDs come in lists (PS3.4 C.2.2.2.2).
    """
    text = text.strip()
    if attribute.vr == "LO" and text:
        return (Equal(attribute.keys, tuple(map(bounded, spellings(text)))),)
    return conditions(attribute, text)
