"""Every service class that uses C-FIND, C-GET, C-MOVE or the N-services, by pynetdicom's SCU.

The worker is that of the status table, which answers each service alike: what is tried here is
that each SOP class is negotiated, and its requests and responses pass.
"""

from __future__ import annotations

import threading

import pytest
from pydicom.dataset import Dataset
from pynetdicom import evt, sop_class
from pynetdicom.sop_class import (
    BasicFilmBox,
    BasicFilmSession,
    BasicGrayscaleImageBox,
    BasicGrayscalePrintManagementMeta,
    CTImageStorage,
    Printer,
    StorageCommitmentPushModel,
    UnifiedProcedureStepPull,
    UnifiedProcedureStepPush,
    UnifiedProcedureStepQuery,
    UnifiedProcedureStepWatch,
)

from tests.conftest import running
from tests.interop.scu import scu
from tests.interop.test_pynetdicom import hold
from tests.interop.test_status_table import SOURCE, Destination
from tests.patience import WALL
from tests.peers.workers import STORAGE_OFF, UserWorker

INSTANCE = "1.2.826.0.1.3680043.10.999.1"


@pytest.fixture(scope="module")
def gateway():
    with running(STORAGE_OFF) as one:
        yield one


@pytest.fixture(scope="module", autouse=True)
def worker(gateway, tmp_path_factory):
    with UserWorker(tmp_path_factory.mktemp("worker"), SOURCE, gateway.data) as one:
        one.wait_ready()
        yield one
        one.terminate()
        assert one.wait() == 0


@pytest.fixture(scope="module")
def destination():
    one = Destination()
    yield one
    one.server.shutdown()


def known(*words: str) -> list[str]:
    """Names of pynetdicom's SOP classes that are queried or retrieved with."""
    return sorted(name for name in vars(sop_class) if name.endswith(words) and name[0] != "_")


FINDS = [
    *known("Find", "InformationQuery"),
    "ProductCharacteristicsQuery",
    "SubstanceApprovalQuery",
    "RepositoryQuery",
    "UnifiedProcedureStepPull",
    "UnifiedProcedureStepWatch",
    "UnifiedProcedureStepQuery",
]


@pytest.mark.parametrize("name", FINDS)
def test_find(gateway, name: str) -> None:
    model = getattr(sop_class, name)
    with scu(gateway.address, "OK", contexts=[model]) as peer:
        hold(peer.assoc)
        first, last = peer.stream("FIND", model=model)
    assert (first.status, last.status) == (0xFF00, 0x0000)
    assert first.data is not None
    assert first.data.PatientID == "1"


@pytest.mark.parametrize("name", known("Get"))
def test_get(gateway, name: str) -> None:
    model = getattr(sop_class, name)
    with scu(gateway.address, "OK", contexts=[model, CTImageStorage]) as peer:
        hold(peer.assoc)
        *_, last = peer.stream("GET", model=model)
        assert last.status == 0x0000
        assert last.counters() == (None, 2, 0, 0)
        assert len(peer.asked) == 2


@pytest.mark.parametrize("name", known("Move"))
def test_move(gateway, destination, name: str) -> None:
    model = getattr(sop_class, name)
    with scu(gateway.address, "OK", contexts=[model]) as peer:
        hold(peer.assoc)
        *_, last = peer.stream("MOVE", destination.title, model=model)
    assert last.status == 0x0000
    assert last.counters() == (None, 2, 0, 0)


N_SERVICES = {
    "ModalityPerformedProcedureStep": "create set",
    "ModalityPerformedProcedureStepRetrieve": "get",
    "StorageCommitmentPushModel": "action",
    "ProceduralEventLogging": "action",
    "SubstanceAdministrationLogging": "action",
    "InstanceAvailabilityNotification": "create",
    "MediaCreationManagement": "create get action",
    "BasicFilmSession": "create set delete action",
    "BasicFilmBox": "create set delete action",
    "BasicGrayscaleImageBox": "set",
    "BasicColorImageBox": "set",
    "BasicAnnotationBox": "set",
    "PresentationLUT": "create delete",
    "Printer": "get",
    "PrintJob": "get",
    "PrinterConfigurationRetrieval": "get",
    "UnifiedProcedureStepPush": "create action get",
    "DisplaySystem": "get",
    "InventoryCreation": "action",
    "RTConventionalMachineVerification": "create set get action delete",
    "RTIonMachineVerification": "create set get action delete",
}
CASES = [(name, op) for name, operations in N_SERVICES.items() for op in operations.split()]


