from __future__ import annotations

import pynetdicom.sop_class as their_sop_class
import pytest

from gateway.dimse.command_elements import CommandField as Cmd
from gateway.dimse.message import (
    CCancelRQ,
    CEchoRQ,
    CEchoRSP,
    CFindRQ,
    CGetRQ,
    CMoveRQ,
    CStoreRQ,
    NActionRQ,
    NCreateRQ,
    NDeleteRQ,
    NEventReportRQ,
    NGetRQ,
    NSetRQ,
)
from gateway.dimse.services import (
    META_SOP_CLASSES,
    SERVICES,
    STORAGE_SERVICE,
    check_request,
    is_known_status,
    service_of,
)
from gateway.dimse.status import Category, category, is_pending
from gateway.errors import DimseError
from gateway.table_files import read_table
from gateway.uid import KEYWORDS, STORAGE_SOP_CLASSES, UIDS, UidType

INSTANCE = "1.2.3"


def uid(keyword: str) -> str:
    return KEYWORDS[keyword]


def request(operation: Cmd, sop_class: str):
    match operation:
        case Cmd.C_ECHO_RQ:
            return CEchoRQ(1, sop_class)
        case Cmd.C_FIND_RQ:
            return CFindRQ(1, sop_class)
        case Cmd.C_GET_RQ:
            return CGetRQ(1, sop_class)
        case Cmd.C_MOVE_RQ:
            return CMoveRQ(1, sop_class, "AE")
        case Cmd.C_STORE_RQ:
            return CStoreRQ(1, sop_class, INSTANCE)
        case Cmd.N_ACTION_RQ:
            return NActionRQ(1, sop_class, INSTANCE, 1)
        case Cmd.N_CREATE_RQ:
            return NCreateRQ(1, sop_class, INSTANCE)
        case Cmd.N_DELETE_RQ:
            return NDeleteRQ(1, sop_class, INSTANCE)
        case Cmd.N_EVENT_REPORT_RQ:
            return NEventReportRQ(1, sop_class, INSTANCE, 1)
        case Cmd.N_GET_RQ:
            return NGetRQ(1, sop_class, INSTANCE)
        case Cmd.N_SET_RQ:
            return NSetRQ(1, sop_class, INSTANCE)


OPERATIONS = [f for f in Cmd if not f & 0x8000 and f is not Cmd.C_CANCEL_RQ]


def status_of(message, abstract_syntax: str, **options) -> int:
    try:
        check_request(message, abstract_syntax, **options)
    except DimseError as error:
        return error.status
    return 0


def operations_of(sop_class: str, abstract_syntax: str = "") -> str:
    context = abstract_syntax or sop_class
    passed = (o for o in OPERATIONS if status_of(request(o, sop_class), context) == 0)
    return " ".join(o.name.removesuffix("_RQ").replace("_", "-") for o in passed)


@pytest.mark.parametrize(
    ("keyword", "operations"),
    [
        ("Verification", "C-ECHO"),
        ("CTImageStorage", "C-STORE"),
        ("UltrasoundImageStorageRetired", "C-STORE"),
        ("HangingProtocolStorage", "C-STORE"),
        ("PatientRootQueryRetrieveInformationModelFind", "C-FIND"),
        ("StudyRootQueryRetrieveInformationModelMove", "C-MOVE"),
        ("PatientStudyOnlyQueryRetrieveInformationModelGet", "C-GET"),
        ("CompositeInstanceRootRetrieveMove", "C-MOVE"),
        ("CompositeInstanceRetrieveWithoutBulkDataGet", "C-GET"),
        ("RepositoryQuery", "C-FIND"),
        ("ModalityWorklistInformationModelFind", "C-FIND"),
        ("GeneralRelevantPatientInformationQuery", "C-FIND"),
        ("ProductCharacteristicsQuery", "C-FIND"),
        ("HangingProtocolInformationModelGet", "C-GET"),
        ("ColorPaletteQueryRetrieveInformationModelMove", "C-MOVE"),
        ("ImplantTemplateGroupInformationModelFind", "C-FIND"),
        ("DefinedProcedureProtocolInformationModelMove", "C-MOVE"),
        ("ProtocolApprovalInformationModelGet", "C-GET"),
        ("InventoryFind", "C-FIND"),
        ("InventoryCreation", "N-EVENT-REPORT N-ACTION"),
        ("StorageCommitmentPushModel", "N-EVENT-REPORT N-ACTION"),
        ("ModalityPerformedProcedureStep", "N-SET N-CREATE"),
        ("ModalityPerformedProcedureStepRetrieve", "N-GET"),
        ("ModalityPerformedProcedureStepNotification", "N-EVENT-REPORT"),
        ("InstanceAvailabilityNotification", "N-CREATE"),
        ("MediaCreationManagement", "N-GET N-ACTION N-CREATE"),
        ("ProceduralEventLogging", "N-ACTION"),
        ("DisplaySystem", "N-GET"),
        ("BasicFilmSession", "N-SET N-ACTION N-CREATE N-DELETE"),
        ("BasicGrayscaleImageBox", "N-SET"),
        ("Printer", "N-EVENT-REPORT N-GET"),
        ("PresentationLUT", "N-CREATE N-DELETE"),
        ("UnifiedProcedureStepPush", "N-GET N-ACTION N-CREATE"),
        ("UnifiedProcedureStepPull", "C-FIND N-GET N-SET N-ACTION"),
        ("UnifiedProcedureStepWatch", "C-FIND N-GET N-ACTION"),
        ("UnifiedProcedureStepEvent", "N-EVENT-REPORT"),
        ("UnifiedProcedureStepQuery", "C-FIND"),
        (
            "RTIonMachineVerification",
            "N-EVENT-REPORT N-GET N-SET N-ACTION N-CREATE N-DELETE",
        ),
    ],
)
def test_operations(keyword, operations):
    assert operations_of(uid(keyword)) == operations


