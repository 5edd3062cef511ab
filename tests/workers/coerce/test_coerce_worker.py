"""The coerce worker: attributes that are set, removed and filled in before an instance is kept."""

from __future__ import annotations

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from gateway.errors import ConfigError
from gateway.sdk import WorkerContext
from gateway.settings import CoerceRule
from tests.data_sets import data_set
from tests.workers.coerce.coerced_instances import ct, written
from workers.coerce.coerce_worker import Coercer, worker


def test_set_default_and_remove(coerced):
    rule = CoerceRule(
        set={"InstitutionName": "Example", "ImageType": ["DERIVED", "SECONDARY"], "Rows": 3},
        default={"IssuerOfPatientID": "EXAMPLE", "Modality": "CT", "StationName": "S"},
        remove=("OtherPatientNames", "AccessionNumber", "(0029,1010)"),
    )
    instance = ct(
        InstitutionName="Old", IssuerOfPatientID="", Modality="MR", OtherPatientNames="Roe^Jane"
    )
    instance.private_block(0x0029, "Vendor", create=True).add_new(0x10, "LO", "x")
    kept = coerced(instance, rule)
    assert (kept.InstitutionName, list(kept.ImageType), kept.Rows) == (
        *("Example", ["DERIVED", "SECONDARY"], 3),
    )
    assert (kept.IssuerOfPatientID, kept.Modality, kept.StationName) == ("EXAMPLE", "MR", "S")
    assert "OtherPatientNames" not in kept
    assert 0x00291010 not in kept
    assert (kept.PatientName, kept.SOPInstanceUID) == ("Doe^Jane", "1.2.3")


def test_the_rules_of_the_association_in_their_order(coerced):
    rules = (
        CoerceRule(calling=("CT*",), set={"InstitutionName": "CT"}),
        CoerceRule(called=("EAST",), set={"InstitutionName": "East"}),
        CoerceRule(calling=("MR1",), set={"StationName": "MR"}),
    )
    east = coerced(ct(), *rules, ae_title="CT1", called_ae_title="EAST")
    assert east.InstitutionName == "East"
    assert "StationName" not in east
    assert coerced(ct(), *rules, ae_title="CT1").InstitutionName == "CT"
    assert coerced(ct(), *rules, ae_title="MR1").StationName == "MR"


@pytest.mark.parametrize(
    "rules",
    [
        (),
        (CoerceRule(calling=("OTHER",), set={"InstitutionName": "x"}),),
        (CoerceRule(set={"PatientName": "Doe^Jane"}),),
        (CoerceRule(default={"PatientName": "x"}, remove=("StationName",)),),
    ],
)
def test_what_needs_no_change_is_kept_byte_for_byte(coerced, rules):
    assert coerced(ct(), *rules) == 0x0000


@pytest.mark.parametrize("named", ["", "ISO_IR 100", "ISO_IR 192", ["", "ISO 2022 IR 87"]])
@pytest.mark.parametrize("text", ["M\u00fcnchen", "\u75c5\u9662"])
def test_a_text_that_the_character_set_does_not_have(coerced, named, text):
    instance = ct(SpecificCharacterSet=named)
    if named == "ISO_IR 100":
        instance.PatientName = "J\u00fcrgen"
    before = str(instance.PatientName)
    kept = coerced(instance, CoerceRule(set={"InstitutionName": text}))
    assert (kept.InstitutionName, str(kept.PatientName)) == (text, before)
    is_latin = named == "ISO_IR 100" and text.startswith("M")
    assert kept.SpecificCharacterSet == ("ISO_IR 100" if is_latin else "ISO_IR 192")


def test_a_text_in_no_character_set_is_not_guessed(coerced, tmp_path):
    instance = ct(SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="Doe^Jane^12")
    path = written(tmp_path, instance, b"Doe^Jane^12", b"\x1b$B\xff\xff\x1b(B^12")
    assert coerced(path, CoerceRule(set={"InstitutionName": "\u75c5"})) == 0xA700
    kept = coerced(path, CoerceRule(set={"InstitutionName": "Example"}))
    assert kept.get_item("PatientName").value.startswith(b"\x1b$B\xff\xff")


@pytest.mark.parametrize("named", ["ISO_IR 13", "ISO_IR 6"])
def test_a_text_that_only_the_codec_has(coerced, named):
    kept = coerced(ct(SpecificCharacterSet=named), CoerceRule(set={"InstitutionName": "\u75c5"}))
    assert (kept.InstitutionName, kept.SpecificCharacterSet) == ("\u75c5", "ISO_IR 192")


def test_a_value_that_cannot_be_read_is_replaced(coerced, tmp_path):
    path = written(tmp_path, ct(SeriesNumber=12), b"IS\x02\x0012", b"IS\x02\x00ab")
    assert coerced(path, CoerceRule(set={"SeriesNumber": 7})).SeriesNumber == 7
    kept = coerced(path, CoerceRule(set={"StationName": "S"}))
    assert kept.get_item("SeriesNumber").value == b"ab"


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "JPEG2000.dcm", "image_dfl.dcm", "ExplVR_BigEnd.dcm", "rtplan.dcm"]
)
def test_what_is_not_coerced_stays_as_it_was(coerced, name):
    path = get_testdata_file(name)
    before = dcmread(path)
    kept = coerced(path, CoerceRule(set={"InstitutionName": "Example"}))
    assert kept.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID
    assert kept.InstitutionName == "Example"
    before.InstitutionName = "Example"
    lengths = [element.tag for element in before if not element.tag.element]
    for tag in lengths:  # retired, and left out of what is written anew (PS3.5 7.2)
        del before[tag]
    assert list(kept) == list(before)


