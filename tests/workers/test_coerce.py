"""The coerce worker: attributes that are set, removed and filled in before an instance is kept."""

from __future__ import annotations

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from gateway.errors import ConfigError
from gateway.sdk import WorkerContext, testing
from gateway.settings import CoerceRule, to_map
from workers.coerce import Coercer, worker


@pytest.fixture
def coerced(tmp_path):
    """Ask the worker with these rules what to keep."""

    def ask(instance, *rules, **peer):
        rules = [to_map(rule) for rule in rules]
        worker.context = WorkerContext(tmp_path, options={"coerce": {"rules": rules}})
        coercer = Coercer()
        coercer.start()
        return testing.transform(coercer.transform, instance, **peer)

    return ask


def ct(**values) -> Dataset:
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3"
    made.PatientName = "Doe^Jane"
    for name, value in values.items():
        setattr(made, name, value)
    return made


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
    path = tmp_path / "broken.dcm"
    instance.file_meta = dcmread(get_testdata_file("CT_small.dcm")).file_meta
    instance.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    instance.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    instance.save_as(path, enforce_file_format=True)
    path.write_bytes(path.read_bytes().replace(b"Doe^Jane^12", b"\x1b$B\xff\xff\x1b(B^12"))
    assert coerced(path, CoerceRule(set={"InstitutionName": "\u75c5"})) == 0xA700
    kept = coerced(path, CoerceRule(set={"InstitutionName": "Example"}))
    assert kept.get_item("PatientName").value.startswith(b"\x1b$B\xff\xff")


@pytest.mark.parametrize("named", ["ISO_IR 13", "ISO_IR 6"])
def test_a_text_that_only_the_codec_has(coerced, named):
    kept = coerced(ct(SpecificCharacterSet=named), CoerceRule(set={"InstitutionName": "\u75c5"}))
    assert (kept.InstitutionName, kept.SpecificCharacterSet) == ("\u75c5", "ISO_IR 192")


def test_a_value_that_cannot_be_read_is_replaced(coerced, tmp_path):
    path = tmp_path / "broken.dcm"
    instance = ct(SeriesNumber=12)
    instance.file_meta = dcmread(get_testdata_file("CT_small.dcm")).file_meta
    instance.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    instance.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    instance.save_as(path, enforce_file_format=True)
    path.write_bytes(path.read_bytes().replace(b"IS\x02\x0012", b"IS\x02\x00ab"))
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


def test_wrong_rules_end_the_start(tmp_path):
    for rules in ([{"sets": {}}], [{"set": {"Modality": "ct"}}]):
        worker.context = WorkerContext(tmp_path, options={"coerce": {"rules": rules}})
        with pytest.raises(ConfigError, match=r"coerce\.rules"):
            Coercer().start()
