"""The normalized services, written once and run under both libraries, each with each."""

from __future__ import annotations

import pytest
from pydicom.tag import BaseTag

from tests.data_sets import data_set
from tests.handlers import returning, yielding
from tests.interop.both import (
    AVAILABILITY,
    COMMITMENT,
    COMMITMENT_INSTANCE,
    FILM_BOX,
    FILM_SESSION,
    IMAGE_BOX,
    MPPS,
    PRINT_META,
    PRINTER,
    PRINTER_INSTANCE,
    UPS_PULL,
    UPS_PUSH,
    UPS_WATCH,
    Told,
    boom,
    finish,
    hold,
    plain,
    role,
    send,
)

# normalized services


def normalized(pair, context, event_name, handler, what, *args, **options):
    server = pair.serve([context], [(event_name, handler)])
    assoc = pair.associate(server, [context])
    answer = plain(send(assoc, what, *args, **options))
    finish(assoc)
    return answer


def test_performed_procedure_step(pair):
    steps = {}

    def create(event):
        steps[str(event.request.AffectedSOPInstanceUID)] = plain(event.attribute_list)
        return 0x0000, event.attribute_list

    def change(event):
        step = steps[str(event.request.RequestedSOPInstanceUID)]
        step.update(plain(event.modification_list))
        return 0x0000, data_set(PerformedProcedureStepStatus="COMPLETED")

    server = pair.serve([MPPS], [("EVT_N_CREATE", create), ("EVT_N_SET", change)])
    assoc = pair.associate(server, [MPPS])
    begun = data_set(PerformedProcedureStepStatus="IN PROGRESS", Modality="CT")
    status, attributes = send(assoc, "n_create", begun, MPPS, "1.2.3")
    assert (status.Status, plain(attributes)) == (0x0000, plain(begun))
    over = data_set(PerformedProcedureStepStatus="COMPLETED")
    status, attributes = send(assoc, "n_set", over, MPPS, "1.2.3")
    assert (status.Status, plain(attributes)) == (0x0000, plain(over))
    assert steps == {"1.2.3": {"PerformedProcedureStepStatus": "COMPLETED", "Modality": "CT"}}
    finish(assoc)


ASSIGNED = data_set(AffectedSOPInstanceUID="1.2.7", Modality="CT")
CREATES = {
    "none": ((0x0000, None), {"Status": 0x0110}, None),
    "attributes": ((0x0000, data_set(Modality="CT")), {"Status": 0x0110}, None),
    "assigned": (
        (0x0000, ASSIGNED),
        {"Status": 0x0000, "AffectedSOPInstanceUID": "1.2.7"},
        {"Modality": "CT"},
    ),
    "failure": ((0x0111, None), {"Status": 0x0111}, None),
}


@pytest.mark.parametrize("answer", CREATES)
def test_create_without_an_instance_uid(pair, answer):
    (code, attributes), expected, returned = CREATES[answer]

    def create(event):
        assert event.request.AffectedSOPInstanceUID is None
        return code, attributes and data_set(**plain(attributes))

    found = normalized(
        pair, MPPS, "EVT_N_CREATE", create, "n_create", data_set(Modality="CT"), MPPS
    )
    if pair.client.__name__ == "pynetdicom":  # it does not tell the UID
        expected = {"Status": expected["Status"]}
    assert found == (expected, returned)


def test_storage_commitment_on_one_association(pair):
    acting, reported = Told(), Told()

    def commit(event):
        acting.put((event.assoc, event.action_type, plain(event.action_information)))
        return 0x0000, None

    def report(event):
        reported.put((event.event_type, plain(event.event_information)))
        return 0x0000, None

    server = pair.serve([(COMMITMENT, None, True, True)], [("EVT_N_ACTION", commit)])
    assoc = pair.associate(
        server,
        [COMMITMENT],
        [("EVT_N_EVENT_REPORT", report)],
        ext_neg=[role(COMMITMENT, scu=True, scp=True)],
    )
    wanted = data_set(TransactionUID="1.2.9")
    status, reply = send(assoc, "n_action", wanted, 1, COMMITMENT, COMMITMENT_INSTANCE)
    assert (status.Status, plain(reply)) == (0x0000, {})
    theirs, action_type, information = acting.next()
    assert (action_type, information) == (1, plain(wanted))
    status, _ = send(theirs, "n_event_report", wanted, 1, COMMITMENT, COMMITMENT_INSTANCE)
    assert status.Status == 0x0000
    assert reported.next() == (1, plain(wanted))
    finish(assoc)


