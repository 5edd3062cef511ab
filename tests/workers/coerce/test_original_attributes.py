"""Original Attributes Sequence: what an instance had before coercion (PS3.3 C.12.1.1.9)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydicom.valuerep import DT

from gateway.settings import CoerceRule
from tests.data_sets import data_set
from tests.workers.coerce.coerced_instances import ct, written

NOW = {"ae_title": "CT1", "called_ae_title": "EAST"}
SYSTEM = {**NOW, "noted": "HERE"}


def test_what_was_set_filled_in_and_removed(coerced):
    rule = CoerceRule(
        set={"InstitutionName": "Example", "StationName": "S"},
        default={"IssuerOfPatientID": "EXAMPLE", "Modality": "CT"},
        remove=("OtherPatientNames", "AccessionNumber"),
    )
    instance = ct(
        InstitutionName="Old", IssuerOfPatientID="", Modality="MR", OtherPatientNames="Roe^Jane"
    )
    (noted,) = coerced(instance, rule, **SYSTEM).OriginalAttributesSequence
    (before,) = noted.ModifiedAttributesSequence
    assert [(one.keyword, one.value or "") for one in before] == [
        ("InstitutionName", "Old"),
        ("StationName", ""),
        ("IssuerOfPatientID", ""),
        ("OtherPatientNames", "Roe^Jane"),
    ]
    assert (noted.ModifyingSystem, noted.SourceOfPreviousValues) == ("HERE", "CT1")
    assert noted.ReasonForTheAttributeModification == "COERCE"
    age = datetime.now(UTC) - DT(noted.AttributeModificationDateTime)
    assert timedelta() <= age < timedelta(hours=1)


def test_nothing_is_noted_unless_it_is_asked_for_and_something_changes(coerced):
    rule = CoerceRule(set={"PatientName": "Doe^Jane"}, remove=("Rows",))
    assert coerced(ct(), rule, **SYSTEM) == 0x0000
    changed = CoerceRule(set={"InstitutionName": "x"})
    assert "OriginalAttributesSequence" not in coerced(ct(), changed, **NOW)


def test_items_that_were_there_stay_and_rules_alike_make_one(coerced):
    instance = ct(OriginalAttributesSequence=[data_set(ModifyingSystem="EARLIER")])
    kept = coerced(
        instance,
        CoerceRule(set={"InstitutionName": "A"}),
        CoerceRule(set={"InstitutionName": "B", "StationName": "S"}),
        CoerceRule(set={"PatientName": "Roe^Jane"}, reason="CORRECT", source="Clinic"),
        **NOW,
        noted="",
    )
    earlier, first, second = kept.OriginalAttributesSequence
    assert earlier.ModifyingSystem == "EARLIER"
    assert (first.ModifyingSystem, second.ModifyingSystem) == ("EAST", "EAST")
    (before,) = first.ModifiedAttributesSequence
    assert [(one.keyword, one.value or "") for one in before] == [
        *(("InstitutionName", ""), ("StationName", "")),
    ]
    (before,) = second.ModifiedAttributesSequence
    assert [str(one.value) for one in before] == ["Doe^Jane"]
    assert second.SourceOfPreviousValues == "Clinic"
    assert second.ReasonForTheAttributeModification == "CORRECT"


def test_a_sequence_is_noted_as_it_was(coerced):
    steps = [data_set(ScheduledProcedureStepID="1", RequestedProcedureID="A"), data_set(Rows=2)]
    rule = CoerceRule(
        set={"RequestAttributesSequence[0].ScheduledProcedureStepID": "9"},
        remove=("RequestAttributesSequence[1].Rows",),
    )
    kept = coerced(ct(RequestAttributesSequence=steps), rule, **SYSTEM)
    assert kept.RequestAttributesSequence[0].ScheduledProcedureStepID == "9"
    (before,) = kept.OriginalAttributesSequence[0].ModifiedAttributesSequence
    assert list(before.RequestAttributesSequence) == steps
    made = coerced(ct(), rule, **SYSTEM)
    (before,) = made.OriginalAttributesSequence[0].ModifiedAttributesSequence
    assert list(before.RequestAttributesSequence) == []


def test_a_private_element_goes_with_its_creator_and_a_patient_id_with_its_issuer(coerced):
    instance = ct(PatientID="1", IssuerOfPatientID="CLINIC")
    instance.private_block(0x0029, "Vendor", create=True).add_new(0x10, "LO", "x")
    rule = CoerceRule(set={"PatientID": "2"}, remove=("(0029,1010)",))
    kept = coerced(instance, rule, **SYSTEM)
    (before,) = kept.OriginalAttributesSequence[0].ModifiedAttributesSequence
    assert (before.PatientID, before.IssuerOfPatientID) == ("1", "CLINIC")
    assert before.private_block(0x0029, "Vendor")[0x10].value == "x"
    assert kept.IssuerOfPatientID == "CLINIC"


@pytest.mark.parametrize(
    ("values", "old", "new", "rule"),
    [
        ({"SeriesNumber": 12}, b"IS\x02\x0012", b"IS\x02\x00ab", {"SeriesNumber": 7}),
        (
            {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "InstitutionName": "1234567890"},
            *(b"1234567890", b"\x1b$B\xff\xff\x1b(B12"),
            {"InstitutionName": "Example"},
        ),
    ],
)
def test_a_value_that_cannot_be_read_is_noted_as_bytes(coerced, tmp_path, values, old, new, rule):
    path = written(tmp_path, ct(**values), old, new)
    (name,) = rule
    kept = coerced(path, CoerceRule(default={"Rows": 1}, set=rule), **SYSTEM)
    (noted,) = kept.OriginalAttributesSequence
    (before,) = noted.ModifiedAttributesSequence
    assert before[name].is_empty
    (wrong,) = noted.NonconformingModifiedAttributesSequence
    assert wrong.NonconformingDataElementValue == new.removeprefix(b"IS\x02\x00")
    assert wrong.SelectorAttribute == before[name].tag
    assert kept[name].value == rule[name]


def test_what_was_is_readable_after_the_character_set_has_changed(coerced, tmp_path):
    instance = ct(
        SpecificCharacterSet="ISO_IR 100",
        InstitutionName="Z\u00fcrich",
        RequestAttributesSequence=[data_set(RequestedProcedureDescription="Sch\u00e4del")],
    )
    path = written(tmp_path, instance, b"Z", b"Z")
    steps = "RequestAttributesSequence[0].RequestedProcedureDescription"
    rule = CoerceRule(set={steps: "x", "InstitutionName": "\u75c5\u9662"})
    kept = coerced(path, rule, **SYSTEM)
    assert kept.SpecificCharacterSet == "ISO_IR 192"
    (before,) = kept.OriginalAttributesSequence[0].ModifiedAttributesSequence
    assert before.InstitutionName == "Z\u00fcrich"
    assert before.RequestAttributesSequence[0].RequestedProcedureDescription == "Sch\u00e4del"
