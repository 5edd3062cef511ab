"""The coded values of audit messages (PS3.16 CID 400 to 405, D; RFC 3881 5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class AuditCode:
    """A coded value."""

    value: str
    meaning: str
    system: str = "DCM"


class AuditAction(Enum):
    """The EventActionCode."""

    CREATE = "C"
    READ = "R"
    UPDATE = "U"
    DELETE = "D"
    EXECUTE = "E"


class EventOutcome(Enum):
    """The EventOutcomeIndicator."""

    SUCCESS = "0"
    MINOR_FAILURE = "4"
    SERIOUS_FAILURE = "8"
    MAJOR_FAILURE = "12"


# CID 400: EventID
APPLICATION_ACTIVITY = AuditCode("110100", "Application Activity")
BEGIN_TRANSFERRING = AuditCode("110102", "Begin Transferring DICOM Instances")
INSTANCES_ACCESSED = AuditCode("110103", "DICOM Instances Accessed")
INSTANCES_TRANSFERRED = AuditCode("110104", "DICOM Instances Transferred")
STUDY_DELETED = AuditCode("110105", "DICOM Study Deleted")
EXPORT = AuditCode("110106", "Export")
PROCEDURE_RECORD = AuditCode("110111", "Procedure Record")
QUERY = AuditCode("110112", "Query")
SECURITY_ALERT = AuditCode("110113", "Security Alert")
USER_AUTHENTICATION = AuditCode("110114", "User Authentication")

# CID 401: EventTypeCode
APPLICATION_START = AuditCode("110120", "Application Start")
APPLICATION_STOP = AuditCode("110121", "Application Stop")
LOGIN = AuditCode("110122", "Login")
LOGOUT = AuditCode("110123", "Logout")
NODE_AUTHENTICATION = AuditCode("110126", "Node Authentication")
SECURITY_CONFIGURATION = AuditCode("110129", "Security Configuration")
RECORDING_STOPPED = AuditCode("110133", "Audit Recording Stopped")
RECORDING_STARTED = AuditCode("110134", "Audit Recording Started")

# CID 402: RoleIDCode
APPLICATION = AuditCode("110150", "Application")
DESTINATION = AuditCode("110152", "Destination Role ID")
SOURCE = AuditCode("110153", "Source Role ID")
DESTINATION_MEDIA = AuditCode("110154", "Destination Media")

# CID 404 and 405: ParticipantObjectIDTypeCode, MediaType
STUDY_UID = AuditCode("110180", "Study Instance UID")
SOP_CLASS_UID = AuditCode("110181", "SOP Class UID")
NODE_ID = AuditCode("110182", "Node ID")
PATIENT_NUMBER = AuditCode("2", "Patient Number", "RFC-3881")
URI = AuditCode("110037", "URI")
APPLICATION_SERVER = AuditCode("4", "Application Server Process", "RFC-3881")
"""The AuditSourceTypeCode."""
