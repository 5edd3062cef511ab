"""The service classes of PS3.4: the operations and statuses of each SOP class.

There is one table, below. SOP classes that it does not have, which are private or new ones that the
policy accepts, are treated as storage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from gateway.dimse import status as codes
from gateway.dimse.command_elements import CommandField as Cmd
from gateway.dimse.message import DataSet, Message, Request
from gateway.dimse.statuses import (
    EVENT_LOGGING,
    FIND,
    GET,
    INVENTORY_CREATION,
    MEDIA_CREATION,
    MOVE,
    NON_PATIENT_OBJECT,
    PRINT,
    PROCEDURE_STEP,
    RELEVANT_PATIENT,
    REPOSITORY_QUERY,
    RT_VERIFICATION,
    STORAGE,
    UPS,
    StatusRows,
    find_status,
)
from gateway.errors import DimseError
from gateway.uid import KEYWORDS, STORAGE_SOP_CLASSES, UIDS, name_of

if TYPE_CHECKING:
    from gateway.dimse.status import Category


@dataclass(frozen=True, slots=True)
class Service:
    """A service of one or more SOP classes."""

    name: str
    annex: str
    """The annex of PS3.4."""
    operations: frozenset[Cmd]
    """Its requests, sent by either side."""
    statuses: StatusRows = ()

    def status(self, code: int) -> tuple[Category, str] | None:
        """Return the class and meaning of a status; None if the service does not have it."""
        return find_status(self.statuses, code)


class _ServiceEntry(NamedTuple):
    service: Service
    keywords: str


def _entry(
    name: str, annex: str, operations: str, statuses: StatusRows, keywords: str
) -> _ServiceEntry:
    known = frozenset(Cmd[f"{operation.replace('-', '_')}_RQ"] for operation in operations.split())
    return _ServiceEntry(Service(name, annex, known, statuses), keywords)


def _query_retrieve(name: str, annex: str, prefix: str) -> tuple[_ServiceEntry, ...]:
    return tuple(
        _entry(name, annex, f"C-{operation.upper()}", rows, prefix + operation)
        for operation, rows in (("Find", FIND), ("Move", MOVE), ("Get", GET))
    )


_STORED = " ".join([UIDS[uid].keyword for uid in STORAGE_SOP_CLASSES])
_N = "N-EVENT-REPORT N-GET N-SET N-ACTION N-CREATE N-DELETE"

# fmt: off
_ENTRIES: tuple[_ServiceEntry, ...] = (
    _entry("Verification", "A", "C-ECHO", (), "Verification"),
    _entry("Storage", "B", "C-STORE", STORAGE, _STORED),
    *_query_retrieve("Query/Retrieve", "C", "PatientRootQueryRetrieveInformationModel"),
    *_query_retrieve("Query/Retrieve", "C", "StudyRootQueryRetrieveInformationModel"),
    *_query_retrieve("Query/Retrieve", "C", "PatientStudyOnlyQueryRetrieveInformationModel"),
    _entry("Repository Query", "C.6.4", "C-FIND", REPOSITORY_QUERY, "RepositoryQuery"),
    _entry("Procedure Step", "F.7", "N-CREATE N-SET", PROCEDURE_STEP,
           "ModalityPerformedProcedureStep"),
    _entry("Procedure Step", "F.8", "N-GET", PROCEDURE_STEP,
           "ModalityPerformedProcedureStepRetrieve"),
    _entry("Procedure Step", "F.9", "N-EVENT-REPORT", PROCEDURE_STEP,
           "ModalityPerformedProcedureStepNotification"),
    _entry("Print Management", "H.4.1", "N-CREATE N-SET N-DELETE N-ACTION", PRINT,
           "BasicFilmSession BasicFilmBox"),
    _entry("Print Management", "H.4.3", "N-SET", PRINT,
           "BasicGrayscaleImageBox BasicColorImageBox BasicAnnotationBox ReferencedImageBox"),
    _entry("Print Management", "H.4.5", "N-EVENT-REPORT N-GET", PRINT, "PrintJob Printer"),
    _entry("Print Management", "H.4.7", "N-CREATE N-SET N-DELETE", PRINT,
           "VOILUTBox ImageOverlayBox BasicPrintImageOverlayBox"),
    _entry("Print Management", "H.4.9", "N-CREATE N-DELETE", PRINT, "PresentationLUT"),
    _entry("Print Management", "H.4.12", "N-GET", PRINT, "PrinterConfigurationRetrieval"),
    _entry("Print Management", "H", "N-EVENT-REPORT N-GET N-ACTION", PRINT,
           "PrintQueueManagement"),
    _entry("Print Management", "H", _N, PRINT, "PullPrintRequest"),
    _entry("Storage Commitment", "J", "N-ACTION N-EVENT-REPORT", (),
           "StorageCommitmentPushModel StorageCommitmentPullModel"),
    _entry("Basic Worklist Management", "K", "C-FIND", FIND,
           "ModalityWorklistInformationModelFind GeneralPurposeWorklistInformationModelFind"),
    _entry("Application Event Logging", "P", "N-ACTION", EVENT_LOGGING,
           "ProceduralEventLogging SubstanceAdministrationLogging"),
    _entry("Relevant Patient Information Query", "Q", "C-FIND", RELEVANT_PATIENT,
           """GeneralRelevantPatientInformationQuery BreastImagingRelevantPatientInformationQuery
           CardiacRelevantPatientInformationQuery"""),
    _entry("Instance Availability Notification", "R", "N-CREATE", (),
           "InstanceAvailabilityNotification"),
    _entry("Media Creation Management", "S", "N-CREATE N-GET N-ACTION", MEDIA_CREATION,
           "MediaCreationManagement"),
    *_query_retrieve("Hanging Protocol Query/Retrieve", "U", "HangingProtocolInformationModel"),
    _entry("Substance Administration Query", "V", "C-FIND", FIND,
           "ProductCharacteristicsQuery SubstanceApprovalQuery"),
    *_query_retrieve("Color Palette Query/Retrieve", "X",
                     "ColorPaletteQueryRetrieveInformationModel"),
    _entry("Composite Instance Root Retrieve", "Y", "C-MOVE", MOVE,
           "CompositeInstanceRootRetrieveMove"),
    _entry("Composite Instance Root Retrieve", "Y", "C-GET", GET,
           "CompositeInstanceRootRetrieveGet"),
    _entry("Composite Instance Retrieve Without Bulk Data", "Z", "C-GET", GET,
           "CompositeInstanceRetrieveWithoutBulkDataGet"),
    *_query_retrieve("Implant Template Query/Retrieve", "BB",
                     "GenericImplantTemplateInformationModel"),
    *_query_retrieve("Implant Template Query/Retrieve", "BB",
                     "ImplantAssemblyTemplateInformationModel"),
    *_query_retrieve("Implant Template Query/Retrieve", "BB",
                     "ImplantTemplateGroupInformationModel"),
    _entry("Unified Procedure Step", "CC", "N-CREATE N-ACTION N-GET", UPS,
           "UnifiedProcedureStepPush UnifiedProcedureStepPushTrial"),
    _entry("Unified Procedure Step", "CC", "N-ACTION N-GET C-FIND", UPS,
           "UnifiedProcedureStepWatch UnifiedProcedureStepWatchTrial"),
    _entry("Unified Procedure Step", "CC", "C-FIND N-GET N-SET N-ACTION", UPS,
           "UnifiedProcedureStepPull UnifiedProcedureStepPullTrial"),
    _entry("Unified Procedure Step", "CC", "N-EVENT-REPORT", UPS,
           "UnifiedProcedureStepEvent UnifiedProcedureStepEventTrial"),
    _entry("Unified Procedure Step", "CC", "C-FIND", UPS, "UnifiedProcedureStepQuery"),
    _entry("RT Machine Verification", "DD", _N, RT_VERIFICATION,
           """RTConventionalMachineVerification RTIonMachineVerification
           RTConventionalMachineVerificationTrial RTIonMachineVerificationTrial"""),
    _entry("Display System Management", "EE", "N-GET", (), "DisplaySystem"),
    _entry("Non-Patient Object Storage", "GG", "C-STORE", NON_PATIENT_OBJECT,
           """HangingProtocolStorage ColorPaletteStorage GenericImplantTemplateStorage
           ImplantAssemblyTemplateStorage ImplantTemplateGroupStorage
           CTDefinedProcedureProtocolStorage XADefinedProcedureProtocolStorage
           ProtocolApprovalStorage InventoryStorage"""),
    *_query_retrieve("Defined Procedure Protocol Query/Retrieve", "HH",
                     "DefinedProcedureProtocolInformationModel"),
    *_query_retrieve("Protocol Approval Query/Retrieve", "II",
                     "ProtocolApprovalInformationModel"),
    *_query_retrieve("Inventory Query/Retrieve", "JJ", "Inventory"),
    _entry("Storage Management", "KK", "N-ACTION N-EVENT-REPORT", INVENTORY_CREATION,
           "InventoryCreation"),
    _entry("Retired", "-", _N, (),
           """DetachedPatientManagement DetachedVisitManagement DetachedStudyManagement
           StudyComponentManagement DetachedResultsManagement DetachedInterpretationManagement
           GeneralPurposeScheduledProcedureStep GeneralPurposePerformedProcedureStep"""),
    _entry("Retired", "-", "C-STORE", STORAGE, "BasicStudyContentNotification"),
)

_META: dict[str, str] = {
    "BasicGrayscalePrintManagementMeta":
        "BasicFilmSession BasicFilmBox BasicGrayscaleImageBox Printer",
    "BasicColorPrintManagementMeta":
        "BasicFilmSession BasicFilmBox BasicColorImageBox Printer",
    "ReferencedGrayscalePrintManagementMeta":
        "BasicFilmSession BasicFilmBox ReferencedImageBox Printer",
    "ReferencedColorPrintManagementMeta":
        "BasicFilmSession BasicFilmBox ReferencedImageBox Printer",
    "PullStoredPrintManagementMeta": "PullPrintRequest Printer",
    "GeneralPurposeWorklistManagementMeta":
        """GeneralPurposeWorklistInformationModelFind GeneralPurposeScheduledProcedureStep
        GeneralPurposePerformedProcedureStep""",
    "DetachedPatientManagementMeta": "DetachedPatientManagement DetachedVisitManagement",
    "DetachedStudyManagementMeta": "DetachedStudyManagement StudyComponentManagement",
    "DetachedResultsManagementMeta": "DetachedResultsManagement DetachedInterpretationManagement",
}
"""Meta SOP classes and their members (PS3.4 H.3.2; retired ones of earlier editions)."""
# fmt: on


def _uids(keywords: str) -> frozenset[str]:
    return frozenset(KEYWORDS[keyword] for keyword in keywords.split())


def _table() -> dict[str, Service]:
    table = {uid: entry.service for entry in _ENTRIES for uid in _uids(entry.keywords)}
    for meta, members in _META.items():
        services = [table[uid] for uid in _uids(members)]
        table[KEYWORDS[meta]] = Service(
            services[0].name,
            services[0].annex,
            frozenset().union(*(service.operations for service in services)),
            services[0].statuses,
        )
    return table


SERVICES: dict[str, Service] = _table()
"""The service of each SOP class, and of each meta SOP class, that can be an abstract syntax."""

STORAGE_SERVICE = SERVICES[KEYWORDS["CTImageStorage"]]

META_SOP_CLASSES: dict[str, frozenset[str]] = {
    KEYWORDS[meta]: _uids(members) for meta, members in _META.items()
}
"""The SOP classes whose messages use a context of a meta SOP class (PS3.7 D.1)."""

_UPS: dict[str, frozenset[str]] = {
    KEYWORDS[f"UnifiedProcedureStep{name}{trial}"]: _uids(f"UnifiedProcedureStepPush{trial}")
    for trial, names in (("", "Watch Pull Event Query"), ("Trial", "Watch Pull Event"))
    for name in names.split()
}
"""Every UPS is an instance of UPS Push, whichever SOP class was negotiated (PS3.4 CC.3.1.1)."""


def service_of(sop_class_uid: str) -> Service:
    """Return the service of a SOP class; storage for one that the table does not have."""
    return SERVICES.get(sop_class_uid, STORAGE_SERVICE)


def serve_like(sop_class_uid: str, like: str) -> None:
    """Give a UID that the table does not have the service of the SOP class `like`."""
    SERVICES.setdefault(sop_class_uid, SERVICES[like])


def carries(abstract_syntax: str, sop_class_uid: str) -> bool:
    """Return whether a context of one SOP class can have messages of another.

    A context of a meta SOP class has messages of its members, and one of a UPS SOP class those of
    UPS Push.
    """
    members = META_SOP_CLASSES.get(abstract_syntax) or _UPS.get(abstract_syntax) or ()
    return sop_class_uid in members


def is_known_status(sop_class_uid: str, code: int) -> bool:
    """Return whether the service of a SOP class has a status code."""
    return service_of(sop_class_uid).status(code) is not None


def check_request(
    message: Message,
    abstract_syntax: str,
    *,
    has_data_set: bool | None = None,
    as_scu: bool = True,
    as_scp: bool = True,
) -> None:
    """Check a request against its context; raises DimseError 0122H, 0211H or 0212H.

    `as_scu` and `as_scp` are the roles of this side on that context (PS3.7 D.3.3.4): an
    N-EVENT-REPORT goes to the SCU, every other request to the SCP.
    """
    if not isinstance(message, Request):
        return
    sop_class = message.sop_class_uid
    if sop_class != abstract_syntax and not carries(abstract_syntax, sop_class):
        raise DimseError(
            codes.SOP_CLASS_NOT_SUPPORTED,
            f"{_name(sop_class)} on a context of {_name(abstract_syntax)}",
        )
    service = service_of(sop_class if abstract_syntax in META_SOP_CLASSES else abstract_syntax)
    operation = message.command_field
    if operation not in service.operations:
        text = f"{service.name} has no {_operation(operation)}"
        raise DimseError(codes.UNRECOGNIZED_OPERATION, text)
    if not (as_scu if operation is Cmd.N_EVENT_REPORT_RQ else as_scp):
        text = f"{_operation(operation)} is not for this role"
        raise DimseError(codes.UNRECOGNIZED_OPERATION, text)
    if has_data_set is False and message.data_set is DataSet.REQUIRED:
        text = f"{_operation(operation)} without a data set"
        raise DimseError(codes.MISTYPED_ARGUMENT, text)


def _operation(command_field: Cmd) -> str:
    return command_field.name.removesuffix("_RQ").replace("_", "-")


def _name(uid: str) -> str:
    return name_of(uid).removesuffix(" SOP Class")
