"""PS3.4 Table F.7.2-1: what a step must have when it is created, changed and ended."""

from __future__ import annotations

import pytest
from pydicom.datadict import keyword_for_tag, tag_for_keyword

from tests.data_sets import data_set
from tests.workers.mpps.steps import creation, end, reference, series
from workers.mpps.step_rules import TABLE, Refused, check_change, check_creation, check_final


def refused(check, *args, **how) -> tuple[int, str]:
    with pytest.raises(Refused) as refusal:
        check(*args, **how)
    return refusal.value.status, keyword_for_tag(refusal.value.tags[0])


TYPE_1 = [keyword_for_tag(tag) for tag, row in TABLE.items() if row.created == 1]
TYPE_2 = [keyword_for_tag(tag) for tag, row in TABLE.items() if row.created == 2]


def test_what_the_table_asks_for_is_enough():
    check_creation(creation())


def test_the_table_is_whole():
    assert len(TYPE_1) == 7
    assert len(TYPE_2) == 15
    assert keyword_for_tag(max(TABLE)) == "PerformedSeriesSequence"
    assert TABLE[tag_for_keyword("PerformedSeriesSequence")].final == 1


@pytest.mark.parametrize("name", TYPE_1 + TYPE_2)
def test_an_attribute_of_type_1_or_2_must_be_there(name):
    step = creation()
    del step[name]
    assert refused(check_creation, step) == (0x0120, name)


@pytest.mark.parametrize("name", TYPE_1)
def test_one_of_type_1_needs_a_value(name):
    step = creation()
    step[name].value = [] if step[name].VR == "SQ" else ""
    assert refused(check_creation, step, is_lenient=True) == (0x0121, name)


@pytest.mark.parametrize("name", TYPE_2)
def test_lenient_takes_a_step_without_one_of_type_2(name):
    step = creation()
    del step[name]
    check_creation(step, is_lenient=True)


def test_items_are_looked_at_too():
    step = creation()
    step.ScheduledStepAttributesSequence[0].StudyInstanceUID = ""
    assert refused(check_creation, step) == (0x0121, "StudyInstanceUID")
    step = creation(ReferencedPatientSequence=[data_set(ReferencedSOPClassUID="1.2")])
    assert refused(check_creation, step) == (0x0120, "ReferencedSOPInstanceUID")
    step = creation(PerformedSeriesSequence=[series()])
    del step.PerformedSeriesSequence[0].ProtocolName
    assert refused(check_creation, step) == (0x0120, "ProtocolName")


@pytest.mark.parametrize("state", ["COMPLETED", "DISCONTINUED", "STARTED", "SCHEDULED"])
def test_a_step_begins_in_progress(state):
    step = creation(PerformedProcedureStepStatus=state)
    assert refused(check_creation, step) == (0x0106, "PerformedProcedureStepStatus")


def test_a_change_is_what_may_change():
    changed = check_change(creation(), end())
    assert {element.keyword for element in changed} == {
        *("PerformedProcedureStepStatus", "PerformedProcedureStepEndDate"),
        *("PerformedProcedureStepEndTime", "PerformedSeriesSequence"),
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [("PatientID", "P2"), ("Modality", "MR"), ("PerformedProcedureStepID", "X"), ("StudyID", "1")],
)
def test_what_may_not_change_may_only_be_repeated(name, value):
    given = data_set(**{name: value})
    assert refused(check_change, creation(), given, is_lenient=True) == (0x0106, name)
    assert not check_change(creation(), data_set(PatientID="P1", Modality="CT"))
    same = data_set(ScheduledStepAttributesSequence=creation().ScheduledStepAttributesSequence)
    assert not check_change(creation(), same)


def test_a_change_adds_nothing_unless_lenient():
    given = data_set(
        PerformedProcedureStepDiscontinuationReasonCodeSequence=[data_set(CodeValue="1")]
    )
    name = "PerformedProcedureStepDiscontinuationReasonCodeSequence"
    assert refused(check_change, creation(), given) == (0x0105, name)
    assert name in check_change(creation(), given, is_lenient=True)
    assert name in check_change(creation(**{name: []}), given)


def test_a_change_has_whole_items_and_a_status_that_exists():
    given = data_set(PerformedSeriesSequence=[series("1.2.3.1", "1.2.3.1.1")])
    given.PerformedSeriesSequence[0].ReferencedImageSequence = [reference("")]
    assert refused(check_change, creation(), given) == (0x0121, "ReferencedSOPInstanceUID")
    given = data_set(PerformedProcedureStepStatus="DONE")
    assert refused(check_change, creation(), given) == (0x0106, "PerformedProcedureStepStatus")


@pytest.mark.parametrize(
    "name",
    [
        *("PerformedProcedureStepEndDate", "PerformedProcedureStepEndTime"),
        "PerformedSeriesSequence",
    ],
)
def test_the_final_state_asks_for_more(name):
    step = creation()
    step.update(end())
    check_final(step)
    step[name].value = [] if step[name].VR == "SQ" else ""
    assert refused(check_final, step, is_lenient=True) == (0x0121, name)


def test_what_is_no_sequence_is_refused():
    step = creation()
    step.add_new(0x00400340, "LO", "not a sequence")
    assert refused(check_creation, step) == (0x0106, "PerformedSeriesSequence")