PROCEDURE = "RequestAttributesSequence"


def test_attributes_in_items_of_sequences(coerced):
    instance = ct(
        RequestAttributesSequence=[
            data_set(ScheduledProcedureStepID="1", RequestedProcedureID="A"),
            data_set(ScheduledProcedureStepID="2"),
        ]
    )
    kept = coerced(
        instance,
        CoerceRule(
            set={f"{PROCEDURE}[0].ScheduledProcedureStepID": "9"},
            default={f"{PROCEDURE}[*].RequestedProcedureID": "B"},
        ),
        CoerceRule(
            set={f"{PROCEDURE}[2].ScheduledProtocolCodeSequence[1].CodeValue": "T1"},
            remove=(f"{PROCEDURE}[1].ScheduledProcedureStepID", f"{PROCEDURE}[7].Rows"),
        ),
    )
    first, second, third = kept.RequestAttributesSequence
    assert (first.ScheduledProcedureStepID, first.RequestedProcedureID) == ("9", "A")
    assert "ScheduledProcedureStepID" not in second
    assert second.RequestedProcedureID == "B"
    codes = third.ScheduledProtocolCodeSequence
    assert [one.get("CodeValue") for one in codes] == [None, "T1"]
    assert (kept.PatientName, kept.SOPInstanceUID) == ("Doe^Jane", "1.2.3")


def test_a_sequence_that_is_missing_is_made_for_a_numbered_item_only(coerced):
    rule = CoerceRule(set={f"{PROCEDURE}[0].RequestedProcedureID": "A"})
    (made,) = coerced(ct(), rule).RequestAttributesSequence
    assert made.RequestedProcedureID == "A"
    (made,) = coerced(ct(RequestAttributesSequence=[]), rule).RequestAttributesSequence
    assert made.RequestedProcedureID == "A"
    every = CoerceRule(
        set={f"{PROCEDURE}[*].RequestedProcedureID": "A"}, remove=(f"{PROCEDURE}[0].Rows",)
    )
    assert coerced(ct(), every) == 0x0000
    assert coerced(kept_item := ct(RequestAttributesSequence=[made]), rule) == 0x0000
    assert coerced(kept_item, every) == 0x0000


@pytest.mark.parametrize("noted", [None, "HERE"])
def test_a_text_in_an_item_that_its_character_set_does_not_have(coerced, noted):
    inner = data_set(SpecificCharacterSet="ISO_IR 144", RequestedProcedureDescription="\u0420")
    instance = ct(
        SpecificCharacterSet="ISO_IR 100",
        PatientName="J\u00fcrgen",
        RequestAttributesSequence=[inner, data_set(RequestedProcedureDescription="\u00fc")],
    )
    text = CoerceRule(set={f"{PROCEDURE}[0].RequestedProcedureComments": "\u0421"})
    kept = coerced(instance, text, noted=noted)
    assert kept.SpecificCharacterSet == "ISO_IR 100"
    assert kept.RequestAttributesSequence[0].RequestedProcedureComments == "\u0421"
    text = CoerceRule(set={f"{PROCEDURE}[*].RequestedProcedureComments": "\u75c5"})
    kept = coerced(instance, text, noted=noted)
    assert kept.SpecificCharacterSet == "ISO_IR 192"
    assert str(kept.PatientName) == "J\u00fcrgen"
    first, second = kept.RequestAttributesSequence
    assert (first.SpecificCharacterSet, first.RequestedProcedureComments) == (
        *("ISO_IR 192", "\u75c5"),
    )
    assert [one.RequestedProcedureDescription for one in (first, second)] == ["\u0420", "\u00fc"]
    if noted:
        (before,) = kept.OriginalAttributesSequence[0].ModifiedAttributesSequence
        texts = [one.RequestedProcedureDescription for one in before.RequestAttributesSequence]
        assert texts == ["\u0420", "\u00fc"]


def test_what_should_be_a_sequence_and_is_none_is_not_kept(coerced, tmp_path):
    old, new = b"\x40\x00\x01\x10SH\x04\x00", b"\x40\x00\x75\x02SH\x04\x00"
    path = written(tmp_path, ct(RequestedProcedureID="text"), old, new)
    rule = CoerceRule(set={"RequestAttributesSequence[0].RequestedProcedureID": "A"})
    assert coerced(path, rule) == 0xA700


def test_wrong_rules_end_the_start(tmp_path):
    for rules in ([{"sets": {}}], [{"set": {"Modality": "ct"}}]):
        worker.context = WorkerContext(tmp_path, options={"coerce": {"rules": rules}})
        with pytest.raises(ConfigError, match=r"coerce\.rules"):
            Coercer().start()
