"""The conditions of routes: what they mean, and what is said of a wrong one."""

from __future__ import annotations

import pytest

from gateway.errors import ConfigError
from gateway.route_language import ATTRIBUTE_TAGS, parse
from workers.archive.attributes import ATTRIBUTES

FACTS = {
    "Modality": "CT",
    "calling": "CT1",
    "address": "10.1.2.3",
    "Rows": "512",
    "PatientID": "0012",
    "StudyDate": "20260105",
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
    "StudyDescription": "Thorax [a]*",
    "BodyPartExamined": "CHEST\\ARM",
}


@pytest.mark.parametrize(
    "text",
    [
        "",
        'Modality == "CT"',
        "Modality == 'CT'",
        '00080060 == "CT"',
        'Modality != "MR"',
        'Modality in ["MR", "CT"]',
        'Modality not in ["MR"]',
        'calling like "CT*" and not calling like "*2"',
        'calling not like "MR?"',
        'address == "10.1.2.3" and address in ["10.0.0.0/8", "192.168.0.1"]',
        "Rows > 99 and Rows >= 512 and Rows <= 512 and Rows < 1000",
        'PatientID != "12" and PatientID == "0012"',
        "StudyDate >= 20260101 and StudyDate < 20260201",
        'SOPClassUID == "CTImageStorage"',
        'StudyDescription like "Thorax [[]a]*" or StudyDescription like "*[a]*"',
        'BodyPartExamined == "ARM" and BodyPartExamined == "CHEST"',
        "present(Modality) and not present(AccessionNumber)",
        'AccessionNumber != "1" and not AccessionNumber == "1"',
        'Modality == "MR" or Modality == "CT" and calling == "CT1"',
        'not (Modality == "MR" or calling == "CT2")',
    ],
)
def test_what_holds(text: str) -> None:
    assert parse(text).holds(FACTS)


@pytest.mark.parametrize(
    "text",
    [
        'Modality == "ct"',
        'PatientID == "12"',
        'AccessionNumber like "*"',
        "AccessionNumber < 3",
        'address in ["10.2.0.0/16"]',
        '(Modality == "MR" or Modality == "CT") and calling == "CT2"',
        "Rows > 512",
        'Modality != "CT"',
    ],
)
def test_what_does_not_hold(text: str) -> None:
    assert not parse(text).holds(FACTS)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('Modality = "CT"', "at character 10: '=' is not an operator: write =="),
        ('Modality == "CT" && Rows > 3', "at character 18: '&&' is not expected"),
        ('modality == "CT"', "at character 1: there is no 'modality' in the index; did you mean M"),
        ('Manufacturer == "X"', "at character 1: there is no 'Manufacturer' in the index"),
        ("Modality == CT", "at character 13: 'CT' is not a value: put it in quotes"),
        ('Modality == "CT', "at character 13: '\"CT': the text is not closed"),
        ('Modality in "CT"', "at character 13: '\"CT\"' is not expected: write a list after `in`"),
        ('Modality in ["CT"', "at character 18: 'the end' is not expected: the list is not closed"),
        ('(Modality == "CT"', "a parenthesis is not closed"),
        ("Modality", "at character 9: 'the end' is not an operator"),
        ('Modality == "CT" Rows > 3', "at character 18: 'Rows' is not expected: join conditions"),
        ("Modality not == 3", "at character 14: write `in` or `like` after `not`"),
        ('SOPClassUID == "CTImageStorag"', "'CTImageStorag' is not a UID; did you mean CTImageS"),
        ('address == "somewhere"', "'somewhere' is not an address or a network"),
        ("present Modality", "write present(NAME)"),
        ("and", "at character 1: 'and' is not expected: a name stands here"),
        ("Rows > 3 ; drop", "at character 10: '; drop': unexpected"),
        ("not " * 60 + "Rows > 3", "more than 50 conditions within each other"),
        ("(" * 60 + "Rows > 3" + ")" * 60, "more than 50 conditions within each other"),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_what_to_write(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(text)
    assert error in str(raised.value)


def test_every_attribute_of_the_index_can_be_named() -> None:
    known = {one.keyword: one.tag for one in ATTRIBUTES} | {"TransferSyntaxUID": 0x00020010}
    assert known == ATTRIBUTE_TAGS
