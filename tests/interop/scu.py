"""pynetdicom as the SCU of every operation: one association, and one call a request."""

from __future__ import annotations

from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

import pydicom
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    BasicFilmSession,
    CTImageStorage,
    ModalityPerformedProcedureStep,
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
    Printer,
    StorageCommitmentPushModel,
    Verification,
)

from tests.interop.test_pynetdicom import hold
from tests.patience import WALL
from tests.peers import instances, wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.peers.raw import Address

N_KINDS = ("N_ACTION", "N_CREATE", "N_DELETE", "N_EVENT_REPORT", "N_GET", "N_SET")
KINDS = ("ECHO", "STORE", "FIND", "GET", "MOVE", *N_KINDS)
MODELS = {
    "FIND": PatientRootQueryRetrieveInformationModelFind,
    "GET": PatientRootQueryRetrieveInformationModelGet,
    "MOVE": PatientRootQueryRetrieveInformationModelMove,
}
_INSTANCE = "1.2.826.0.1.3680043.10.999.1"
_CONTEXTS = (
    Verification,
    CTImageStorage,
    *MODELS.values(),
    ModalityPerformedProcedureStep,
    StorageCommitmentPushModel,
    Printer,
    BasicFilmSession,
)


class Response(NamedTuple):
    """One response of the gateway."""

    status: int
    elements: Dataset
    """The command set as pynetdicom returns it: Status, counters, comment..."""
    data: Dataset | None

    def counters(self) -> tuple[int | None, ...]:
        """Remaining, completed, failed and warning sub-operations; None where it is absent."""
        return tuple(
            self.elements.get(f"NumberOf{name}Suboperations")
            for name in ("Remaining", "Completed", "Failed", "Warning")
        )

    @property
    def failed(self) -> list[str]:
        """Failed SOP Instance UID List."""
        value = self.data.get("FailedSOPInstanceUIDList") if self.data is not None else None
        return [value] if isinstance(value, str) else list(value or ())


class Scu:
    """An established association; `asked` are the sub-operations it was sent (C-GET)."""

    def __init__(self, assoc, stored: list) -> None:
        self.assoc = assoc
        self.asked = stored

    def ask(self, kind: str, *, destination: str = "NOBODY") -> list[Response]:
        """Every response to one request of that kind."""
        hold(self.assoc)
        return list(self._responses(kind, destination))

    def _responses(self, kind: str, destination: str) -> Iterator[Response]:
        if kind in ("FIND", "GET", "MOVE"):
            yield from self.stream(kind, destination)
        elif kind in ("ECHO", "STORE", "N_DELETE"):
            yield _response(self._status(kind), None)
        else:
            yield _response(*self._pair(kind))

    def stream(self, kind: str, destination: str = "NOBODY", model="") -> Iterator[Response]:
        """The responses to a C-FIND, C-GET or C-MOVE as they come."""
        identifier = Dataset()
        identifier.QueryRetrieveLevel = "PATIENT"
        identifier.PatientID = "*"
        model = model or MODELS[kind]
        if kind == "FIND":
            answers = self.assoc.send_c_find(identifier, model)
        elif kind == "GET":
            answers = self.assoc.send_c_get(identifier, model)
        else:
            answers = self.assoc.send_c_move(identifier, destination, model)
        for status, data in answers:
            yield _response(status, data)

    def _status(self, kind: str) -> Dataset:
        if kind == "ECHO":
            return self.assoc.send_c_echo()
        if kind == "STORE":
            ds = pydicom.dcmread(BytesIO(instances.make(wire.IMPLICIT).part10()))
            return self.assoc.send_c_store(ds)
        return self.assoc.send_n_delete(BasicFilmSession, _INSTANCE)

    def _pair(self, kind: str) -> tuple[Dataset, Dataset | None]:
        ds, assoc = Dataset(), self.assoc
        ds.PatientID = "1"
        match kind:
            case "N_ACTION":
                return assoc.send_n_action(ds, 1, StorageCommitmentPushModel, _INSTANCE)
            case "N_CREATE":
                return assoc.send_n_create(ds, ModalityPerformedProcedureStep, _INSTANCE)
            case "N_EVENT_REPORT":
                return assoc.send_n_event_report(ds, 1, StorageCommitmentPushModel, _INSTANCE)
            case "N_GET":
                return assoc.send_n_get([0x21100010, 0x21100020], Printer, _INSTANCE)
            case _:
                return assoc.send_n_set(ds, ModalityPerformedProcedureStep, _INSTANCE)


def _response(status: Dataset, data: Dataset | None) -> Response:
    assert "Status" in status, "the association was aborted, or the gateway did not respond"
    return Response(status.Status, status, data)


@contextmanager
def scu(
    address: Address,
    title: str = "PYNETDICOM",
    *,
    answers: Iterable[int] = (),
    contexts: Iterable[str] = _CONTEXTS,
    timeout: float = WALL,
    end: bool = True,
    handlers: Iterable[tuple] = (),
) -> Iterator[Scu]:
    """An association under a calling AE title, released at the end if `end`.

    Sub-operations of a C-GET are answered with `answers` in turn, and then with 0000H.
    """
    statuses, stored = iter(answers), []

    def store(event) -> int:
        stored.append(event.dataset)
        return next(statuses, 0x0000)

    ae = AE(ae_title=title)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = timeout
    for uid in contexts:
        ae.add_requested_context(uid, [wire.IMPLICIT])
    roles = [
        build_role(uid, scu_role=True, scp_role=True)
        for uid in (CTImageStorage, StorageCommitmentPushModel)
        if uid in contexts
    ]
    bound = [(evt.EVT_C_STORE, store), *handlers]
    assoc = ae.associate(*address, ext_neg=roles, ae_title="GATEWAY", evt_handlers=bound)
    try:
        assert assoc.is_established
        yield Scu(assoc, stored)
        if end:
            assoc.release()
            assert assoc.is_released
    finally:
        if assoc.is_established:
            assoc.abort()
        assoc.join(WALL)
