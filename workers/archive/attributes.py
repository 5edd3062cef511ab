"""The attributes that the index keeps: the one table that schema, header scan and queries share.

Each has a column of the table of its level. `Kind` says how it is matched (PS3.4 C.2.2.2), and so
which columns of keys stand beside it: values as they are compared, where that is not as they are
written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import NamedTuple


class Level(IntEnum):
    """The levels of the information model (PS3.4 C.6), from the top."""

    PATIENT = 0
    STUDY = 1
    SERIES = 2
    IMAGE = 3

    @property
    def table(self) -> str:
        return TABLES[self]


TABLES = ("patient", "study", "series", "instance")


class Kind(Enum):
    """How values of an attribute are compared."""

    TEXT = auto()
    """As written, with wildcards."""
    NAME = auto()
    """PN: without regard to case, each component group for itself (PS3.4 C.2.2.2.1)."""
    UID = auto()
    """Single values and lists, no wildcards."""
    DATE = auto()
    TIME = auto()
    DATETIME = auto()
    NUMBER = auto()


_KEYS = {Kind.NAME: 3, Kind.TIME: 1, Kind.DATETIME: 1, Kind.NUMBER: 1}
"""How many columns of keys stand beside a value."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute that is kept."""

    keyword: str
    tag: int
    vr: str
    level: Level
    kind: Kind
    column: str
    """Made of the keyword of this table, and of nothing else."""
    keys: tuple[str, ...]
    """The columns of the values that are compared."""


def _column(keyword: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", keyword).lower()


def _attribute(row: _Row, level: Level) -> Attribute:
    kind, column = _KINDS.get(row.vr, Kind.TEXT), _column(row.keyword)
    keys = tuple(f"{column}_key{n + 1}" for n in range(_KEYS.get(kind, 0)))
    return Attribute(row.keyword, row.tag, row.vr, level, kind, column, keys or (column,))


class _Row(NamedTuple):
    tag: int
    vr: str
    keyword: str


_KINDS = {
    "PN": Kind.NAME,
    "UI": Kind.UID,
    "DA": Kind.DATE,
    "TM": Kind.TIME,
    "DT": Kind.DATETIME,
    "IS": Kind.NUMBER,
    "US": Kind.NUMBER,
}

_PATIENT = (
    _Row(0x00100010, "PN", "PatientName"),
    _Row(0x00100020, "LO", "PatientID"),
    _Row(0x00100021, "LO", "IssuerOfPatientID"),
    _Row(0x00100030, "DA", "PatientBirthDate"),
    _Row(0x00100032, "TM", "PatientBirthTime"),
    _Row(0x00100040, "CS", "PatientSex"),
)
_STUDY = (
    _Row(0x0020000D, "UI", "StudyInstanceUID"),
    _Row(0x00200010, "SH", "StudyID"),
    _Row(0x00080020, "DA", "StudyDate"),
    _Row(0x00080030, "TM", "StudyTime"),
    _Row(0x00080050, "SH", "AccessionNumber"),
    _Row(0x00080090, "PN", "ReferringPhysicianName"),
    _Row(0x00081030, "LO", "StudyDescription"),
)
_SERIES = (
    _Row(0x0020000E, "UI", "SeriesInstanceUID"),
    _Row(0x00200011, "IS", "SeriesNumber"),
    _Row(0x00080060, "CS", "Modality"),
    _Row(0x00080021, "DA", "SeriesDate"),
    _Row(0x00080031, "TM", "SeriesTime"),
    _Row(0x0008103E, "LO", "SeriesDescription"),
    _Row(0x00081010, "SH", "StationName"),
    _Row(0x00180015, "CS", "BodyPartExamined"),
    _Row(0x00181030, "LO", "ProtocolName"),
)
_IMAGE = (
    _Row(0x00080018, "UI", "SOPInstanceUID"),
    _Row(0x00080016, "UI", "SOPClassUID"),
    _Row(0x00200013, "IS", "InstanceNumber"),
    _Row(0x00080023, "DA", "ContentDate"),
    _Row(0x00080033, "TM", "ContentTime"),
    _Row(0x0008002A, "DT", "AcquisitionDateTime"),
    _Row(0x00280008, "IS", "NumberOfFrames"),
    _Row(0x00280010, "US", "Rows"),
    _Row(0x00280011, "US", "Columns"),
)

ATTRIBUTES = tuple(
    _attribute(row, level)
    for level, rows in zip(Level, (_PATIENT, _STUDY, _SERIES, _IMAGE), strict=True)
    for row in rows
)
"""Everything that is kept of a data set, by level."""

BY_TAG = {attribute.tag: attribute for attribute in ATTRIBUTES}
BY_KEYWORD = {attribute.keyword: attribute for attribute in ATTRIBUTES}

MOMENTS = tuple(
    (attribute, BY_KEYWORD[attribute.keyword.removesuffix("Date") + "Time"])
    for attribute in ATTRIBUTES
    if attribute.kind is Kind.DATE
)
"""The dates, each with its time."""

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
