"""The attributes in the index: one table for the schema, the header scan and queries.

Each attribute has a column in the table of its level. Its `MatchingKind` says how it is matched
(PS3.4 C.2.2.2) and which key columns it has in addition: values in the form in which they are
compared, if that differs from the form in which they are returned.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import NamedTuple


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
    """How values of an attribute are compared."""

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


def _attribute(row: _AttributeRow, level: Level) -> Attribute:
    kind, column = _KINDS.get(row.vr, MatchingKind.TEXT), _column(row.keyword)
    keys = tuple(f"{column}_key{n + 1}" for n in range(_KEYS.get(kind, 0)))
    return Attribute(row.keyword, row.tag, row.vr, level, kind, column, keys or (column,))


class _AttributeRow(NamedTuple):
    tag: int
    vr: str
    keyword: str


_KINDS = {
    "PN": MatchingKind.NAME,
    "UI": MatchingKind.UID,
    "DA": MatchingKind.DATE,
    "TM": MatchingKind.TIME,
    "DT": MatchingKind.DATETIME,
    "IS": MatchingKind.NUMBER,
    "US": MatchingKind.NUMBER,
}

_PATIENT = (
    _AttributeRow(0x00100010, "PN", "PatientName"),
    _AttributeRow(0x00100020, "LO", "PatientID"),
    _AttributeRow(0x00100021, "LO", "IssuerOfPatientID"),
    _AttributeRow(0x00100030, "DA", "PatientBirthDate"),
    _AttributeRow(0x00100032, "TM", "PatientBirthTime"),
    _AttributeRow(0x00100040, "CS", "PatientSex"),
)
_STUDY = (
    _AttributeRow(0x0020000D, "UI", "StudyInstanceUID"),
    _AttributeRow(0x00200010, "SH", "StudyID"),
    _AttributeRow(0x00080020, "DA", "StudyDate"),
    _AttributeRow(0x00080030, "TM", "StudyTime"),
    _AttributeRow(0x00080050, "SH", "AccessionNumber"),
    _AttributeRow(0x00080090, "PN", "ReferringPhysicianName"),
    _AttributeRow(0x00081030, "LO", "StudyDescription"),
)
_SERIES = (
    _AttributeRow(0x0020000E, "UI", "SeriesInstanceUID"),
    _AttributeRow(0x00200011, "IS", "SeriesNumber"),
    _AttributeRow(0x00080060, "CS", "Modality"),
    _AttributeRow(0x00080021, "DA", "SeriesDate"),
    _AttributeRow(0x00080031, "TM", "SeriesTime"),
    _AttributeRow(0x0008103E, "LO", "SeriesDescription"),
    _AttributeRow(0x00081010, "SH", "StationName"),
    _AttributeRow(0x00180015, "CS", "BodyPartExamined"),
    _AttributeRow(0x00181030, "LO", "ProtocolName"),
)
_IMAGE = (
    _AttributeRow(0x00080018, "UI", "SOPInstanceUID"),
    _AttributeRow(0x00080016, "UI", "SOPClassUID"),
    _AttributeRow(0x00200013, "IS", "InstanceNumber"),
    _AttributeRow(0x00080023, "DA", "ContentDate"),
    _AttributeRow(0x00080033, "TM", "ContentTime"),
    _AttributeRow(0x0008002A, "DT", "AcquisitionDateTime"),
    _AttributeRow(0x00280008, "IS", "NumberOfFrames"),
    _AttributeRow(0x00280010, "US", "Rows"),
    _AttributeRow(0x00280011, "US", "Columns"),
)

ATTRIBUTES = tuple(
    _attribute(row, level)
    for level, rows in zip(Level, (_PATIENT, _STUDY, _SERIES, _IMAGE), strict=True)
    for row in rows
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