def send(assoc, operation: str, uid: str, **options) -> tuple[Dataset, Dataset | None]:
    """Send a request of an N-service, and return status and data set."""
    ds = Dataset()
    ds.PatientID = "1"
    hold(assoc)
    match operation:
        case "create":
            return assoc.send_n_create(ds, uid, INSTANCE, **options)
        case "set":
            return assoc.send_n_set(ds, uid, INSTANCE, **options)
        case "get":
            return assoc.send_n_get([0x00100010, 0x00100020], uid, INSTANCE, **options)
        case "action":
            return assoc.send_n_action(ds, 1, uid, INSTANCE, **options)
        case _:
            return assoc.send_n_delete(uid, INSTANCE, **options), None


def passes(operation: str, answer: tuple[Dataset, Dataset | None]) -> bool:
    status, data = answer
    assert status.Status == 0x0000
    return operation == "delete" or data.SOPInstanceUID == "1.2.3.7"


@pytest.mark.parametrize(("name", "operation"), CASES)
def test_n_service(gateway, name: str, operation: str) -> None:
    uid = getattr(sop_class, name)
    with scu(gateway.address, "WITH_DATA", contexts=[uid]) as peer:
        assert passes(operation, send(peer.assoc, operation, uid))


@pytest.mark.parametrize(
    ("uid", "operation"),
    [
        (BasicFilmSession, "create"),
        (BasicFilmBox, "create"),
        (BasicGrayscaleImageBox, "set"),
        (BasicFilmBox, "action"),
        (Printer, "get"),
        (BasicFilmSession, "delete"),
    ],
)
def test_print_by_its_meta_sop_class(gateway, uid, operation: str) -> None:
    meta = BasicGrayscalePrintManagementMeta
    with scu(gateway.address, "WITH_DATA", contexts=[meta]) as peer:
        assert passes(operation, send(peer.assoc, operation, uid, meta_uid=meta))


@pytest.mark.parametrize(
    ("context", "operations"),
    [
        (UnifiedProcedureStepPull, "get set action"),
        (UnifiedProcedureStepWatch, "get action"),
    ],
)
def test_ups_push_on_the_other_contexts(gateway, context, operations: str) -> None:
    """Each UPS is an instance of UPS Push, whatever was negotiated."""
    with scu(gateway.address, "WITH_DATA", contexts=[context]) as peer:
        for operation in operations.split():
            answer = send(peer.assoc, operation, UnifiedProcedureStepPush, meta_uid=context)
            assert passes(operation, answer)


def test_another_class_on_a_context_is_not_supported(gateway) -> None:
    meta = BasicGrayscalePrintManagementMeta
    with scu(gateway.address, "WITH_DATA", contexts=[meta]) as peer:
        status, _ = send(peer.assoc, "create", StorageCommitmentPushModel, meta_uid=meta)
        assert status.Status == 0x0122


def test_an_operation_that_the_service_does_not_have(gateway) -> None:
    with scu(gateway.address, "WITH_DATA", contexts=[UnifiedProcedureStepQuery]) as peer:
        status, _ = send(peer.assoc, "delete", UnifiedProcedureStepQuery)
        assert status.Status == 0x0211


COMMITMENT = """
import threading

from pydicom.dataset import Dataset

from gateway import Worker, evt

worker = Worker("commitment")


def report(event, information):
    status, _ = event.assoc.send_n_event_report(
        information, 1, "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
    )
    print("reported", status.get("Status"), flush=True)


@worker.on(evt.EVT_N_ACTION)
def commit(event):
    information = event.action_information
    if event.action_type == 1:
        threading.Thread(target=report, args=(event, information)).start()
    else:
        report(event, information)
    return 0x0000, None
"""


@pytest.mark.parametrize("action_type", [1, 2], ids=["after the response", "before it"])
def test_storage_commitment_is_reported_on_the_same_association(folder, action_type: int) -> None:
    reported, done = [], threading.Event()

    def report(event):
        reported.append((event.event_type, event.event_information.TransactionUID))
        done.set()
        return 0x0000, None

    information = Dataset()
    information.TransactionUID = "1.2.3.4.5"
    with (
        running(STORAGE_OFF) as gateway,
        UserWorker(folder, COMMITMENT, gateway.data) as worker,
    ):
        worker.wait_ready()
        handlers = [(evt.EVT_N_EVENT_REPORT, report)]
        uid = StorageCommitmentPushModel
        with scu(gateway.address, contexts=[uid], handlers=handlers) as peer:
            if action_type == 1:
                hold(peer.assoc)
            status, _ = peer.assoc.send_n_action(information, action_type, uid, INSTANCE)
            assert status.Status == 0x0000
            assert done.wait(WALL)
        worker.out.wait_for("^reported 0$")
    assert reported == [(1, "1.2.3.4.5")]
