"""Each key of PS3.4 Table K.6-1: matched, returned, and in a sequence of its own."""

from __future__ import annotations

import pytest
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset

from gateway.datasets.coding import decode, encode
from gateway.uid import IMPLICIT_VR_LITTLE_ENDIAN
from workers.archive.matching import BadIdentifier
from workers.worklist.worklist_keys import KEYS, NEEDED, OF_STEP, STEPS
from workers.worklist.worklist_match import WorklistQuery

VALUES = {
    "AE": ("CT1", "MR1"),
    "CS": ("CT", "MR"),
    "DA": ("20261128", "20261129"),
    "TM": ("0830", "0930"),
    "PN": ("DOE^JANE", "ROE^JANE"),
    "LO": ("one", "two"),
    "SH": ("one", "two"),
    "LT": ("one", "two"),
    "UI": ("1.2.3", "1.2.4"),
    "DS": ("70", "71"),
    "US": (1, 2),
}
"""Two values of each VR."""
TEXTS = ("LO", "SH", "LT", "PN", "AE", "CS")
SINGLE = [key for key in KEYS if dictionary_VR(key.path[-1]) != "SQ"]


def at(path, value) -> Dataset:
    """A data set with one value at the end of a path."""
    inner = made = Dataset()
    for tag in path[:-1]:
        inner.add_new(tag, "SQ", [Dataset()])
        inner = inner[tag].value[0]
    inner.add_new(path[-1], dictionary_VR(path[-1]), value)
    return made


def value_at(data_set: Dataset, path):
    for tag in path[:-1]:
        (data_set,) = data_set[tag].value
    return data_set[path[-1]].value


def matched(identifier: Dataset, *entries: Dataset) -> list[Dataset]:
    """The responses, for an identifier that came over the network."""
    syntax = IMPLICIT_VR_LITTLE_ENDIAN
    query = WorklistQuery(decode(encode(identifier, syntax), syntax))
    return [found for one in entries for found in query.responses(one)]


@pytest.mark.parametrize("key", SINGLE, ids=lambda key: f"{len(key.path)}-{key.keyword}")
def test_each_key_is_matched_and_returned(key):
    vr = dictionary_VR(key.path[-1])
    one, other = VALUES[vr]
    entries = at(key.path, one), at(key.path, other)
    (found,) = matched(at(key.path, one), *entries)
    assert str(value_at(found, key.path)) == str(one)
    assert len(matched(at(key.path, None), *entries)) == 2, "universal"
    if vr in TEXTS:
        assert len(matched(at(key.path, f"{one[:1]}*"), *entries)) == 1 + (one[0] == other[0])
        assert len(matched(at(key.path, "*"), *entries)) == 2
        assert len(matched(at(key.path, "?" + one[1:]), *entries)) >= 1
    if vr == "UI":
        assert len(matched(at(key.path, [one, other]), *entries)) == 2, "a list of UIDs"
    if vr in ("DA", "TM"):
        for bounds in (f"{one}-{other}", f"{one}-", f"-{other}"):
            assert len(matched(at(key.path, bounds), *entries)) == 2
        for bounds in (f"{one}-{one}", f"-{one}"):
            assert len(matched(at(key.path, bounds), *entries)) == 1


@pytest.mark.parametrize("key", SINGLE, ids=lambda key: f"{len(key.path)}-{key.keyword}")
def test_a_key_that_the_entry_lacks_comes_back_empty(key):
    (found,) = matched(at(key.path[-1:], None), Dataset())
    assert value_at(found, key.path[-1:]) in (None, "")


@pytest.mark.parametrize(
    "key", [key for key in KEYS if dictionary_VR(key.path[-1]) == "SQ"], ids=lambda key: key.keyword
)
def test_an_empty_sequence_key_returns_the_whole_sequence(key):
    inner = Dataset()
    inner.CodeValue = "C1"
    entry = at(key.path, [inner])
    for asked in ([], [Dataset()]):
        (found,) = matched(at(key.path, asked), entry)
        (item,) = value_at(found, key.path)
        assert item.CodeValue == "C1"
    (found,) = matched(at(key.path[:1], []), Dataset())
    assert len(found[key.path[0]].value) == 0


def test_the_table_has_the_required_matching_keys():
    required = [key.keyword for key in KEYS if key.matching == "R"]
    assert required == [
        *("ScheduledProcedureStepSequence", "ScheduledStationAETitle"),
        *("ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime", "Modality"),
        *("ScheduledPerformingPhysicianName", "PatientName", "PatientID"),
    ]
    assert len(OF_STEP) == 17
    assert all(path[0] == STEPS or len(path) <= 2 for path in NEEDED)


def entry(day: str, hour: str | None) -> Dataset:
    made = at((STEPS, 0x00400002), day)
    if hour is not None:
        made[STEPS].value[0].ScheduledProcedureStepStartTime = hour
    return made