def test_the_table_has_every_sop_class_that_dimse_carries():
    left_out = {
        row.keyword
        for u, row in UIDS.items()
        if row.kind in (UidType.SOP_CLASS, UidType.META_SOP_CLASS) and u not in SERVICES
    }
    assert {k for k in left_out if "RealTime" not in k} == {"MediaStorageDirectoryStorage"}


def test_the_table_states_each_sop_class_once():
    storage = [UIDS[u].keyword for u in STORAGE_SOP_CLASSES]
    rows = read_table("dimse/services.tsv")
    listed = [k for *_, keywords in rows for k in keywords.split() or storage]
    twice = {k for k in listed if listed.count(k) > 1}
    non_patient = {UIDS[u].keyword for u, s in SERVICES.items() if s.annex == "GG"}
    assert twice == non_patient
    assert len(non_patient) == 9
    assert all(Cmd.C_STORE_RQ in SERVICES[u].operations for u in STORAGE_SOP_CLASSES)


def _their_classes():
    groups = (v for k, v in vars(their_sop_class).items() if k.endswith("_CLASSES"))
    return sorted({u for g in groups for u in g.values() if isinstance(u, str)})


@pytest.mark.parametrize("sop_class", _their_classes())
def test_every_sop_class_of_pynetdicom_with_its_statuses(sop_class):
    if sop_class == uid("MediaStorageDirectoryStorage"):
        return
    theirs = their_sop_class.uid_to_service_class(sop_class).statuses
    service = SERVICES[sop_class]
    find = [c for c in theirs if (service.status(c) or ("", ""))[0] == theirs[c][0]]
    missing = sorted(set(theirs) - set(find))
    if service.operations & {Cmd.C_GET_RQ, Cmd.C_MOVE_RQ}:
        # Their table for all of query/retrieve is that of C-FIND.
        missing = [c for c in missing if c not in (0xA700, 0xA710, 0xB001, 0xFF01)]
    if service.operations == {Cmd.C_FIND_RQ}:
        missing = [c for c in missing if c not in (0xA710, 0xB001)]
    assert not missing


@pytest.mark.parametrize("private", ["1.2.3.4", "1.2.840.10008.5.1.4.1.1.9999"])
def test_what_nobody_knows_is_storage(private):
    assert service_of(private) is STORAGE_SERVICE
    assert operations_of(private) == "C-STORE"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_sop_class_that_is_not_the_contexts_is_0122(operation):
    ct, mr = uid("CTImageStorage"), uid("MRImageStorage")
    assert status_of(request(operation, ct), mr) == 0x0122
    assert status_of(request(operation, "1.2.3"), ct) == 0x0122


def test_refusals_say_what_was_wrong():
    with pytest.raises(DimseError, match=r"^CT Image Storage on a context of Verification$"):
        check_request(request(Cmd.C_STORE_RQ, uid("CTImageStorage")), uid("Verification"))
    with pytest.raises(DimseError, match=r"^Storage has no N-EVENT-REPORT$"):
        check_request(request(Cmd.N_EVENT_REPORT_RQ, "1.2"), "1.2")


def test_an_operation_that_the_service_does_not_have_is_0211():
    assert status_of(request(Cmd.C_FIND_RQ, uid("CTImageStorage")), uid("CTImageStorage")) == 0x0211


