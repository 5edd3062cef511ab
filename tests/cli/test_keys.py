"""Keys from the command line to identifiers, and matches to text."""

from __future__ import annotations

import json
import warnings

import pytest
import typer
from pydicom import config as pydicom_config
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from gateway.cli.information_models import QueryLevel, Root, model
from gateway.cli.keys import flat, identifier, plain, returned_by
from gateway.datasets.coding import decode, encode
from gateway.uid import KEYWORDS
from tests.peers import wire


@pytest.fixture(autouse=True)
def _settings():
    """Restore what a command changes for its process."""
    settings = pydicom_config.settings
    modes = settings.reading_validation_mode, settings.writing_validation_mode
    with warnings.catch_warnings():
        yield
    settings.reading_validation_mode, settings.writing_validation_mode = modes


@pytest.mark.parametrize(
    "key", ["PatientID=1", "0010,0020=1", "00100020=1", "(0010,0020)=1", " PatientID=1"]
)
def test_a_key_by_keyword_or_tag(key: str) -> None:
    assert identifier([key], None).PatientID == "1"


def test_level_values_and_empty_keys() -> None:
    query = identifier(
        ["StudyDate=20240101-20240131", "PatientName", "ModalitiesInStudy=CT\\MR", "Rows=0x200"],
        QueryLevel.SERIES,
        ("PatientID",),
    )
    assert query.QueryRetrieveLevel == "SERIES"
    assert query.StudyDate == "20240101-20240131"
    assert list(query.ModalitiesInStudy) == ["CT", "MR"]
    assert query.Rows == 512
    for syntax in (wire.IMPLICIT, wire.EXPLICIT):
        assert decode(encode(query, syntax), syntax).PatientID in (None, "")


def test_path_into_sequences() -> None:
    query = identifier(
        [
            "ScheduledProcedureStepSequence[0].Modality=CT",
            "ScheduledProcedureStepSequence.ScheduledStationAETitle=A",
            "RequestedProcedureCodeSequence",
        ],
        None,
    )
    (step,) = query.ScheduledProcedureStepSequence
    assert (step.Modality, step.ScheduledStationAETitle) == ("CT", "A")
    assert len(query.RequestedProcedureCodeSequence) == 1


def test_text_that_is_not_ascii_says_its_character_set() -> None:
    query = identifier(["PatientName=Müller*"], None)
    assert query.SpecificCharacterSet == "ISO_IR 192"
    assert "Müller*".encode() in encode(query, wire.EXPLICIT)


def test_private_tag() -> None:
    assert identifier(["0009,1001=x"], None)[0x0009, 0x1001].value == "x"


@pytest.mark.parametrize(
    "key", ["", "=1", "Nothing=1", "00100=1", "RequestedProcedureCodeSequence=1", "Rows=x"]
)
def test_what_is_no_key(key: str) -> None:
    with pytest.raises(typer.BadParameter):
        identifier([key], None)


def test_models() -> None:
    assert model(Root.STUDY, "Move") == KEYWORDS["StudyRootQueryRetrieveInformationModelMove"]
    with pytest.raises(typer.BadParameter):
        model(Root.WORKLIST, "Move")
    for root in Root:
        for level in QueryLevel:
            identifier([], level, returned_by(root, level))


def match() -> Dataset:
    data_set = Dataset()
    data_set.QueryRetrieveLevel = "STUDY"
    data_set.PatientName = "Doe^Jane"
    data_set.ModalitiesInStudy = ["CT", "MR"]
    data_set.NumberOfStudyRelatedInstances = "12"
    data_set.PatientWeight = "70.5"
    data_set.ProcedureCodeSequence = Sequence([Dataset(), Dataset()])
    data_set.ProcedureCodeSequence[0].CodeValue = "A"
    data_set.ProcedureCodeSequence[1].CodeValue = "B"
    data_set.add_new(0x00091001, "UN", b"\x01\x02")
    data_set.AccessionNumber = ""
    return data_set


def test_match_for_a_table() -> None:
    assert dict(flat(match())) == {
        "PatientName": "Doe^Jane",
        "ModalitiesInStudy": "CT\\MR",
        "NumberOfStudyRelatedInstances": "12",
        "PatientWeight": "70.5",
        "ProcedureCodeSequence[0].CodeValue": "A",
        "ProcedureCodeSequence[1].CodeValue": "B",
        "0009,1001": "01 02",
        "AccessionNumber": "",
    }


def test_match_for_json() -> None:
    told = json.loads(json.dumps(plain(match())))
    assert told["PatientName"] == "Doe^Jane"
    assert told["ModalitiesInStudy"] == ["CT", "MR"]
    assert told["ProcedureCodeSequence"] == [{"CodeValue": "A"}, {"CodeValue": "B"}]
    assert told["0009,1001"] == "0102"
