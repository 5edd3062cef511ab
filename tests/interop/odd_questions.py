"""60 questions about the odd files, and where DCMTK's archive answers them otherwise, and why."""

from __future__ import annotations

from typing import NamedTuple

from pydicom.datadict import tag_for_keyword

from gateway.datasets.character_sets import character_sets_of, decode
from tests.interop.odd_files import ROOT
from workers.archive.attributes import ATTRIBUTES, BY_TAG, Level
from workers.archive.comparison_keys import TEXT_VRS
from workers.archive.identifier import PATIENT_ROOT, STUDY_ROOT

PATIENT, STUDY = f"{PATIENT_ROOT}1", f"{STUDY_ROOT}1"

NOT_IN_DCMTK = (
    *("SeriesDate", "SeriesTime", "SeriesDescription", "StationName", "BodyPartExamined"),
    *("ProtocolName", "SOPClassUID", "ContentDate", "ContentTime", "AcquisitionDateTime"),
    *("NumberOfFrames", "Rows", "Columns", "ModalitiesInStudy"),
    *("NumberOfStudyRelatedInstances", "NumberOfStudyRelatedSeries"),
)
"""Attributes that dcmqrscp neither matches nor returns; they are left out of the comparison."""
CHARACTER_SET, RETRIEVE_AE_TITLE = 0x00080005, 0x00080054
"""Values are compared as text: dcmqrscp answers in the character set of the record, this archive in
UTF-8. The title is each one's own."""

NAMES = "names are compared regardless of case and trailing delimiters (PS3.4 C.2.2.2.1)"
LACKING = "dcmqrscp does not match this attribute, and answers with every entity"
SECOND = "a time without a fraction means the whole second here"
NUMBER = "numbers are compared as numbers: 01 is 1 (PS3.5 6.2, IS)"

Keys = dict[str, bytes]


class Question(NamedTuple):
    """A C-FIND, and the reason why the answers differ, if they do."""

    model: str
    level: str
    keys: Keys
    reason: str = ""

    @property
    def name(self) -> str:
        return f"{self.model} {self.level} {self.keys}"


def _all_of(level: str) -> Keys:
    return {a.keyword: b"" for a in ATTRIBUTES if a.level is Level[level]}


def _uid(kind: int, number: int) -> bytes:
    return f"{ROOT}.{kind}.{number}".encode()


_STUDY_3: Keys = {"StudyInstanceUID": _uid(1, 3)}
_SERIES_OF_0: Keys = {"StudyInstanceUID": _uid(1, 0), "SeriesInstanceUID": b""}
_IMAGES_OF_0: Keys = {**_SERIES_OF_0, "SeriesInstanceUID": _uid(2, 0), "SOPInstanceUID": b""}
_STUDIES: Keys = {"StudyInstanceUID": b""}

