"""Attributes of performed procedure steps, as a modality sends them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from tests.data_sets import data_set

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

CT = "1.2.840.10008.5.1.4.1.1.2"


def requested(uid: str, *, attempt: int = 1, **given: object) -> SimpleNamespace:
    """A request about a step, as a handler gets it."""
    requestor = SimpleNamespace(ae_title="CT1", address="127.0.0.1")
    return SimpleNamespace(
        request=SimpleNamespace(AffectedSOPInstanceUID=uid, RequestedSOPInstanceUID=uid),
        assoc=SimpleNamespace(requestor=requestor),
        assoc_name="1",
        attempt=attempt,
        publish=lambda *_: None,
        **given,
    )


def creation(study: str = "1.2.3", **more) -> Dataset:
    """What Table F.7.2-1 asks for at N-CREATE, type 2 empty."""
    scheduled = data_set(
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
    return data_set(**{**values, **more})


def reference(uid: str) -> Dataset:
    return data_set(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=uid)


def series(uid: str = "1.2.3.1", *instances: str) -> Dataset:
    return data_set(
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
    return data_set(
        PerformedProcedureStepStatus=state,
        PerformedProcedureStepEndDate="20261128",
        PerformedProcedureStepEndTime="121500",
        PerformedSeriesSequence=list(made) or [series()],
    )
