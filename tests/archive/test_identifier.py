from __future__ import annotations

import pytest
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset

from gateway.datasets.coding import decode
from gateway.datasets.element_writer import ElementWriter
from gateway.uid import EXPLICIT_VR_BIG_ENDIAN as BIG
from gateway.uid import EXPLICIT_VR_LITTLE_ENDIAN as EXPLICIT
from gateway.uid import IMPLICIT_VR_LITTLE_ENDIAN as IMPLICIT
from tests.archive.character_set_samples import EXTENDED, SINGLE, STAND_ALONE
from tests.data_sets import identifier
from workers.archive.attributes import Level
from workers.archive.identifier import (
    PATIENT_ROOT,
    PATIENT_STUDY_ONLY,
    STUDY_ROOT,
    Model,
    find_query,
    retrieve_query,
)
from workers.archive.matching import BadIdentifier, Between, Equal, Like
from workers.archive.stored_text import unread

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

PATIENT = Model.of(f"{PATIENT_ROOT}1")
STUDY = Model.of(f"{STUDY_ROOT}1")
ONLY = Model.of(f"{PATIENT_STUDY_ONLY}1")
PATIENT_NAME = tuple(f"patient_name_key{number}" for number in (1, 2, 3))
ITEM = bytes.fromhex("fe ff 00 e0 00 00 00 00")


def find(made: Dataset, model: Model = STUDY, *, relational: bool = False):
    return find_query(made, model, relational=relational)


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


def test_a_patient_id_is_one_value_when_it_is_retrieved():
    """A list would send the images of patients A and B to one who was told of the ID `A\\B`."""
    made = identifier("PATIENT", PatientID="A\\B")
    ((level, condition),) = retrieve_query(made, PATIENT, relational=False).conditions
    assert (level, condition.values) == (Level.PATIENT, ("A\\B",))


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


def raw(*elements: tuple[int, str, bytes], syntax: str = EXPLICIT, level: str = "IMAGE") -> Dataset:
    """An identifier as it is decoded from elements in any VR."""
    above = (
        (0x00080052, "CS", level.encode()),
        (0x0020000D, "UI", b"1.3"),
        (0x0020000E, "UI", b"1.2"),
    )
    writer = ElementWriter(syntax)
    every = sorted({tag: (tag, vr, value) for tag, vr, value in (*above, *elements)}.values())
    return decode(writer.data_set(writer.element(*one) for one in every), syntax)


@pytest.mark.parametrize(
    ("tag", "vr", "value", "condition"),
    [
        (0x00080020, "LO", b"20240131", Between("study_date_key1", "20240131", "20240131")),
        (0x00080020, "DT", b"20240131120000-", Between("study_date_key1", "20240131", None)),
        (
            *(0x00080030, "DT", b"20240131120000"),
            Between("study_time_key1", "120000.000000", "120000.999999"),
        ),
        (0x00100010, "LO", b"Doe", Equal(PATIENT_NAME, ("doe",))),
        (0x00100020, "PN", b"P1", Equal(("patient_id",), ("P1",))),
        (0x00100020, "UT", b"P*", Like(("patient_id",), "P*")),
        (0x00200013, "US", b"\7\0", Equal(("instance_number_key1",), ("7",))),
        (0x00200013, "SL", b"\xff\xff\xff\xff", Equal(("instance_number_key1",), ("-1",))),
        (0x00200013, "DS", b"7.0", Equal(("instance_number_key1",), ("7",))),
        (0x00280010, "IS", b"512", Equal(("rows_key1",), ("512",))),
        (0x00280010, "FD", b"\0\0\0\0\0\0\x80\x40", Equal(("rows_key1",), ("512",))),
        (0x0020000D, "SH", b"1.3", Equal(("study_instance_uid",), ("1.3",))),
        (0x00080060, "UN", b"CT", Equal(("modality",), ("CT",))),
    ],
)
def test_a_key_in_another_vr_means_what_its_value_does(tag, vr, value, condition):
    asked = find(raw((tag, vr, value)))
    assert condition in [one for _, one in asked.query.conditions]
    assert not asked.is_partial


