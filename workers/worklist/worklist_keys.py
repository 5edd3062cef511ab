"""The attributes of the Modality Worklist Information Model (PS3.4 Table K.6-1)."""

from __future__ import annotations

from typing import NamedTuple

from pydicom.datadict import dictionary_VR, tag_for_keyword

_TABLE = """
ScheduledProcedureStepSequence                      R 1
>ScheduledStationAETitle                            R 1
>ScheduledProcedureStepStartDate                    R 1
>ScheduledProcedureStepStartTime                    R 1
>Modality                                           R 1
>ScheduledPerformingPhysicianName                   R 2
>ScheduledProcedureStepDescription                  O 1C
>ScheduledStationName                               O 2
>ScheduledProcedureStepLocation                     O 2
>ReferencedDefinedProtocolSequence                  O 2
>>ReferencedSOPClassUID                             O 1
>>ReferencedSOPInstanceUID                          O 1
>ScheduledProtocolCodeSequence                      O 1C
>>CodeValue                                         O 1
>>CodingSchemeVersion                               O 3
>>CodingSchemeDesignator                            O 1
>>CodeMeaning                                       O 3
>PreMedication                                      O 2C
>ScheduledProcedureStepID                           O 1
>RequestedContrastAgent                             O 2C
>ScheduledProcedureStepStatus                       O 3
>ScheduledProcedureStepEndDate                      O 3
>ScheduledProcedureStepEndTime                      O 3
>CommentsOnTheScheduledProcedureStep                O 3
RequestedProcedureID                                O 1
RequestedProcedureDescription                       O 1C
RequestedProcedureCodeSequence                      O 1C
>CodeValue                                          O 1
>CodingSchemeVersion                                O 3
>CodingSchemeDesignator                             O 1
>CodeMeaning                                        O 3
StudyInstanceUID                                    O 1
StudyDate                                           O 3
StudyTime                                           O 3
ReferencedStudySequence                             O 2
>ReferencedSOPClassUID                              O 1
>ReferencedSOPInstanceUID                           O 1
RequestedProcedurePriority                          O 2
PatientTransportArrangements                        O 2
ReasonForTheRequestedProcedure                      O 3
RequestedProcedureComments                          O 3
AccessionNumber                                     O 2
RequestingPhysician                                 O 2
ReferringPhysicianName                              O 2
RequestingService                                   O 3
AdmissionID                                         O 2
CurrentPatientLocation                              O 2
ReferencedPatientSequence                           O 2
>ReferencedSOPClassUID                              O 2
>ReferencedSOPInstanceUID                           O 2
PatientName                                         R 1
PatientID                                           R 1
IssuerOfPatientID                                   O 3
PatientBirthDate                                    O 2
PatientSex                                          O 2
PatientWeight                                       O 2
ConfidentialityConstraintOnPatientDataDescription   O 2
PatientState                                        O 2
PregnancyStatus                                     O 2
MedicalAlerts                                       O 2
Allergies                                           O 2
SpecialNeeds                                        O 2
"""
"""The attribute, whether matching is required or optional, and its type as a return key. The last
ones of type 3 are those that "all other attributes" of their module allow."""

UTF_8 = "ISO_IR 192"
"""The character set of items whose source has text without one."""
STEPS = 0x00400100
"""Scheduled Procedure Step Sequence."""


class WorklistKey(NamedTuple):
    """A row of the table."""

    path: tuple[int, ...]
    """The tags of the sequences around it, and its own."""
    keyword: str
    matching: str
    type: str


def _keys() -> tuple[WorklistKey, ...]:
    found = []
    around: list[int] = []
    for line in _TABLE.strip().splitlines():
        name, matching, kind = line.split()
        keyword = name.lstrip(">")
        depth = len(name) - len(keyword)
        tag = tag_for_keyword(keyword)
        assert tag is not None
        around[depth:] = [tag]
        found.append(WorklistKey(tuple(around), keyword, matching, kind))
    return tuple(found)


KEYS = _keys()
OF_STEP = frozenset(key.path[1] for key in KEYS if key.path[0] == STEPS and len(key.path) > 1)
"""Tags of a Scheduled Procedure Step, those of its sequence's items."""
NEEDED = frozenset(
    key.path for key in KEYS if key.type == "1" and dictionary_VR(key.path[-1]) != "SQ"
)
"""Paths of the attributes without which a step is not shown to a modality."""
PLAIN = tuple(
    key
    for key in KEYS
    if len(key.path) == 1 + (key.path[0] == STEPS) and dictionary_VR(key.path[-1]) != "SQ"
)
"""The attributes that a step has once, and that are no sequences."""
