from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from workers.archive.attributes import Level
from workers.archive.identifier import (
    PATIENT_ROOT,
    PATIENT_STUDY_ONLY,
    STUDY_ROOT,
    Model,
    find_query,
    retrieve_query,
)
from workers.archive.matching import BadIdentifier, Equal, Like

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

PATIENT = Model.of(f"{PATIENT_ROOT}1")
STUDY = Model.of(f"{STUDY_ROOT}1")
ONLY = Model.of(f"{PATIENT_STUDY_ONLY}1")


def identifier(level: str | None = "STUDY", **keys) -> Dataset:
    made = Dataset()
    if level is not None:
        made.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(made, keyword, value)
    return made


def find(made: Dataset, model: Model = STUDY, *, relational: bool = False):
    return find_query(made, model, relational=relational, with_holders=False)


@pytest.mark.parametrize(
    ("model", "levels"),
    [
        (PATIENT, ["PATIENT", "STUDY", "SERIES", "IMAGE"]),
        (STUDY, ["STUDY", "SERIES", "IMAGE"]),
        (ONLY, ["PATIENT", "STUDY"]),
    ],
)
def test_levels_of_each_model(model, levels):
    keys = {"PatientID": "1", "StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.3"}
    for level in ("PATIENT", "STUDY", "SERIES", "IMAGE"):
        if level in levels:
            assert find(identifier(level, **keys), model).query.level.name == level
        else:
            with pytest.raises(BadIdentifier, match=r"\(0008,0052\)"):
                find(identifier(level, **keys), model)


def test_no_model():
    with pytest.raises(ValueError, match="is not an information model"):
        Model.of("1.2.840.10008.5.1.4.31")


@pytest.mark.parametrize("level", [None, "", "study", "STUDY ROOT"])
def test_no_level(level):
    with pytest.raises(BadIdentifier, match=r"\(0008,0052\)"):
        find(identifier(level))


def test_keys_above_need_one_value():
    for uid in ("", "1.2\\1.3"):
        with pytest.raises(BadIdentifier, match=r"\(0020,000D\)"):
            find(identifier("SERIES", StudyInstanceUID=uid.split("\\") if uid else ""))
    with pytest.raises(BadIdentifier, match=r"\(0010,0020\)"):
        find(identifier("STUDY", PatientID="A*"), PATIENT)
    assert find(identifier("SERIES", Modality="CT"), relational=True)


def test_what_is_asked_for():
    asked = find(
        identifier(
            "STUDY",
            PatientName="Doe*",
            StudyInstanceUID="",
            Modality="CT",
            NumberOfStudyRelatedSeries=None,
            ModalitiesInStudy=["CT", "MR"],
            RetrieveAETitle="",
            PerformingPhysicianName="x",
        )
    )
    assert asked.keywords == (
        *("PatientName", "StudyInstanceUID"),
        *("ModalitiesInStudy", "NumberOfStudyRelatedSeries"),
    )
    assert asked.extra == {"RetrieveAETitle"}
    ((level, condition),) = asked.query.conditions
    assert level is Level.PATIENT
    assert isinstance(condition, Like)
    assert asked.query.modalities == (Equal(("modality",), ("CT", "MR")),)
    assert asked.is_partial


@pytest.mark.parametrize(
    ("keys", "is_partial"),
    [
        (
            {"StudyInstanceUID": "", "PatientName": "Doe*", "NumberOfStudyRelatedSeries": None},
            False,
        ),
        ({"ModalitiesInStudy": "CT", "RetrieveAETitle": "", "InstanceAvailability": ""}, False),
        ({"SpecificCharacterSet": "ISO_IR 192", "TimezoneOffsetFromUTC": "+0100"}, False),
        ({"NumberOfStudyRelatedSeries": 3}, True),
        ({"SOPClassesInStudy": "1.2.3"}, True),
        ({"PerformingPhysicianName": ""}, True),
        ({"Modality": ""}, True),
        ({"RequestAttributesSequence": [Dataset()]}, True),
    ],
)
def test_keys_that_are_not_supported(keys, is_partial):
    assert find(identifier("STUDY", **keys)).is_partial is is_partial


def test_a_wrong_vr_is_named():
    made = identifier()
    made.add_new(0x00080020, "LO", "x")
    with pytest.raises(BadIdentifier, match=r"\(0008,0020\) has VR LO, not DA"):
        find(made)


@pytest.mark.parametrize(
    ("keyword", "value", "tag"),
    [
        ("StudyDate", "yesterday", "(0008,0020)"),
        ("StudyTime", "25h", "(0008,0030)"),
        ("StudyDate", "20200101-x", "(0008,0020)"),
        ("StudyInstanceUID", "1.2*", "(0020,000D)"),
        ("StudyInstanceUID", "*", "(0020,000D)"),
        ("StudyDate", "2024*", "(0008,0020)"),
        ("StudyDate", "-", "(0008,0020)"),
        ("StudyDate", ["20240101", "20240102"], "(0008,0020)"),
        ("StudyTime", "10?5", "(0008,0030)"),
        ("PatientName", "a=b=c=d", "(0010,0010)"),
        ("PatientName", ["Doe", "Roe"], "(0010,0010)"),
        ("StudyDescription", ["a", "b"], "(0008,1030)"),
        ("AccessionNumber", ["a", "b"], "(0008,0050)"),
    ],
)
def test_a_value_that_is_none_is_named(keyword, value, tag):
    with pytest.raises(BadIdentifier) as error:
        find(identifier(**{keyword: value}))
    assert str(error.value).startswith(tag)
    assert len(str(error.value)) <= 64


def test_retrieving_needs_a_key_of_its_level():
    with pytest.raises(BadIdentifier, match=r"\(0020,000D\) is required at level"):
        retrieve_query(identifier(StudyDate="20200101"), STUDY, relational=False)
    for star in ("*", "?", "*\\1.2"):
        made = identifier(StudyInstanceUID="")
        made["StudyInstanceUID"]._value = star
        with pytest.raises(BadIdentifier, match=r"\(0020,000D\)"):
            retrieve_query(made, STUDY, relational=False)
    query = retrieve_query(
        identifier("IMAGE", StudyInstanceUID="1", SeriesInstanceUID="2", SOPInstanceUID=["3", "4"]),
        STUDY,
        relational=False,
    )
    assert query.level is Level.IMAGE
    assert [condition.values for _, condition in query.conditions] == [("1",), ("2",), ("3", "4")]