@pytest.mark.parametrize(
    ("uid", "stored"),
    [
        (b"1.2.826.ABC.1", "1.2.826.ABC.1"),
        (b"LOCALIZER2.16.840", "LOCALIZER2.16.840"),
        (b"1.2-3_4", "1.2-3_4"),
        (b"1." + b"2" * 70, "1." + "2" * 70),
        (b"1.2\n", "1.2"),
        (b" 1.2 ", "1.2"),
        (b"1.2\xe9", unread(b"1.2\xe9")),
    ],
)
def test_uids_work_as_keys_in_the_form_in_which_they_are_told(uid, stored):
    key = (0x0020000D, "UI", uid)
    condition = (Level.STUDY, Equal(("study_instance_uid",), (stored,)))
    assert condition in find(raw(key, level="STUDY")).query.conditions
    assert condition in retrieve_query(raw(key, level="STUDY"), STUDY, relational=False).conditions
    assert condition in find(raw(key, level="SERIES")).query.conditions


@pytest.mark.parametrize("uid", [b"*", b"1.2.*", b"1.2.?", b"1.2\\*"])
def test_a_uid_has_no_wildcards(uid):
    for ask in (find, lambda made: retrieve_query(made, STUDY, relational=False)):
        with pytest.raises(BadIdentifier, match=r"\(0020,000D\)"):
            ask(raw((0x0020000D, "UI", uid), level="STUDY"))


@pytest.mark.parametrize("vr", ["LO", "SQ", "UN", "OB", "US", "DA", "FD", "UT"])
@pytest.mark.parametrize("tag", [0x00080020, 0x00100010, 0x00100020, 0x00280010, 0x00200013])
def test_an_empty_key_in_another_vr_is_answered(tag, vr):
    asked = find(raw((tag, vr, b"")))
    assert keyword_for_tag(tag) in asked.keywords
    assert len(asked.query.conditions) == 2, "those of the levels above"


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [(0x00280010, "US", b"\1\2\3\4\5\6"), (0x00080020, "DT", b"noon"), (0x00100020, "SQ", ITEM)],
)
def test_a_key_that_means_nothing_is_named(tag, vr, value):
    with pytest.raises(BadIdentifier, match=rf"\({tag >> 16:04X},{tag & 0xFFFF:04X}\)"):
        find(raw((tag, vr, value)))


def test_odd_values_of_keys_that_are_not_supported_do_no_harm():
    asked = find(raw((0x00280030, "DS", b"abc"), (0x00081140, "US", b"\1")))
    assert asked.is_partial


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG])
def test_keys_in_each_byte_order(syntax):
    value = ElementWriter(syntax).unsigned_shorts([512])
    asked = find(raw((0x00280010, "US", value), syntax=syntax))
    assert Equal(("rows_key1",), ("512",)) in [one for _, one in asked.query.conditions]


@pytest.mark.parametrize(("sets", "value", "text"), [*SINGLE, *EXTENDED, *STAND_ALONE])
def test_names_in_each_character_set(sets, value, text):
    asked = find(raw((0x00080005, "CS", sets), (0x00100010, "PN", value)))
    expected = find(raw((0x00080005, "CS", b"ISO_IR 192"), (0x00100010, "PN", text.encode())))
    assert asked.query.conditions == expected.query.conditions
    assert len(asked.query.conditions) > 2


def test_a_key_finds_a_value_whose_bytes_are_of_no_character_set():
    asked = find(raw((0x00080005, "CS", b"ISO_IR 192"), (0x00081030, "LO", "Schädel".encode())))
    (_, condition), *_ = asked.query.conditions
    assert set(condition.values) == {"Schädel", unread(b"Sch\xe4del"), unread("Schädel".encode())}


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