REPORTERS = {
    "no-role": [],
    "scp": [role(COMMITMENT, scp=True)],
    "both": [role(COMMITMENT, scu=True, scp=True)],
}


@pytest.mark.parametrize("roles", REPORTERS)
def test_storage_commitment_is_reported_on_an_association_of_its_own(pair, roles):
    """A receiver as it is written for pynetdicom, which adds the context without roles."""
    reported = Told()

    def report(event):
        reported.put((event.event_type, plain(event.event_information), event.context[1]))
        return 0x0000, None

    server = pair.serve([COMMITMENT], [("EVT_N_EVENT_REPORT", report)])
    assoc = pair.associate(server, [COMMITMENT], ext_neg=REPORTERS[roles])
    done = data_set(TransactionUID="1.2.9")
    hold(assoc)
    status, _ = assoc.send_n_event_report(done, 2, COMMITMENT, COMMITMENT_INSTANCE)
    assert status.Status == 0x0000
    assert reported.next() == (2, plain(done), COMMITMENT)
    finish(assoc)


@pytest.mark.parametrize("tags", [None, [0x21100010], [0x21100010, 0x21100020]])
def test_attribute_identifiers(pair, tags):
    told = Told()

    def read(event):
        asked = event.attribute_identifiers
        told.put((asked, {type(tag) for tag in asked} <= {BaseTag}, [tag.group for tag in asked]))
        told.put((type(event.request).__name__, event.request.msg_type))
        told.put(event.request.is_valid_request)
        return 0x0000, data_set(PrinterStatus="NORMAL")

    found = normalized(pair, PRINTER, "EVT_N_GET", read, "n_get", tags, PRINTER, PRINTER_INSTANCE)
    assert found[1] == {"PrinterStatus": "NORMAL"}
    assert told.next() == (tags or [], True, [0x2110] * len(tags or []))
    assert told.next() == ("N_GET", "N-GET")
    assert told.next() is True


def test_an_n_set_has_its_data_set_under_both_names(pair):
    told = Told()

    def change(event):
        told.put(plain(event.modification_list))
        if pair.is_gateway_server:
            told.put(plain(event.attribute_list))
        return 0x0000, None

    changed = data_set(PrinterStatus="NORMAL")
    normalized(pair, IMAGE_BOX, "EVT_N_SET", change, "n_set", changed, IMAGE_BOX, "1.2.3")
    assert told.next() == plain(changed)
    assert not pair.is_gateway_server or told.next() == plain(changed)


def test_print(pair):
    done = Told()

    def create(event):
        done.put(str(event.request.AffectedSOPClassUID))
        return 0x0000, data_set(FilmOrientation="PORTRAIT")

    def read(event):
        done.put([int(tag) for tag in event.attribute_identifiers])
        return 0x0000, data_set(PrinterStatus="NORMAL")

    def change(event):
        done.put(str(event.request.RequestedSOPClassUID))
        return 0x0000, None

    def act(event):
        done.put(event.action_type)
        return 0x0000, None

    def delete(event):
        done.put(str(event.request.RequestedSOPInstanceUID))
        return 0x0000

    handlers = [
        ("EVT_N_CREATE", create),
        ("EVT_N_GET", read),
        ("EVT_N_SET", change),
        ("EVT_N_ACTION", act),
        ("EVT_N_DELETE", delete),
    ]
    server = pair.serve([PRINT_META], handlers)
    assoc = pair.associate(server, [PRINT_META])
    meta = {"meta_uid": PRINT_META}
    status, found = send(assoc, "n_get", [0x21100010], PRINTER, PRINTER_INSTANCE, **meta)
    assert (status.Status, plain(found)) == (0, {"PrinterStatus": "NORMAL"})
    film = data_set(NumberOfCopies="1")
    for sop_class in (FILM_SESSION, FILM_BOX):
        status, found = send(assoc, "n_create", film, sop_class, "1.2.5", **meta)
        assert (status.Status, plain(found)) == (0, {"FilmOrientation": "PORTRAIT"})
    assert plain(send(assoc, "n_set", film, IMAGE_BOX, "1.2.6", **meta)) == ({"Status": 0}, {})
    assert plain(send(assoc, "n_action", None, 1, FILM_BOX, "1.2.5", **meta)) == (
        {"Status": 0},
        {},
    )
    assert plain(send(assoc, "n_delete", FILM_SESSION, "1.2.5", **meta)) == {"Status": 0}
    assert done.take(6) == [[0x21100010], FILM_SESSION, FILM_BOX, IMAGE_BOX, 1, "1.2.5"]
    finish(assoc)


