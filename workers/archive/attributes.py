"""The attributes in the index: one table for the schema, the header scan and queries.

Each attribute has a column in the table of its level. Its `MatchingKind` says how it is matched
(PS3.4 C.2.2.2) and which key columns it has in addition: values in the form in which they are
compared, if that differs from the form in which they are returned.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, IntEnum, auto

from pydicom.datadict import dictionary_VR
from pydicom.tag import Tag


class Level(IntEnum):
    """The levels of the information model, from the top (PS3.4 C.6)."""

    PATIENT = 0
    STUDY = 1
    SERIES = 2
    IMAGE = 3

    @property
    def table(self) -> str:
        return TABLES[self]


TABLES = ("patient", "study", "series", "instance")


class MatchingKind(Enum):
    """The way in which values of an attribute are compared."""

    TEXT = auto()
    """Case-sensitive, with wildcards."""
    NAME = auto()
    """PN: case-insensitive, each component group by itself (PS3.4 C.2.2.2.1)."""
    UID = auto()
    """Single values and lists, no wildcards."""
    DATE = auto()
    TIME = auto()
    DATETIME = auto()
    NUMBER = auto()


_KEYS = {
    MatchingKind.NAME: 3,
    MatchingKind.DATE: 1,
    MatchingKind.TIME: 1,
    MatchingKind.DATETIME: 1,
    MatchingKind.NUMBER: 1,
}
"""The number of key columns of an attribute."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute in the index."""

    keyword: str
    tag: int
    vr: str
    level: Level
    kind: MatchingKind
    column: str
    """The column name, which is derived from the keyword."""
    keys: tuple[str, ...]
    """The columns whose values are compared."""


def _column(keyword: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", keyword).lower()


def attribute_of(keyword: str, tag: int, vr: str, level: Level = Level.PATIENT) -> Attribute:
    """Return an attribute with the names that its columns have, or would have."""
    column, kind = _column(keyword), _KINDS.get(vr, MatchingKind.TEXT)
    keys = tuple(f"{column}_key{n + 1}" for n in range(_KEYS.get(kind, 0)))
    return Attribute(keyword, tag, vr, level, kind, column, keys or (column,))


_KINDS = {
    "PN": MatchingKind.NAME,
    "UI": MatchingKind.UID,
    "DA": MatchingKind.DATE,
    "TM": MatchingKind.TIME,
    "DT": MatchingKind.DATETIME,
    "IS": MatchingKind.NUMBER,
    "US": MatchingKind.NUMBER,
}

_KEYWORDS = {
    Level.PATIENT: """
        PatientName PatientID IssuerOfPatientID PatientBirthDate PatientBirthTime PatientSex
    """,
    Level.STUDY: """
        StudyInstanceUID StudyID StudyDate StudyTime AccessionNumber ReferringPhysicianName
        StudyDescription
    """,
    Level.SERIES: """
        SeriesInstanceUID SeriesNumber Modality SeriesDate SeriesTime SeriesDescription
        StationName BodyPartExamined ProtocolName
    """,
    Level.IMAGE: """
        SOPInstanceUID SOPClassUID InstanceNumber ContentDate ContentTime AcquisitionDateTime
        NumberOfFrames Rows Columns
    """,
}

ATTRIBUTES = tuple(
    attribute_of(keyword, int(Tag(keyword)), dictionary_VR(keyword), level)
    for level, keywords in _KEYWORDS.items()
    for keyword in keywords.split()
)
"""All attributes in the index, by level."""

BY_TAG = {attribute.tag: attribute for attribute in ATTRIBUTES}
BY_KEYWORD = {attribute.keyword: attribute for attribute in ATTRIBUTES}

MOMENTS = tuple(
    (attribute, BY_KEYWORD[attribute.keyword.removesuffix("Date") + "Time"])
    for attribute in ATTRIBUTES
    if attribute.kind is MatchingKind.DATE
)
"""Pairs of a date and its time."""

SPECIFIC_CHARACTER_SET = 0x00080005

UNIQUE = {
    Level.PATIENT: BY_KEYWORD["PatientID"],
    Level.STUDY: BY_KEYWORD["StudyInstanceUID"],
    Level.SERIES: BY_KEYWORD["SeriesInstanceUID"],
    Level.IMAGE: BY_KEYWORD["SOPInstanceUID"],
}
"""The unique key of each level (PS3.4 C.6.1.1)."""


def of_level(level: Level) -> tuple[Attribute, ...]:
    return tuple(attribute for attribute in ATTRIBUTES if attribute.level is level)


ABOVE = tuple(
    attribute.keyword
    for level in Level
    if level is not Level.IMAGE
    for attribute in of_level(level)
)
"""The attributes above image level, which are the same in many instances."""