_WHOLE = [
    Question(PATIENT, "PATIENT", _all_of("PATIENT")),
    Question(PATIENT, "PATIENT", {}),
    Question(STUDY, "STUDY", {}),
    Question(STUDY, "STUDY", _all_of("STUDY")),
    Question(STUDY, "STUDY", {**_all_of("PATIENT"), **_STUDIES}),
    Question(STUDY, "STUDY", {**_STUDIES, "PerformingPhysicianName": b""}),
    Question(STUDY, "STUDY", {**_STUDIES, "NumberOfStudyRelatedInstances": b""}),
    Question(PATIENT, "STUDY", {**_all_of("STUDY"), "PatientID": b"ODD00"}),
    Question(STUDY, "SERIES", {**_all_of("SERIES"), **_STUDY_3}),
    Question(STUDY, "SERIES", {**_all_of("STUDY"), **_STUDY_3, "SeriesInstanceUID": b""}),
    Question(PATIENT, "SERIES", {**_STUDY_3, "PatientID": b"ODD01", "SeriesNumber": b""}),
    Question(STUDY, "IMAGE", {**_all_of("IMAGE"), **_STUDY_3, "SeriesInstanceUID": _uid(2, 6)}),
    Question(STUDY, "IMAGE", _IMAGES_OF_0),
    Question(STUDY, "STUDY", {"StudyInstanceUID": _uid(1, 3) + b"\\" + _uid(1, 5)}),
    Question(STUDY, "STUDY", {"StudyInstanceUID": _uid(1, 999)}),
]
_PATIENTS = [
    Question(PATIENT, "PATIENT", {"PatientID": key, "PatientName": b"", "PatientSex": b""})
    for key in (b"ODD*", b"odd*", b"ODD00", b"*2", b"ODD0?", b"05", b"ODD_06%", b"O-04", b"nobody")
]
_OF_STUDIES: list[tuple[str, bytes, str]] = [
    ("StudyDate", b"20240131", ""),
    ("StudyDate", b"20240101-20240201", ""),
    ("StudyDate", b"-20240131", ""),
    ("StudyDate", b"20240201-", ""),
    ("StudyTime", b"120000", SECOND),
    ("StudyTime", b"1100-1300", ""),
    ("AccessionNumber", b"A1", ""),
    ("AccessionNumber", b"A*", ""),
    ("AccessionNumber", b"1*2", ""),
    ("AccessionNumber", b"X*", ""),
    ("StudyID", b"1", ""),
    ("StudyID", b"0?", ""),
    ("StudyID", b"S*", ""),
    ("ReferringPhysicianName", b"Who*", NAMES),
    ("ReferringPhysicianName", b"WHO^DOC", NAMES),
    ("ReferringPhysicianName", b"N*", ""),
    ("StudyDescription", b"Head", ""),
    ("StudyDescription", b"head", ""),
    ("StudyDescription", b"a_b%c", ""),
    ("StudyDescription", b"question?", ""),
    ("PatientSex", b"F", ""),
    ("PatientName", b"Wang*", ""),
    ("PatientName", b"Doe^Jane", ""),
    ("PatientName", b"doe*", NAMES),
    ("PatientBirthDate", b"19700131", ""),
    ("ModalitiesInStudy", b"CT", LACKING),
]
_BELOW = [
    Question(STUDY, level, {**above, keyword: value}, reason)
    for level, above, keyword, value, reason in (
        ("SERIES", _SERIES_OF_0, "Modality", b"CT", ""),
        ("SERIES", _SERIES_OF_0, "Modality", b"ct", ""),
        ("SERIES", _SERIES_OF_0, "Modality", b"C*", ""),
        ("SERIES", _SERIES_OF_0, "SeriesNumber", b"1", NUMBER),
        ("SERIES", _SERIES_OF_0, "BodyPartExamined", b"HEAD", LACKING),
        ("IMAGE", _IMAGES_OF_0, "InstanceNumber", b"1", ""),
        ("IMAGE", _IMAGES_OF_0, "InstanceNumber", b"abc", ""),
        ("IMAGE", _IMAGES_OF_0, "InstanceNumber", b"1 2", ""),
        ("IMAGE", _IMAGES_OF_0, "InstanceNumber", b"7", ""),
        ("IMAGE", _IMAGES_OF_0, "ContentDate", b"20240131", LACKING),
    )
]
QUESTIONS = [
    *_WHOLE,
    *_PATIENTS,
    *(Question(STUDY, "STUDY", {**_STUDIES, k: value}, why) for k, value, why in _OF_STUDIES),
    *_BELOW,
]


def compared(match: dict[int, bytes]) -> tuple[tuple[int, str], ...]:
    """Return the values of a match in the form in which they are compared."""
    sets = character_sets_of(match.get(CHARACTER_SET))
    ignored = {tag_for_keyword(keyword) for keyword in NOT_IN_DCMTK}
    found = []
    for tag, value in match.items():
        if tag in ignored or tag in (CHARACTER_SET, RETRIEVE_AE_TITLE):
            continue
        attribute = BY_TAG.get(tag)
        governed = attribute is not None and attribute.vr in TEXT_VRS
        stripped = value.strip(b"\0 ")
        text = decode(stripped, sets, is_name=True) if governed else stripped.decode("latin-1")
        found.append((tag, text))
    return tuple(sorted(found))
