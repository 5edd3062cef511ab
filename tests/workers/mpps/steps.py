"""Attributes of performed procedure steps, as a modality sends them."""

from __future__ import annotations

from pydicom.dataset import Dataset

CT = "1.2.840.10008.5.1.4.1.1.2"


def item(**values) -> Dataset:
    one = Dataset()
    for name, value in values.items():
        setattr(one, name, value)
    return one


def creation(study: str = "1.2.3", **more) -> Dataset:
    """What Table F.7.2-1 asks for at N-CREATE, type 2 empty."""
    scheduled = item(
        StudyInstanceUID=study,
        ReferencedStudySequence=[],
        AccessionNumber="A1",
        RequestedProcedureID="",
        RequestedProcedureDescription="",
        ScheduledProcedureStepID="",
        ScheduledProcedureStepDescription="",
        ScheduledProtocolCodeSequence=[],
    )
    values = {
        "ScheduledStepAttributesSequence": [scheduled],
        **dict.fromkeys(
            (
                *("PatientBirthDate", "PatientSex", "PerformedStationName", "PerformedLocation"),
                *("PerformedProcedureStepDescription", "PerformedProcedureTypeDescription"),
                *("PerformedProcedureStepEndDate", "PerformedProcedureStepEndTime", "StudyID"),
            ),
            "",
        ),
        "PatientName": "DOE^JANE",
        "PatientID": "P1",
        "ReferencedPatientSequence": [],
        "PerformedProcedureStepID": "PPS1",
        "PerformedStationAETitle": "CT1",
        "PerformedProcedureStepStartDate": "20261128",
        "PerformedProcedureStepStartTime": "120000",
        "PerformedProcedureStepStatus": "IN PROGRESS",
        "ProcedureCodeSequence": [],
        "Modality": "CT",
        "PerformedProtocolCodeSequence": [],
        "PerformedSeriesSequence": [],
    }
    return item(**{**values, **more})


def reference(uid: str) -> Dataset:
    return item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=uid)


def series(uid: str = "1.2.3.1", *instances: str) -> Dataset:
    return item(
        PerformingPhysicianName="",
        ProtocolName="HEAD",
        OperatorsName="",
        SeriesInstanceUID=uid,
        SeriesDescription="",
        RetrieveAETitle="",
        ReferencedImageSequence=[reference(one) for one in instances],
        ReferencedNonImageCompositeSOPInstanceSequence=[],
    )


def end(state: str = "COMPLETED", *made: Dataset) -> Dataset:
    """What an N-SET has that ends a step."""
    return item(
        PerformedProcedureStepStatus=state,
        PerformedProcedureStepEndDate="20261128",
        PerformedProcedureStepEndTime="121500",
        PerformedSeriesSequence=list(made) or [series()],
    )