@pytest.mark.parametrize(
    ("meta", "members"),
    [
        ("BasicGrayscalePrintManagementMeta", "BasicFilmSession BasicGrayscaleImageBox Printer"),
        ("BasicColorPrintManagementMeta", "BasicFilmBox BasicColorImageBox Printer"),
    ],
)
def test_a_meta_sop_class_carries_its_members(meta, members):
    for keyword in members.split():
        assert operations_of(uid(keyword), uid(meta)) == operations_of(uid(keyword))
    for keyword in ("PrintJob", "CTImageStorage"):
        assert status_of(request(Cmd.N_GET_RQ, uid(keyword)), uid(meta)) == 0x0122
    other = {*META_SOP_CLASSES[uid("BasicColorPrintManagementMeta")]} - {
        *META_SOP_CLASSES[uid("BasicGrayscalePrintManagementMeta")]
    }
    assert {UIDS[u].keyword for u in other} == {"BasicColorImageBox"}


def test_members_of_a_meta_sop_class_are_no_business_of_other_contexts():
    assert status_of(request(Cmd.N_SET_RQ, uid("BasicFilmBox")), uid("BasicFilmSession")) == 0x0122


@pytest.mark.parametrize("name", ["Watch", "Pull", "Event", "Query"])
def test_ups_contexts_carry_the_push_sop_class(name):
    context, push = uid(f"UnifiedProcedureStep{name}"), uid("UnifiedProcedureStepPush")
    assert operations_of(push, context) == operations_of(context)
    assert operations_of(push, context)
    assert status_of(request(Cmd.N_GET_RQ, context), push) == 0x0122
    assert status_of(request(Cmd.N_GET_RQ, uid("CTImageStorage")), context) == 0x0122


def test_roles():
    commitment = uid("StorageCommitmentPushModel")
    action, report = (
        request(operation, commitment) for operation in (Cmd.N_ACTION_RQ, Cmd.N_EVENT_REPORT_RQ)
    )
    assert status_of(action, commitment, as_scu=False) == 0
    assert status_of(action, commitment, as_scp=False) == 0x0211
    assert status_of(report, commitment, as_scp=False) == 0
    assert status_of(report, commitment, as_scu=False) == 0x0211


def test_a_data_set_that_must_be_there():
    ct = uid("CTImageStorage")
    store = request(Cmd.C_STORE_RQ, ct)
    assert status_of(store, ct, has_data_set=False) == 0x0212
    assert status_of(store, ct, has_data_set=True) == 0
    verification = uid("Verification")
    assert status_of(CEchoRQ(1), verification, has_data_set=False) == 0


def test_only_requests_are_checked():
    check_request(CCancelRQ(1), uid("CTImageStorage"))
    check_request(CEchoRSP(1, 0), uid("CTImageStorage"))


@pytest.mark.parametrize(
    ("keyword", "code", "expected"),
    [
        ("CTImageStorage", 0x0000, Category.SUCCESS),
        ("CTImageStorage", 0xB007, Category.WARNING),
        ("CTImageStorage", 0xA7FF, Category.FAILURE),
        ("CTImageStorage", 0xCFFF, Category.FAILURE),
        ("CTImageStorage", 0x0122, Category.FAILURE),
        ("CTImageStorage", 0xFF00, None),
        ("PatientRootQueryRetrieveInformationModelFind", 0xFF01, Category.PENDING),
        ("PatientRootQueryRetrieveInformationModelMove", 0xA801, Category.FAILURE),
        ("PatientRootQueryRetrieveInformationModelGet", 0xA801, None),
        ("PatientRootQueryRetrieveInformationModelGet", 0xB000, Category.WARNING),
        ("UnifiedProcedureStepPull", 0xC301, Category.FAILURE),
        ("BasicColorPrintManagementMeta", 0xB604, Category.WARNING),
        ("Verification", 0xA700, None),
    ],
)
def test_statuses(keyword, code, expected):
    found = service_of(uid(keyword)).status(code)
    assert (found[0] if found else None) == expected
    assert is_known_status(uid(keyword), code) == (expected is not None)


def test_the_class_of_each_listed_status_is_its_category():
    for service in set(SERVICES.values()):
        for row in service.statuses:
            assert row.first <= row.last
            assert row.meaning
            assert {category(row.first), category(row.last)} == {row.category}, row


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0x0000, Category.SUCCESS),
        (0x0001, Category.WARNING),
        (0x0002, Category.UNKNOWN),
        (0x0100, Category.FAILURE),
        (0x0107, Category.WARNING),
        (0x0116, Category.WARNING),
        (0x02FF, Category.FAILURE),
        (0x0300, Category.UNKNOWN),
        (0xA000, Category.FAILURE),
        (0xB000, Category.WARNING),
        (0xCFFF, Category.FAILURE),
        (0xD000, Category.UNKNOWN),
        (0xFE00, Category.CANCEL),
        (0xFF00, Category.PENDING),
        (0xFF01, Category.PENDING),
        (0xFF02, Category.UNKNOWN),
        (0xFFFF, Category.UNKNOWN),
    ],
)
def test_categories(code, expected):
    assert category(code) is expected
    assert is_pending(code) == (expected is Category.PENDING)