@pytest.mark.parametrize(
    ("days", "hours", "found"),
    [
        ("20260705-20260707", "1000-1800", "0705 11, 0706 09, 0706 19, 0707 18"),
        ("20260705-20260707", "1000-", "0705 11, 0706 09, 0706 19, 0707 18, 0707 19"),
        ("20260705-20260707", "-1800", "0705 09, 0705 11, 0706 09, 0706 19, 0707 18"),
        ("20260706-", "1000-1800", "0706 19, 0707 18, 0707 19"),
        ("-20260706", "1000-1800", "0705 09, 0705 11, 0706 09"),
        ("20260706", "1000-2000", "0706 19"),
        ("20260705-20260706", "19", "0706 19"),
    ],
)
def test_a_range_of_dates_and_one_of_times_are_one_of_moments(days, hours, found):
    moments = ["0705 09", "0705 11", "0706 09", "0706 19", "0707 18", "0707 19"]
    entries = [entry(f"2026{one[:4]}", one[5:]) for one in moments]
    asked = at((STEPS, 0x00400002), days)
    asked[STEPS].value[0].ScheduledProcedureStepStartTime = hours
    steps = [one[STEPS].value[0] for one in matched(asked, *entries)]
    told = [
        f"{one.ScheduledProcedureStepStartDate[4:]} {one.ScheduledProcedureStepStartTime}"
        for one in steps
    ]
    assert ", ".join(told) == found


def test_a_step_without_a_time_matches_if_the_whole_day_would():
    asked = at((STEPS, 0x00400002), "20260705-20260707")
    asked[STEPS].value[0].ScheduledProcedureStepStartTime = "1000-1800"
    days = ("20260705", "20260706", "20260707")
    found = matched(asked, *(entry(day, None) for day in days))
    assert [one[STEPS].value[0].ScheduledProcedureStepStartDate for one in found] == ["20260706"]


def test_each_step_that_matches_is_a_response_of_its_own():
    first, second, third = Dataset(), Dataset(), Dataset()
    first.Modality, second.Modality, third.Modality = "CT", "MR", "CT"
    for number, one in enumerate((first, second, third)):
        one.ScheduledProcedureStepID = str(number)
    item = at((STEPS,), [first, second, third])
    item.PatientID = "P1"
    asked = at((STEPS, 0x00080060), "CT")
    asked[STEPS].value[0].ScheduledProcedureStepID = ""
    found = matched(asked, item)
    steps = [[one.ScheduledProcedureStepID for one in response[STEPS].value] for response in found]
    assert steps == [["0"], ["2"]]
    only_patient = at((0x00100020,), "P1")
    assert len(matched(only_patient, item)) == 1, "without steps asked for"


def test_keys_of_an_item_and_its_value_may_have_other_character_sets():
    item = at((STEPS, 0x00400006), None)
    item.SpecificCharacterSet = "ISO_IR 100"
    item[STEPS].value[0].ScheduledPerformingPhysicianName = "MÜLLER^ÅSA"
    syntax = IMPLICIT_VR_LITTLE_ENDIAN
    item = decode(encode(item, syntax), syntax)  # with the bytes of Latin-1
    asked = at((STEPS, 0x00400006), None)
    asked.SpecificCharacterSet = "ISO_IR 192"
    asked[STEPS].value[0].ScheduledPerformingPhysicianName = "müller^*"
    (found,) = matched(asked, item)
    assert found.SpecificCharacterSet == "ISO_IR 100"
    whole = decode(encode(found, syntax), syntax)
    name = whole[STEPS].value[0].ScheduledPerformingPhysicianName
    assert str(name) == "MÜLLER^ÅSA"


def test_a_name_has_component_groups_each_matched_by_itself():
    item = at((0x00100010,), "Yamada^Tarou=山田^太郎=やまだ^たろう")
    item.SpecificCharacterSet = "ISO_IR 192"
    for text in ("yamada^tarou", "山田^太郎", "*=山田*", "==やまだ*", "YAMADA*"):
        asked = at((0x00100010,), text)
        asked.SpecificCharacterSet = "ISO_IR 192"
        assert len(matched(asked, item)) == 1, text
    asked = at((0x00100010,), "*=鈴木*")
    asked.SpecificCharacterSet = "ISO_IR 192"
    assert matched(asked, item) == []


def test_time_zone_of_an_entry_comes_along():
    item = at((0x00100020,), "P1")
    item.TimezoneOffsetFromUTC = "+0100"
    (found,) = matched(at((0x00100020,), "P1"), item)
    assert found.TimezoneOffsetFromUTC == "+0100"


@pytest.mark.parametrize(
    "path", [(STEPS, 0x00400002), (STEPS, 0x00400003), (0x0020000D,), (0x00100030,)]
)
def test_a_key_that_is_none_of_its_attribute_is_refused(path):
    with pytest.raises(BadIdentifier) as refused:
        matched(at(path, "1*2"), Dataset())
    assert refused.value.tag == path[-1]


def test_more_than_one_item_in_a_sequence_is_refused():
    asked = at((STEPS,), [Dataset(), at((0x00080060,), "CT")])
    with pytest.raises(BadIdentifier, match="more than one item"):
        matched(asked, Dataset())
