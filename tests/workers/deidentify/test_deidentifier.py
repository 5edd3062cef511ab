"""`deidentify`: what stays of whole data sets, by the basic profile and its options."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.sequence import Sequence

from gateway.datasets.coding import decode, encode
from tests.data_sets import data_set
from tests.workers.deidentify.examples import KEY, SECRET, SR, instance, profile, texts_in
from workers.deidentify.deidentifier import NotCleaned, deidentify
from workers.deidentify.private_elements import KNOWN_SAFE
from workers.deidentify.profile import Profile

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

EXPLICIT = "1.2.840.10008.1.2.1"
TEST_FILES = sorted((Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm"))


def kept(dataset: Dataset, *options: str, **how: Any) -> Dataset:
    return deidentify(dataset, profile(*options, **how)).dataset


def test_what_a_data_set_says_of_itself() -> None:
    made = kept(instance(), "clean_descriptors", "retain_modified_dates")
    assert made.PatientIdentityRemoved == "YES"
    assert "Basic Application Confidentiality Profile" in list(made.DeidentificationMethod)
    codes = [
        (code.CodeValue, code.CodingSchemeDesignator)
        for code in made.DeidentificationMethodCodeSequence
    ]
    assert codes == [("113100", "DCM"), ("113105", "DCM"), ("113107", "DCM")]
    assert made.LongitudinalTemporalInformationModified == "MODIFIED"
    assert kept(instance()).LongitudinalTemporalInformationModified == "REMOVED"
    full = kept(instance(), "retain_full_dates")
    assert full.LongitudinalTemporalInformationModified == "UNMODIFIED"


def test_an_earlier_declaration_is_made_anew() -> None:
    given = instance(PatientIdentityRemoved="NO", DeidentificationMethod=SECRET)
    given.EncryptedAttributesSequence = [data_set(EncryptedContent=SECRET.encode())]
    made = kept(given)
    assert made.PatientIdentityRemoved == "YES"
    assert SECRET not in texts_in(made)
    assert "EncryptedAttributesSequence" not in made


def test_the_given_data_set_stays_as_it_is() -> None:
    given = instance(StudyDescription="CT THORAX", PixelData=b"\1\2")
    before = str(given)
    kept(given, "clean_descriptors")
    assert str(given) == before


def test_patients_and_uids_are_the_same_in_all_instances() -> None:
    first, second = kept(instance()), kept(instance(SOPInstanceUID="1.2.3.9"))
    assert first.PatientID == second.PatientID != "4711"
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID
    other = deidentify(instance(), Profile(KEY[::-1])).dataset
    assert other.PatientID != first.PatientID
    assert other.StudyInstanceUID != first.StudyInstanceUID


def test_a_patient_without_an_id_is_known_by_the_name() -> None:
    first, second = instance(PatientID=""), instance(PatientID="", StudyInstanceUID="1.2.3.8")
    assert kept(first).PatientID == kept(second).PatientID
    second.PatientName = "Other"
    assert kept(first).PatientID != kept(second).PatientID


def test_patients_of_two_issuers_are_two() -> None:
    first, second = instance(IssuerOfPatientID="A"), instance(IssuerOfPatientID="B")
    assert len({kept(one).PatientID for one in (first, second, instance())}) == 3


def test_a_patient_id_in_an_item_gets_the_pseudonym_of_its_patient() -> None:
    given = instance(IssuerOfPatientID="A")
    own = str(given.PatientID)
    items = [data_set(PatientID=own), data_set(PatientID=own, IssuerOfPatientID="B")]
    given.SharedFunctionalGroupsSequence = [data_set(PatientID=own, IssuerOfPatientID="A"), *items]
    made = kept(given)
    same, inherited, other = (one.PatientID for one in made.SharedFunctionalGroupsSequence)
    assert same == inherited == made.PatientID != other


def test_references_lead_to_the_new_uids() -> None:
    reference = data_set(
        ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2", ReferencedSOPInstanceUID="1.2.3.1"
    )
    given = instance(SR)
    given.CurrentRequestedProcedureEvidenceSequence = [
        data_set(
            StudyInstanceUID="1.2.3.2",
            ReferencedSeriesSequence=[
                data_set(SeriesInstanceUID="1.2.3.3", ReferencedSOPSequence=[reference])
            ],
        )
    ]
    made = kept(given)
    (study,) = made.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    (found,) = series.ReferencedSOPSequence
    assert study.StudyInstanceUID == made.StudyInstanceUID
    assert series.SeriesInstanceUID == made.SeriesInstanceUID
    assert found.ReferencedSOPInstanceUID == made.SOPInstanceUID
    assert found.ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.2"


def test_uids_of_the_standard_and_of_kinds_stay() -> None:
    given = instance("1.2.840.113619.4.27", FrameOfReferenceUID="1.2.840.10008.1.4.1.1")
    made = kept(given)
    assert made.SOPClassUID == "1.2.840.113619.4.27"
    assert made.FrameOfReferenceUID == "1.2.840.10008.1.4.1.1"


def test_uids_that_the_table_does_not_list_are_replaced() -> None:
    given = instance(VolumeFrameOfReferenceUID="1.2.3.77")
    assert kept(given).VolumeFrameOfReferenceUID.startswith("2.25.")
    assert kept(given, "retain_uids").VolumeFrameOfReferenceUID == "1.2.3.77"


def test_names_and_dates_that_the_table_does_not_list_are_replaced() -> None:
    given = instance(EvaluatorName=SECRET, ExpiryDate="20300101")
    made = kept(given)
    assert (made.EvaluatorName, made.ExpiryDate) == ("REMOVED", "19000101")
    assert kept(given, "retain_full_dates").ExpiryDate == "20300101"
    assert kept(given, "retain_modified_dates").ExpiryDate < "20300101"


def test_dates_of_a_patient_are_moved_alike() -> None:
    given = instance(StudyDate="20210314", SeriesDate="20210316", StudyTime="101112")
    given.AcquisitionDateTime = "20210315101112.5+0100"
    made = kept(given, "retain_modified_dates")
    study, series, taken = made.StudyDate, made.SeriesDate, made.AcquisitionDateTime
    first = date.fromisoformat(study)
    assert first < date(2021, 3, 14)
    assert (date.fromisoformat(series) - first).days == 2
    assert (date.fromisoformat(taken[:8]) - first).days == 1
    assert taken[8:] == "101112.5+0100"
    assert made.StudyTime == "101112"


@pytest.mark.parametrize("value", ["2021", "20210230", "a date", "00010101"])
def test_a_date_that_cannot_be_moved_is_removed(value: str) -> None:
    made = kept(instance(StudyDate=value), "retain_modified_dates")
    assert made.StudyDate is None or made.StudyDate == ""


def test_unknown_private_and_group_length_elements_go() -> None:
    given = instance()
    given[0x00090010] = DataElement(0x00090010, "LO", "ACME")
    given[0x00091001] = DataElement(0x00091001, "LO", SECRET)
    given[0x00080000] = DataElement(0x00080000, "UL", 4)
    given[0x00086FFE] = DataElement(0x00086FFE, "LO", SECRET)
    given.add_new(0x60000010, "US", 4)
    given.add_new(0x60003000, "OW", b"\0\0")
    given.add_new(0x50000030, "LO", SECRET)
    made = kept(given)
    for tag in (0x00090010, 0x00091001, 0x00080000, 0x00086FFE, 0x60000010, 0x50000030):
        assert tag not in made
    assert SECRET not in texts_in(made)


def test_safe_private_elements_stay_with_their_creators() -> None:
    given = instance()
    given[0x00190010] = DataElement(0x00190010, "LO", "SIEMENS MR HEADER")
    given[0x0019100C] = DataElement(0x0019100C, "IS", "800")
    given[0x00191015] = DataElement(0x00191015, "LO", SECRET)
    given[0x00290011] = DataElement(0x00290011, "LO", "DECLARED")
    given[0x00291101] = DataElement(0x00291101, "LO", "ok")
    given[0x00310010] = DataElement(0x00310010, "LO", "ACME")
    given[0x00311001] = DataElement(0x00311001, "LO", SECRET)
    given.PrivateDataElementCharacteristicsSequence = [
        data_set(
            PrivateGroupReference=0x29,
            PrivateCreatorReference="DECLARED",
            BlockIdentifyingInformationStatus="SAFE",
        ),
        data_set(
            PrivateGroupReference=0x31,
            PrivateCreatorReference="ACME",
            BlockIdentifyingInformationStatus="UNSAFE",
        ),
    ]
    made = kept(given, "retain_safe_private", safe_private=KNOWN_SAFE)
    private = [int(tag) for tag in made.keys() if int(tag) >> 16 & 1]  # noqa: SIM118
    assert private == [0x00190010, 0x0019100C, 0x00290011, 0x00291101]
    assert SECRET not in texts_in(made)
    assert [tag for tag in kept(given).keys() if int(tag) >> 16 & 1] == []  # noqa: SIM118


def test_descriptors_keep_the_words_that_identify_nobody() -> None:
    given = instance(
        StudyDescription=f"CT Thorax T2 {SECRET} Dr. Huber 0664-1234567",
        SeriesDescription="Rothschild anna",
        PatientComments="follow up, 4711",
    )
    made = kept(given, "clean_descriptors")
    assert made.StudyDescription == "CT Thorax T2"
    assert "SeriesDescription" not in made
    assert made.PatientComments == "follow up"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("born 12.03.61, CT", "CT"),
        ("CT 12 03 61", "CT"),
        ("phone 0664 12 34 56", ""),
        ("A12-34 knee", "knee"),
        ("L4/L5-S1 MRI T2", "L4 L5 S1 MRI T2"),
        ("slice 5 mm, phase 3", "slice 5 mm phase 3"),
        ("5mm 120kV", ""),
        ("KNIE Müller", "KNIE"),
    ],
)
def test_numbers_stay_where_they_are_no_date(text: str, expected: str) -> None:
    made = kept(instance(StudyDescription=text), "clean_descriptors")
    assert made.get("StudyDescription", "") == expected


def test_a_word_of_the_vocabulary_that_is_a_name_of_the_patient_goes() -> None:
    given = instance(PatientName="Chest^Head", StudyDescription="CT CHEST")
    assert kept(given, "clean_descriptors").StudyDescription == "CT"


def report() -> Dataset:
    def named(code: str, value_type: str, **values: Any) -> Dataset:
        name = data_set(CodeValue=code, CodingSchemeDesignator="DCM", CodeMeaning="a name")
        return data_set(
            RelationshipType="CONTAINS",
            ValueType=value_type,
            ConceptNameCodeSequence=[name],
            **values,
        )

    inner = [
        named("121008", "PNAME", PersonName=SECRET),
        named("121071", "TEXT", TextValue=f"nodule of {SECRET} left"),
        named("121031", "DATE", Date="19500102"),
        named("121125", "DATE", Date="20210314"),
        named("121112", "TEXT", TextValue=SECRET),
        named("112039", "UIDREF", UID="1.2.3.1"),
    ]
    return instance(SR, ContentSequence=[named("126010", "CONTAINER", ContentSequence=inner)])


def test_the_content_of_a_report_is_removed() -> None:
    (content,) = kept(report()).ContentSequence
    assert (content.ValueType, content.TextValue) == ("TEXT", "REMOVED")


def test_the_content_of_a_report_is_cleaned() -> None:
    made = kept(report(), "clean_structured_content", "retain_full_dates")
    assert SECRET not in texts_in(made)
    (container,) = made.ContentSequence
    name, finding, born, other, comment, reference = container.ContentSequence
    assert name.PersonName == "REMOVED"
    assert finding.TextValue == "nodule of left"
    assert (born.Date, other.Date) == ("19000101", "20210314")
    assert comment.TextValue == "REMOVED"
    assert made.SOPInstanceUID == reference.UID


def test_graphics_keep_lines_and_regions() -> None:
    given = instance()
    given.GraphicAnnotationSequence = [
        data_set(
            GraphicLayer="L",
            TextObjectSequence=[data_set(UnformattedTextValue=f"left {SECRET}")],
            GraphicObjectSequence=[data_set(GraphicType="POLYLINE", GraphicData=[1.0, 2.0])],
        )
    ]
    for group, kind in ((0x6000, "R"), (0x6002, "G")):
        given.add_new(group << 16 | 0x0010, "US", 4)
        given.add_new(group << 16 | 0x0022, "LO", SECRET)
        given.add_new(group << 16 | 0x0040, "CS", kind)
        given.add_new(group << 16 | 0x3000, "OW", b"\1\0")
    made = kept(given, "clean_graphics")
    (annotation,) = made.GraphicAnnotationSequence
    assert annotation.TextObjectSequence[0].UnformattedTextValue == "left"
    assert annotation.GraphicObjectSequence[0].GraphicData == [1.0, 2.0]
    assert (0x60003000 in made, 0x60023000 in made) == (True, False)
    assert SECRET not in texts_in(made)
    (annotation,) = kept(given).GraphicAnnotationSequence
    assert annotation.GraphicObjectSequence[0].GraphicType == "POLYLINE"
    assert annotation.TextObjectSequence[0].UnformattedTextValue == "REMOVED"


def test_attributes_that_the_site_names_go_as_well() -> None:
    given = instance(Manufacturer="ACME")
    assert kept(given).Manufacturer == "ACME"
    assert "Manufacturer" not in kept(given, remove=frozenset({0x00080070}))


@pytest.mark.parametrize(
    ("tag", "vr"),
    [
        (b"\x18\x00\x50\x00", b"DS"),  # Slice Thickness: pydicom takes it for a text
        (b"\x18\x00\x50\x00", b"LO"),
        (b"\x18\x00\x12\x00", b"LO"),  # a sequence, Contrast/Bolus Agent Sequence
    ],
)
def test_a_text_where_none_belongs_is_left_out(tag: bytes, vr: bytes) -> None:
    encoded = encode(instance(), EXPLICIT)
    at = encoded.index(b"\x20\x00\x0d\x00UI")
    wrong = tag + vr + b"\x0a\x00" + SECRET.encode()
    made = kept(decode(encoded[:at] + wrong + encoded[at:], EXPLICIT))
    assert SECRET not in texts_in(made)
    assert int.from_bytes(tag[:2], "little") == 0x18
    assert not [one for one in made.keys() if int(one) >> 16 == 0x18]  # noqa: SIM118


def test_sequences_without_end_are_refused() -> None:
    inner = data_set(CodeValue="1")
    for _ in range(120):
        inner = data_set(SourceOfPreviousValues="x", ProcedureCodeSequence=[inner])
    given = instance()
    given[0x00081032] = DataElement(0x00081032, "SQ", Sequence([inner]))
    with pytest.raises(NotCleaned, match="nested more than 100 deep"):
        kept(given)


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.name)
def test_every_test_file_of_pydicom(path: Path) -> None:
    try:
        given = pydicom.dcmread(path)
    except Exception:
        return
    if "SOPClassUID" not in given:
        return
    names = {str(e.value) for e in given.iterall() if e.VR == "PN" and len(str(e.value)) > 3}
    made, syntax = deidentify(given, profile("clean_descriptors", "retain_modified_dates"))
    again = decode(encode(made, syntax), syntax)
    assert again.SOPClassUID == given.SOPClassUID
    assert again.get("PixelData") == given.get("PixelData")
    assert not [name for name in names if name in texts_in(again)]
