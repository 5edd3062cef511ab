"""What the query worker answers for odd values: all matches, with the bytes that were stored."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from gateway import events
from gateway.datasets.coding import decode
from gateway.datasets.element_writer import ElementWriter
from gateway.dimse import message as dimse
from gateway.sdk import testing
from gateway.sdk.testing.simulated_request import SimulatedRequest
from gateway.uid import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from tests.archive.character_set_samples import EXTENDED, SINGLE, STAND_ALONE
from tests.archive.conftest import entry
from tests.workers.holdings import Holdings
from workers import query
from workers.archive.attributes import ATTRIBUTES, BY_KEYWORD, Level
from workers.archive.header import scan
from workers.archive.identifier import PATIENT_ROOT, STUDY_ROOT
from workers.archive.index import SqliteIndex
from workers.archive.layout import FOLDER, INDEX

STUDY = f"{STUDY_ROOT}1"
SYNTAXES = (
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
)
CHARACTER_SET, NAME, DESCRIPTION = 0x00080005, 0x00100010, 0x00081030


@pytest.fixture
def stored(tmp_path):
    """Stores data sets of these elements, and asks for all attributes at a level."""
    holdings = Holdings(tmp_path)

    def store_and_ask(
        *data_sets: dict[int, bytes | tuple[str, bytes]],
        level: str = "STUDY",
        syntax: str = EXPLICIT_VR_LITTLE_ENDIAN,
    ) -> list[dict[int, bytes]]:
        with SqliteIndex(holdings.data / FOLDER / INDEX, durable=False) as index:
            for number, one in enumerate(data_sets):
                uid = f"1.{number}".encode()
                values = {0x00080018: uid, 0x0020000D: b"3." + uid, 0x0020000E: b"2." + uid, **one}
                writer = ElementWriter(EXPLICIT_VR_LITTLE_ENDIAN)
                elements = [
                    writer.element(tag, *(value if type(value) is tuple else (vr_of(tag), value)))
                    for tag, value in sorted(values.items())
                ]
                index.add(
                    entry(uid.decode()), scan(writer.data_set(elements), "1.2.840.10008.1.2.1")
                )
        with testing.started(query.worker, holdings.data) as worker:
            return matches(worker, everything(level), syntax)

    return store_and_ask


VALUES_IN_OTHER_VRS = [
    ("Rows", "IS", b"512 ", b"\0\2"),
    ("Rows", "UL", b"\0\2\0\0", b"\0\2"),
    ("Rows", "UN", b"\0\2", b"\0\2"),
    ("Rows", "LO", b"many", b"many"),
    ("Columns", "FD", b"\0\0\0\0\0\0\x80\x40", b"\0\2"),
    ("InstanceNumber", "US", b"\7\0", b"7 "),
    ("InstanceNumber", "SL", b"\xff\xff\xff\xff", b"-1"),
    ("InstanceNumber", "DS", b"1.5 ", b"1.5 "),
    ("SeriesNumber", "US", b"\1\0\2\0", b"1\\2 "),
    ("StudyDate", "DT", b"20240131", b"20240131"),
    ("PatientID", "UN", b"P9", b"P9"),
    ("PatientID", "PN", b"P9", b"P9"),
    ("PatientName", "LT", b"Doe ", b"Doe "),
    ("Modality", "OB", b"CT", b"CT"),
]


@pytest.mark.parametrize(("keyword", "vr", "value", "answered"), VALUES_IN_OTHER_VRS)
def test_a_value_in_another_vr_is_answered_in_its_own(stored, keyword, vr, value, answered):
    tag = BY_KEYWORD[keyword].tag
    for _ in range(2):  # the second time its header is known
        *_, match = stored({tag: (vr, value)}, {}, {tag: (vr, value)}, level="IMAGE")
        assert match[tag] == answered


def vr_of(tag: int) -> str:
    return "CS" if tag == CHARACTER_SET else next(a.vr for a in ATTRIBUTES if a.tag == tag)


def everything(level: str) -> Dataset:
    asked = Dataset()
    asked.QueryRetrieveLevel = level
    for attribute in ATTRIBUTES:
        if attribute.level <= Level[level]:
            setattr(asked, attribute.keyword, None)
    return asked


def matches(worker, asked: Dataset, syntax: str) -> list[dict[int, bytes]]:
    """The values of each match as bytes; the query must succeed."""
    request = SimulatedRequest(events.EVT_C_FIND, dimse.CFindRQ(1, STUDY, 2), STUDY, syntax)
    peer = testing.Peer(sop_class_extended={STUDY: b"\1"}, sop_class_extended_answer={STUDY: b"\1"})
    *pending, final = request.answers(worker, (), peer, request.encode(asked))
    assert final.payload["status"] == 0x0000
    found = []
    for answer in pending:
        assert answer.payload["status"] == 0xFF00
        match = decode(answer.data, syntax)
        found.append({int(tag): value_of(match, tag) for tag in match.keys()})  # noqa: SIM118
    return found


def value_of(match: Dataset, tag: int) -> bytes:
    """The bytes of a value; pydicom converts the character set at once."""
    value = match.get_item(tag).value or b""
    return value.encode() if isinstance(value, str) else value


ODD = {
    "PatientSex": [b"\xc4\xd0", b"male person"],
    "InstanceNumber": [b"abc ", b"1 2 ", b"1.5 ", b"9" * 20],
    "Modality": [b"\xc4\xd0", b"ct", b"CT\\MR ", b"A\0B "],
    "BodyPartExamined": [b"\xff ", b"left knee!"],
    "StudyDate": [b"2024", b"\xff\xfe", b"20249999", b"01/02/03"],
    "StudyTime": [b"noon", b"\x80 ", b"25:61 "],
    "SeriesNumber": [b"one ", b"\xe4 ", b"1\\2 "],
    "PatientBirthDate": [b"unknown ", b"18991332"],
    "AcquisitionDateTime": [b"yesterday ", b"2024-01-02T03:04:05Z"],
    "NumberOfFrames": [b"many", b"-1"],
    "Rows": [b"\1\0\2\0", b"\xff\xff"],
    "StudyID": [b"x" * 200, b"tab\there"],
    "PatientID": [b"M\xfcller", b"\x1b$)Zxyz", b"A\0\0B"],
    "PatientName": [b"a=b=c=d=e ", b"M\xfcllers", "Œ".encode() + b"e", b"a\\b "],
    "SOPClassUID": [b"not a UID ", b"1.2.\xe9 "],
}
CASES = [(keyword, value) for keyword, values in ODD.items() for value in values]


@pytest.mark.parametrize(("keyword", "value"), CASES)
def test_an_odd_value_is_answered_as_it_is_stored_and_so_are_the_others(stored, keyword, value):
    tag = BY_KEYWORD[keyword].tag
    before, odd, after = stored({}, {tag: value}, {}, level="IMAGE")
    if keyword == "SOPClassUID":
        assert odd[tag].startswith(b"1.2.840"), "that of the command"
    else:
        assert odd[tag] == value + b" " * (len(value) % 2)
    assert (before[0x0020000D], after[0x0020000D]) == (b"3.1.0\0", b"3.1.2\0")


def test_a_value_that_is_too_long_is_answered_empty(stored):
    (match,) = stored({DESCRIPTION: b"x" * 1025})
    assert match[DESCRIPTION] == b""


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_numbers_in_each_transfer_syntax(stored, syntax):
    (match,) = stored({0x00280010: b"\0\2"}, level="IMAGE", syntax=syntax)
    assert match[0x00280010] == (b"\2\0" if syntax == EXPLICIT_VR_BIG_ENDIAN else b"\0\2")


@pytest.mark.parametrize(("sets", "value", "text"), [*SINGLE, *EXTENDED, *STAND_ALONE])
def test_a_name_in_each_character_set_is_answered_in_utf_8(stored, sets, value, text):
    (match,) = stored({CHARACTER_SET: sets, NAME: value})
    assert match[NAME].decode().rstrip(" ") == text
    assert match.get(CHARACTER_SET) == (None if text.isascii() else b"ISO_IR 192")


def test_the_character_set_of_an_answer_encodes_all_of_its_values(stored):
    first, second, third, fourth = stored(
        {CHARACTER_SET: b"ISO_IR 192", NAME: b"M\xfcller", DESCRIPTION: "Schädel".encode()},
        {CHARACTER_SET: b"ISO_IR 192", NAME: b"M\xfcller", DESCRIPTION: "頭".encode()},
        {CHARACTER_SET: b"ISO_IR 192", NAME: "張".encode(), DESCRIPTION: b"a \x1b$Z"},
        {CHARACTER_SET: b"ISO_IR 192", NAME: b"Doe ", DESCRIPTION: b"\x1b$Z b"},
    )
    assert first[CHARACTER_SET].strip() == b"ISO_IR 100"
    assert (first[NAME], first[DESCRIPTION]) == (b"M\xfcller", b"Sch\xe4del ")
    assert second[CHARACTER_SET] == b"ISO_IR 192"
    assert (second[NAME], second[DESCRIPTION].decode()) == (b"", "頭 ")
    assert (third[NAME].decode(), third[DESCRIPTION]) == ("張 ", b"")
    assert CHARACTER_SET not in fourth
    assert fourth[DESCRIPTION] == b"\x1b$Z b "


@pytest.mark.parametrize(
    ("model", "level", "above"),
    [
        (f"{PATIENT_ROOT}1", "STUDY", {"PatientID": "P1"}),
        (STUDY, "STUDY", {}),
        (STUDY, "SERIES", {"StudyInstanceUID": "1.3"}),
        (STUDY, "IMAGE", {"StudyInstanceUID": "1.3", "SeriesInstanceUID": "1.2"}),
    ],
)
def test_where_to_retrieve_from_is_said_without_being_asked(tmp_path, model, level, above):
    holdings = Holdings(tmp_path)
    holdings.put({"SOPInstanceUID": "1.1"})
    asked = Dataset()
    asked.QueryRetrieveLevel = level
    for keyword, value in above.items():
        setattr(asked, keyword, value)
    with testing.started(query.worker, holdings.data) as worker:
        (status, match), _ = testing.find(worker, asked, sop_class=model, called_ae_title="HERE")
    assert (status, match.RetrieveAETitle, match.QueryRetrieveLevel) == (0xFF00, "HERE", level)
    assert set(match.dir()) == {"QueryRetrieveLevel", "RetrieveAETitle", *above}


def test_another_archive_finds_its_patients_without_a_place(tmp_path):
    holdings = Holdings(tmp_path)
    holdings.put({"SOPInstanceUID": "1.1"})
    asked = Dataset()
    asked.QueryRetrieveLevel = "PATIENT"
    with testing.started(query.worker, holdings.data) as worker:
        (_, match), _ = testing.find(worker, asked, sop_class=f"{PATIENT_ROOT}1")
    assert match.dir() == ["QueryRetrieveLevel"]
