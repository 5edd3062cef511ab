"""Services that report later, on an association of their own, under both libraries.

The report is sent from inside the N-ACTION handler, as pynetdicom's chapters on storage commitment
and unified procedure steps describe it.
"""

from __future__ import annotations

from tests.data_sets import data_set
from tests.interop.both import (
    COMMITMENT,
    COMMITMENT_INSTANCE,
    HOST,
    UPS_PUSH,
    UPS_WATCH,
    Told,
    finish,
    plain,
    send,
)

DISPLAY_SYSTEM, DISPLAY_SYSTEM_INSTANCE = "1.2.840.10008.5.1.1.40", "1.2.840.10008.5.1.1.40.1"
UPS_EVENT = "1.2.840.10008.5.1.4.34.6.4"
SUBSCRIBE, CHANGE_STATE = 3, 1
STATE_REPORT = 1


def receiver(pair, told, sop_class):
    """Serve reports with the client's library; return the port."""

    def report(event):
        request = event.request
        uids = (request.AffectedSOPClassUID, request.AffectedSOPInstanceUID)
        told.put((event.event_type, plain(event.event_information), *map(str, uids)))
        return 0x0000, None

    server = pair.serve([sop_class], [("EVT_N_EVENT_REPORT", report)], lib=pair.client)
    return server.server_address[1]


def report_to(pair, event, port, sop_class, args, **options):
    """Report on a new association, and return the status of the peer's response."""
    ae, lib = event.assoc.ae, pair.server
    assoc = ae.associate(
        *(HOST, port),
        contexts=[lib.build_context(sop_class)],
        ext_neg=[lib.build_role(sop_class, scp_role=True)],
    )
    assert assoc.is_established
    status, _ = send(assoc, "n_event_report", *args, **options)
    finish(assoc)
    return status.Status


def test_storage_commitment_is_reported_from_inside_the_action_handler(pair):
    told, answered = Told(), Told()
    port = receiver(pair, told, COMMITMENT)

    def commit(event):
        done = data_set(TransactionUID=event.action_information.TransactionUID)
        args = (done, 1, COMMITMENT, COMMITMENT_INSTANCE)
        answered.put(report_to(pair, event, port, COMMITMENT, args))
        return 0x0000, None

    assoc = pair.associate(pair.serve([COMMITMENT], [("EVT_N_ACTION", commit)]), [COMMITMENT])
    wanted = data_set(TransactionUID="1.2.9")
    status, _ = send(assoc, "n_action", wanted, 1, COMMITMENT, COMMITMENT_INSTANCE)
    assert status.Status == 0x0000
    assert answered.next() == 0x0000
    assert told.next() == (1, plain(wanted), COMMITMENT, COMMITMENT_INSTANCE)
    finish(assoc)


def test_subscribers_of_a_procedure_step_are_told_of_its_state(pair):
    told, subscribers = Told(), []
    port = receiver(pair, told, UPS_EVENT)

    def act(event):
        if event.action_type == SUBSCRIBE:
            subscribers.append(str(event.action_information.ReceivingAE))
            return 0x0000, None
        state = data_set(ProcedureStepState=event.action_information.ProcedureStepState)
        args = (state, STATE_REPORT, UPS_PUSH, str(event.request.RequestedSOPInstanceUID))
        for _ in subscribers:
            assert report_to(pair, event, port, UPS_EVENT, args, meta_uid=UPS_EVENT) == 0x0000
        return 0x0000, None

    server = pair.serve([UPS_WATCH], [("EVT_N_ACTION", act)])
    assoc = pair.associate(server, [UPS_WATCH])
    for information, action in (
        (data_set(ReceivingAE="WATCHER", DeletionLock="FALSE"), SUBSCRIBE),
        (data_set(ProcedureStepState="CANCELED"), CHANGE_STATE),
    ):
        args = (information, action, UPS_PUSH, "1.2.7")
        status, _ = send(assoc, "n_action", *args, meta_uid=UPS_WATCH)
        assert status.Status == 0x0000
    assert subscribers == ["WATCHER"]
    assert told.next() == (STATE_REPORT, {"ProcedureStepState": "CANCELED"}, UPS_PUSH, "1.2.7")
    finish(assoc)


def test_a_display_system_tells_of_itself(pair):
    asked = Told()

    def get(event):
        asked.put([int(tag) for tag in event.attribute_identifiers])
        return 0x0000, data_set(Manufacturer="Screens", InstitutionName="Here")

    server = pair.serve([DISPLAY_SYSTEM], [("EVT_N_GET", get)])
    assoc = pair.associate(server, [DISPLAY_SYSTEM])
    tags = [0x00080070, 0x00080080]
    answer = send(assoc, "n_get", tags, DISPLAY_SYSTEM, DISPLAY_SYSTEM_INSTANCE)
    told = {"Manufacturer": "Screens", "InstitutionName": "Here"}
    assert plain(answer) == ({"Status": 0x0000}, told)
    assert asked.next() == tags
    finish(assoc)