def test_unified_procedure_step(pair):
    done = Told()

    def create(event):
        done.put(("create", event.context.abstract_syntax, event.request.AffectedSOPClassUID))
        return 0x0000, event.attribute_list

    def act(event):
        done.put(("act", event.context.abstract_syntax, event.request.RequestedSOPClassUID))
        return 0x0000, None

    def read(event):
        done.put(("read", event.context.abstract_syntax, event.request.RequestedSOPClassUID))
        return 0x0000, data_set(ProcedureStepState="SCHEDULED")

    handlers = [
        ("EVT_N_CREATE", create),
        ("EVT_N_ACTION", act),
        ("EVT_N_GET", read),
        ("EVT_C_FIND", yielding((0xFF00, data_set(ProcedureStepState="SCHEDULED")))),
    ]
    server = pair.serve([UPS_PUSH, UPS_WATCH, UPS_PULL], handlers)
    step = data_set(ProcedureStepState="SCHEDULED")
    assoc = pair.associate(server, [UPS_PUSH])
    assert send(assoc, "n_create", step, UPS_PUSH, "1.2.7")[0].Status == 0
    finish(assoc)
    assoc = pair.associate(server, [UPS_PULL, UPS_WATCH])
    found = send(assoc, "c_find", data_set(ProcedureStepState=""), UPS_PULL)
    assert [status.Status for status, _ in found] == [0xFF00, 0x0000]
    answer = send(assoc, "n_get", [], UPS_PUSH, "1.2.7", meta_uid=UPS_PULL)
    assert plain(answer) == ({"Status": 0}, plain(step))
    answer = send(assoc, "n_action", None, 3, UPS_PUSH, "1.2.7", meta_uid=UPS_WATCH)
    assert plain(answer) == ({"Status": 0}, {})
    assert done.take(3) == [
        ("create", UPS_PUSH, UPS_PUSH),
        ("read", UPS_PULL, UPS_PUSH),
        ("act", UPS_WATCH, UPS_PUSH),
    ]
    finish(assoc)


def test_instance_availability(pair):
    attributes = data_set(StudyInstanceUID="1.2.8")
    answer = normalized(
        *(pair, AVAILABILITY, "EVT_N_CREATE", returning((0x0000, attributes))),
        *("n_create", attributes, AVAILABILITY, "1.2.8"),
    )
    assert answer == ({"Status": 0}, plain(attributes))


NORMALIZED = {
    "raises": (boom, 0x0110),
    "no-status": (returning((data_set(), None)), 0xC001),
    "text": (returning(("fine", None)), 0xC002),
    "failure": (returning((0x0112, None)), 0x0112),
    "data-set": (returning((data_set(Status=0x0107), None)), 0x0107),
}


@pytest.mark.parametrize("mistake", NORMALIZED)
def test_status_of_an_n_create_handler(pair, mistake):
    handler, expected = NORMALIZED[mistake]
    status, _ = normalized(
        pair, MPPS, "EVT_N_CREATE", handler, "n_create", data_set(Modality="CT"), MPPS, "1.2.3"
    )
    assert status["Status"] == expected


def test_nobody_bound_to_n_create(pair):
    assoc = pair.associate(pair.serve([MPPS]), [MPPS])
    status, attributes = send(assoc, "n_create", data_set(Modality="CT"), MPPS, "1.2.3")
    assert (status.Status, attributes) == (0x0110, None)
    finish(assoc)
