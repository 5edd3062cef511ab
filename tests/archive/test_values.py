from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.archive.attributes import ATTRIBUTES, BY_KEYWORD, Level
from workers.archive.comparison_keys import (
    date_key,
    datetime_key,
    name_keys,
    names,
    number_key,
    row,
    time_key,
)
from workers.archive.stored_text import clean


def test_every_attribute_has_a_column_of_its_own():
    names = [name for a in ATTRIBUTES for name in {a.column, *a.keys}]
    assert len(names) == len(set(names))
    assert BY_KEYWORD["SOPInstanceUID"].column == "sop_instance_uid"
    assert BY_KEYWORD["IssuerOfPatientID"].column == "issuer_of_patient_id"


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        (date_key, "20240131", "20240131"),
        (date_key, "2024.01.31", "20240131"),
        (date_key, "2024", None),
        (time_key, "10", "100000.000000"),
        (time_key, "10:15:30", "101530.000000"),
        (time_key, "101530.5", "101530.500000"),
        (time_key, "x", None),
        (datetime_key, "2024", "20240101000000.000000"),
        (datetime_key, "20240131101530+0100", "20240131091530.000000"),
        (datetime_key, "99999999999999+0100", "99999999999999.000000"),
        (datetime_key, "x", None),
        (number_key, "+007", "7"),
        (number_key, "-0", "0"),
        (number_key, "", None),
        (number_key, "x", "x"),
    ],
)
def test_keys(key, text, expected):
    assert key(text) == expected


def test_names_are_compared_without_case_width_and_trailing_delimiters():
    assert name_keys("DOE^Jane^^") == ("doe^jane", "", "")
    assert name_keys("\uff24\uff4f\uff45 =山田^太郎") == ("doe", "山田^太郎", "")
    assert name_keys("a=b=c=d") == ("a", "b", "c")


@given(st.text())
def test_any_text_becomes_columns(text):
    texts = {attribute.keyword: clean(text) for attribute in ATTRIBUTES}
    for level in Level:
        values = row(level, texts)
        assert len(values) == len(names(level))
        assert all(value is None or "\0" not in value for value in values)
    assert len(clean(text * 2000)) <= 1024


def test_what_is_not_there_is_no_value():
    patient = dict(zip(names(Level.PATIENT), row(Level.PATIENT, {}), strict=True))
    assert patient.pop("patient_name_key1") == ""
    assert patient.pop("patient_name_key2") == patient.pop("patient_name_key3") == ""
    assert set(patient.values()) == {None}
    series = dict(zip(names(Level.SERIES), row(Level.SERIES, {"SeriesNumber": ""}), strict=True))
    assert series["series_number"] == ""
    assert series["series_number_key1"] is None


@pytest.mark.parametrize("text", ["2024", "99999999", "20241301", "20240100", "2024-1-1", ""])
def test_what_is_no_date_is_in_no_range(text):
    study = dict(zip(names(Level.STUDY), row(Level.STUDY, {"StudyDate": text}), strict=True))
    assert (study["study_date"], study["study_date_key1"]) == (text, None)


def test_columns_and_their_keys():
    texts = {"PatientName": "Doe^J", "PatientBirthDate": "1970.01.02", "PatientBirthTime": "10"}
    patient = dict(zip(names(Level.PATIENT), row(Level.PATIENT, texts), strict=True))
    assert (patient["patient_name"], patient["patient_name_key1"]) == ("Doe^J", "doe^j")
    assert patient["patient_birth_date"] == "1970.01.02"
    assert patient["patient_birth_date_key1"] == "19700102"
    assert patient["patient_birth_time"] == "10"
    assert patient["patient_birth_time_key1"] == "100000.000000"
