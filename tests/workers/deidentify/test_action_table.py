"""PS3.15 Table E.1-1, attribute by attribute: the lines, and what becomes of a value by each."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag

from tests.workers.deidentify.examples import (
    CT,
    ENHANCED_CT,
    SECRET,
    profile,
    texts_in,
    value_of,
    with_element,
)
from workers.deidentify.action_table import NOT_DONE, OPTIONS, ActionRow, AttributeAction, all_rows
from workers.deidentify.deidentifier import NotCleaned, deidentify
from workers.deidentify.iod_types import decide

PATIENT = ("PatientName", "PatientID")
REFUSED = ("EncapsulatedDocument",)
ROWS = [
    row
    for row in all_rows()
    if "X" not in row.tag and int(row.tag, 16) >> 16 >= 8 and dictionary_has_tag(int(row.tag, 16))
]
"""The lines of single attributes of data sets that pydicom knows; it removes those that it does
not."""
CLEANED_LATER = {"00080300", "04000500", "04000550"}


def by_keyword(keyword: str) -> ActionRow:
    (row,) = [one for one in all_rows() if one.keyword == keyword]
    return row


def test_the_table_is_whole() -> None:
    rows = all_rows()
    assert len(rows) == 656
    assert len({row.tag for row in rows}) == len(rows)
    assert {name for row in rows for name, _ in row.options} | {"clean_pixels"} == set(OPTIONS)
    single = {"X", "Z", "D", "U"}
    several = {"X/Z", "X/D", "X/Z/D", "Z/D", "X/Z/U*"}
    assert {row.basic for row in rows} == single | several
    for row in ROWS:
        assert row.keyword == keyword_for_tag(int(row.tag, 16))


# Stated again by hand, as a check of the file.
@pytest.mark.parametrize(
    ("keyword", "basic", "options"),
    [
        ("AccessionNumber", "Z", {}),
        ("AcquisitionDate", "X/Z", {"retain_full_dates": "K", "retain_modified_dates": "C"}),
        ("AcquisitionDateTime", "X/Z/D", {"retain_full_dates": "K", "retain_modified_dates": "C"}),
        ("AcquisitionContextSequence", "X/Z", {"clean_structured_content": "C"}),
        ("AcquisitionProtocolDescription", "X", {"clean_descriptors": "C"}),
        (
            "Allergies",
            "X",
            {"retain_patient_characteristics": "C", "clean_descriptors": "C"},
        ),
        ("ClinicalTrialCoordinatingCenterName", "Z", {"retain_institution_identity": "K"}),
        ("ContentDate", "Z/D", {"retain_full_dates": "K", "retain_modified_dates": "C"}),
        ("ContentSequence", "D", {"clean_structured_content": "C"}),
        ("ContrastBolusAgent", "Z/D", {"clean_descriptors": "C"}),
        ("DeviceSerialNumber", "X/Z/D", {"retain_device_identity": "K"}),
        ("DeviceUID", "U", {"retain_uids": "K", "retain_device_identity": "K"}),
        ("DigitalSignaturesSequence", "X", {}),
        ("FrameOfReferenceUID", "U", {"retain_uids": "K"}),
        ("GraphicAnnotationSequence", "D", {"clean_graphics": "C"}),
        ("InstitutionName", "X/Z/D", {"retain_institution_identity": "K"}),
        ("OtherPatientIDs", "X", {}),
        ("PatientAge", "X", {"retain_patient_characteristics": "K"}),
        ("PatientBirthDate", "Z", {}),
        ("PatientName", "Z", {}),
        ("PatientSex", "Z", {"retain_patient_characteristics": "K"}),
        ("PatientWeight", "X", {"retain_patient_characteristics": "K"}),
        ("PersonIdentificationCodeSequence", "D", {}),
        ("PersonName", "D", {}),
        ("ProtocolName", "X/D", {"clean_descriptors": "C"}),
        ("ReferencedImageSequence", "X/Z/U*", {"retain_uids": "K"}),
        ("ReferencedPatientSequence", "X", {}),
        ("ReferencedSOPInstanceUID", "U", {"retain_uids": "K"}),
        ("ReferringPhysicianName", "Z", {}),
        ("SeriesDescription", "X", {"clean_descriptors": "C"}),
        ("SOPInstanceUID", "U", {"retain_uids": "K"}),
        ("StationName", "X/Z/D", {"retain_device_identity": "K"}),
        ("StudyDate", "Z", {"retain_full_dates": "K", "retain_modified_dates": "C"}),
        ("StudyDescription", "X", {"clean_descriptors": "C"}),
        ("StudyID", "Z", {}),
        ("StudyTime", "Z", {"retain_full_dates": "K", "retain_modified_dates": "C"}),
        ("TimezoneOffsetFromUTC", "X", {"retain_full_dates": "K", "retain_modified_dates": "C"}),
        ("VerifyingObserverName", "D", {}),
    ],
)
def test_a_line_is_as_printed(keyword: str, basic: str, options: dict[str, str]) -> None:
    row = by_keyword(keyword)
    assert (row.basic, dict(row.options)) == (basic, options)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.keyword)
def test_the_basic_profile(row: ActionRow) -> None:
    tag = int(row.tag, 16)
    vr = dictionary_VR(tag).split()[0]
    given = with_element(tag, vr, value_of(vr))
    if row.keyword in REFUSED:
        with pytest.raises(NotCleaned, match="encapsulated document"):
            deidentify(given, profile())
        return
    made = deidentify(given, profile()).dataset
    assert SECRET not in texts_in(made)
    check(row, decide(row.basic, row.keyword, CT, is_nested=False), made, vr)


@pytest.mark.parametrize(
    ("row", "option"),
    [(row, option) for row in ROWS for option, _ in row.options],
    ids=lambda one: one.keyword if isinstance(one, ActionRow) else one,
)
def test_an_option(row: ActionRow, option: str) -> None:
    tag = int(row.tag, 16)
    vr = dictionary_VR(tag).split()[0]
    given = with_element(tag, vr, value_of(vr))
    made = deidentify(given, profile(option)).dataset
    if dict(row.options)[option] == "K":
        assert tag in made
        assert vr == "SQ" or made[tag].value == given[tag].value
        return
    assert vr == "SQ" or SECRET not in texts_in(made)
    if option == "retain_modified_dates" and vr == "TM":
        assert made[tag].value == value_of(vr)
    elif option == "retain_modified_dates" and vr in ("DA", "DT"):
        assert made[tag].value[:8] < "20210314"
        assert made[tag].value[8:] == value_of(vr)[8:]
    elif vr == "SQ":
        assert len(made[tag].value) == 1


def check(row: ActionRow, action: AttributeAction, made: Any, vr: str) -> None:
    """Compare what is there with what an action demands."""
    tag = int(row.tag, 16)
    if row.keyword in PATIENT:
        assert len(str(made[tag].value)) == 16
    elif row.tag in CLEANED_LATER or action is AttributeAction.REMOVE:
        assert tag not in made
    elif action is AttributeAction.EMPTY:
        assert made[tag].is_empty
    elif action is AttributeAction.UID:
        assert made[tag].value.startswith("2.25.")
    elif action is AttributeAction.DUMMY:
        assert not made[tag].is_empty
        assert vr == "SQ" or str(made[tag].value) != str(value_of(vr))
    else:
        assert tag in made


@pytest.mark.parametrize(
    ("actions", "keyword", "sop_class", "is_nested", "expected"),
    [
        ("X/Z/D", "AcquisitionDateTime", CT, False, "X"),  # type 3 there
        ("X/Z/D", "AcquisitionDateTime", ENHANCED_CT, False, "D"),  # type 1C there
        ("X/Z", "AcquisitionDate", CT, False, "X"),
        ("X/Z/D", "InstitutionName", CT, False, "X"),
        ("X/Z/D", "InstitutionName", CT, True, "D"),
        ("Z/D", "ContentDate", CT, False, "Z"),  # type 2C there
        ("X/Z/D", "DeviceSerialNumber", CT, False, "X"),
        ("X/Z/D", "DeviceSerialNumber", ENHANCED_CT, False, "D"),
        ("X/Z/D", "DeviceSerialNumber", "1.2.3", False, "D"),  # not known: the strictest
        ("X/Z/U*", "ReferencedImageSequence", CT, False, "X"),
        ("X/Z/U*", "ReferencedImageSequence", "1.2.3", False, "K"),  # with UIDs replaced in it
        ("X/Z", "ReferencedStudySequence", "1.2.3", False, "Z"),
    ],
)
def test_what_the_iod_demands(
    actions: str, keyword: str, sop_class: str, is_nested: bool, expected: str
) -> None:
    assert decide(actions, keyword, sop_class, is_nested=is_nested) is AttributeAction(expected)


def test_each_option_of_annex_e_is_done_or_refused() -> None:
    codes = {code for code, _ in OPTIONS.values()}
    assert codes == {str(code) for code in range(113101, 113113)} - {"113102"}
    assert set(NOT_DONE) == {"clean_recognizable_visual_features"}
