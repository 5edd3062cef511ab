"""What a performed procedure step must and may have: PS3.4 Table F.7.2-1.

`check_creation`, `check_change` and `check_final` raise Refused with the status and the tag.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from gateway.sdk import GatewayError
from workers.archive.procedure_steps import COMPLETED, DISCONTINUED, IN_PROGRESS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataelem import DataElement

NO_SUCH_ATTRIBUTE, INVALID_VALUE = 0x0105, 0x0106
PROCESSING_FAILURE = 0x0110
MISSING_ATTRIBUTE, MISSING_VALUE = 0x0120, 0x0121
"""Statuses (PS3.7 annex C)."""

STATUS = 0x00400252
CHARACTER_SET = 0x00080005

_TABLE = """
SpecificCharacterSet                         3 set
ScheduledStepAttributesSequence              1 -
>StudyInstanceUID                            1 -
>ReferencedStudySequence                     2 -
>>ReferencedSOPClassUID                      1 -
>>ReferencedSOPInstanceUID                   1 -
>AccessionNumber                             2 -
>RequestedProcedureID                        2 -
>RequestedProcedureDescription               2 -
>ScheduledProcedureStepID                    2 -
>ScheduledProcedureStepDescription           2 -
>ScheduledProtocolCodeSequence               2 -
PatientName                                  2 -
PatientID                                    2 -
IssuerOfPatientID                            3 -
IssuerOfPatientIDQualifiersSequence          3 -
OtherPatientIDsSequence                      3 -
PatientBirthDate                             2 -
PatientSex                                   2 -
ReferencedPatientSequence                    2 -
>ReferencedSOPClassUID                       1 -
>ReferencedSOPInstanceUID                    1 -
AdmissionID                                  3 -
IssuerOfAdmissionIDSequence                  3 -
ServiceEpisodeID                             3 -
IssuerOfServiceEpisodeIDSequence             3 -
ServiceEpisodeDescription                    3 -
PerformedProcedureStepID                     1 -
PerformedStationAETitle                      1 -
PerformedStationName                         2 -
PerformedLocation                            2 -
PerformedProcedureStepStartDate              1 -
PerformedProcedureStepStartTime              1 -
PerformedProcedureStepStatus                 1 set
PerformedProcedureStepDescription            2 set
PerformedProcedureTypeDescription            2 set
ProcedureCodeSequence                        2 set
PerformedProcedureStepEndDate                2 set 1
PerformedProcedureStepEndTime                2 set 1
Modality                                     1 -
StudyID                                      2 -
PerformedProtocolCodeSequence                2 set
PerformedSeriesSequence                      2 set 1
>PerformingPhysicianName                     2 set
>ProtocolName                                1 set
>OperatorsName                               2 set
>SeriesInstanceUID                           1 set
>SeriesDescription                           2 set
>RetrieveAETitle                             2 set
>ReferencedImageSequence                     2 set
>>ReferencedSOPClassUID                      1 set
>>ReferencedSOPInstanceUID                   1 set
>ReferencedNonImageCompositeSOPInstanceSequence  2 set
>>ReferencedSOPClassUID                      1 set
>>ReferencedSOPInstanceUID                   1 set
"""
"""The attribute, its type at N-CREATE, whether N-SET may change it, and its type in the final state
where that is another one. What has no row is of type 3."""


class Refused(GatewayError):  # noqa: N818 - the answer to a request
    """A request that the rules do not allow."""

    def __init__(self, status: int, text: str, *tags: int) -> None:
        super().__init__(f"{text} {', '.join(map(_tag_text, tags))}".strip())
        self.status = status
        self.tags = tags


@dataclass(slots=True)
class _Row:
    created: int
    may_change: bool
    final: int
    items: dict[int, _Row] = field(default_factory=dict)


def _rows() -> dict[int, _Row]:
    root: dict[int, _Row] = {}
    levels = [root]
    for line in _TABLE.split("\n"):
        if not line:
            continue
        name, created, change, *final = line.split()
        keyword = name.lstrip(">")
        depth = len(name) - len(keyword)
        tag = tag_for_keyword(keyword)
        assert tag is not None
        row = _Row(int(created), change == "set", int(final[0] if final else created))
        levels[depth][tag] = row
        levels[depth + 1 :] = [row.items]
    return root


TABLE = _rows()
_OTHER = _Row(3, True, 3)
"""For all other attributes."""


def check_creation(step: Dataset, *, is_lenient: bool = False) -> None:
    """Check the attribute list of an N-CREATE.

    With `is_lenient` an attribute of type 2 may be absent, as some modalities have it.
    """
    _check(step, TABLE, is_lenient=is_lenient)
    if (state := state_of(step)) != IN_PROGRESS:
        raise Refused(INVALID_VALUE, f"Not {IN_PROGRESS} but {state[:16]!r}", STATUS)


def check_change(step: Dataset, change: Dataset, *, is_lenient: bool = False) -> Dataset:
    """Check the modification list of an N-SET, and return what it changes.

    What may not change may be repeated. With `is_lenient` a change may add an attribute.
    """
    changed = Dataset()
    for element in change:
        if _may_change(step, change, element, is_lenient=is_lenient):
            changed[element.tag] = element
    if STATUS in changed and state_of(changed) not in (IN_PROGRESS, COMPLETED, DISCONTINUED):
        raise Refused(INVALID_VALUE, "No such status", STATUS)
    return changed


def _may_change(step: Dataset, change: Dataset, element: DataElement, *, is_lenient: bool) -> bool:
    """Return whether an element is a change at all; raises Refused if it may not be."""
    tag = int(element.tag)
    row = TABLE.get(tag, _OTHER)
    if not row.may_change:
        if tag not in step or step[tag].value != element.value:
            raise Refused(INVALID_VALUE, "Cannot be changed by N-SET", tag)
        return False
    if tag == CHARACTER_SET:
        return False
    if tag not in step and not is_lenient:
        raise Refused(NO_SUCH_ATTRIBUTE, "Was not created by N-CREATE", tag)
    for item in _items_of(change, tag) if row.items else ():
        _check(item, row.items, is_lenient=is_lenient)
    return True


def check_final(step: Dataset, *, is_lenient: bool = False) -> None:
    """Check a step that is to be completed or discontinued."""
    _check(step, TABLE, is_lenient=is_lenient, is_final=True)


def state_of(step: Dataset) -> str:
    """Return Performed Procedure Step Status; empty if there is none."""
    return str(step.get("PerformedProcedureStepStatus") or "").strip()


def _check(
    data_set: Dataset, rows: dict[int, _Row], *, is_lenient: bool, is_final: bool = False
) -> None:
    for tag, row in rows.items():
        kind = row.final if is_final else row.created
        if tag not in data_set:
            if kind == 1 or (kind == 2 and not is_lenient):
                raise Refused(MISSING_ATTRIBUTE, "Missing", tag)
            continue
        if kind == 1 and _is_empty(data_set[tag].value):
            raise Refused(MISSING_VALUE, "Without a value", tag)
        for item in _items_of(data_set, tag) if row.items else ():
            _check(item, row.items, is_lenient=is_lenient, is_final=is_final)


def _is_empty(value: Any) -> bool:
    if value is None or value == b"":
        return True
    if isinstance(value, Dataset):
        return not len(value)
    if hasattr(value, "__len__") and not isinstance(value, str):
        return len(value) == 0
    return not str(value).strip()


def _items_of(data_set: Dataset, tag: int) -> Iterator[Dataset]:
    """Yield the items of a sequence; raises Refused if it is none."""
    if data_set[tag].VR != "SQ":
        raise Refused(INVALID_VALUE, "Not a sequence", tag)
    yield from data_set[tag].value or ()


def _tag_text(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
