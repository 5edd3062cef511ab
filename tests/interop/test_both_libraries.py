"""Handlers and programs written once, run under pynetdicom and under the gateway, each with each.

What a program finds must be the same in all four pairings, but for the departures that stand in
the tables here: what nobody answers, and where pynetdicom departs from the standard.
"""

from __future__ import annotations

import threading

import pytest

from tests.data_sets import data_set
from tests.handlers import returning, yielding
from tests.interop.both import (
    CT,
    ECHO,
    FIND,
    GET,
    MOVE,
    PRINTER,
    RELEVANT_PATIENT,
    UNCOMPRESSED,
    WAIT,
    WORKLIST,
    Told,
    boom,
    finish,
    hold,
    instance,
    plain,
    role,
    send,
)

# verification


@pytest.mark.parametrize("status", [0x0000, 0x0122, 0x0210])
def test_echo_with_a_status(pair, status):
    server = pair.serve([ECHO], [("EVT_C_ECHO", returning(status))])
    assoc = pair.associate(server, [ECHO])
    assert plain(send(assoc, "c_echo", msg_id=7)) == {"Status": status}
    finish(assoc)


def test_echo_that_nobody_answers(pair):
    assoc = pair.associate(pair.serve([ECHO]), [ECHO])
    assert send(assoc, "c_echo").Status == 0x0000
    finish(assoc)


# storage


@pytest.mark.parametrize("syntax", UNCOMPRESSED.values(), ids=UNCOMPRESSED)
def test_store(pair, syntax):
    told = Told()

    def store(event, extra):
        told.put(
            {
                "data set": plain(event.dataset),
                "bytes": len(event.encoded_dataset(include_meta=False)) > 2000,
                "file": event.encoded_dataset()[128:132],
                "meta": str(event.file_meta.TransferSyntaxUID),
                "uid": str(event.request.AffectedSOPInstanceUID),
                "message": (event.message_id, event.request.MessageID, event.request.Priority),
                "originator": (
                    event.request.MoveOriginatorApplicationEntityTitle,
                    event.request.MoveOriginatorMessageID,
                ),
                "context": tuple(map(str, event.context)),
                "titles": (event.assoc.requestor.ae_title, event.assoc.acceptor.ae_title),
                "extra": extra,
                "name": event.event.name,
            }
        )
        return 0x0000

    server = pair.serve([(CT, [syntax])], [("EVT_C_STORE", store, ["extra"])])
    assoc = pair.associate(server, [(CT, syntax)])
    ds = instance()
    ds.file_meta.TransferSyntaxUID = syntax
    status = send(assoc, "c_store", ds, 5, 1, originator_aet="MOVER", originator_id=9)
    assert plain(status) == {"Status": 0x0000}
    found = told.next()
    pixels = found["data set"].pop("PixelData")
    assert pixels == str(ds.PixelData)
    assert found == {
        "data set": {k: v for k, v in plain(ds).items() if k != "PixelData"},
        "bytes": syntax != UNCOMPRESSED["deflated"],
        "file": b"DICM",
        "meta": syntax,
        "uid": "1.2.826.0.1.99.1",
        "message": (5, 5, 1),
        "originator": ("MOVER", 9),
        "context": ("1", CT, syntax),
        "titles": ("CLIENT", "SERVER"),
        "extra": "extra",
        "name": "EVT_C_STORE",
    }
    finish(assoc)


def test_store_a_file(pair, tmp_path):
    told = Told()

    def store(event):
        told.put(str(event.dataset.PatientID))
        return 0x0000

    server = pair.serve([CT], [("EVT_C_STORE", store)])
    assoc = pair.associate(server, [CT])
    path = tmp_path / "one.dcm"
    instance(3).save_as(path, enforce_file_format=True)
    assert send(assoc, "c_store", path).Status == 0x0000
    assert send(assoc, "c_store", str(path)).Status == 0x0000
    assert told.take(2) == ["P3", "P3"]
    finish(assoc)


def test_store_many_on_one_association(pair):
    told = Told()

    def store(event):
        told.put(str(event.request.AffectedSOPInstanceUID))
        return 0x0000

    server = pair.serve([CT], [("EVT_C_STORE", store)])
    assoc = pair.associate(server, [CT])
    assert [send(assoc, "c_store", instance(n)).Status for n in range(10)] == [0] * 10
    assert told.take(10) == [f"1.2.826.0.1.99.{n}" for n in range(10)]
    finish(assoc)


STATUSES = {
    "raises": (boom, 0xC211),
    "none": (returning(None), 0xC002),
    "text": (returning("0x0000"), 0xC002),
    "empty": (returning(data_set()), 0xC001),
    "data-set": (returning(data_set(Status=0xB000, ErrorComment="coerced")), 0xB000),
    "unknown": (returning(0xFFF0), 0xFFF0),
    "warning": (returning(0xB007), 0xB007),
    "refused": (returning(0xA700), 0xA700),
}


@pytest.mark.parametrize("mistake", STATUSES)
def test_status_of_a_store_handler(pair, mistake):
    handler, expected = STATUSES[mistake]
    server = pair.serve([CT], [("EVT_C_STORE", handler)])
    assoc = pair.associate(server, [CT])
    status = send(assoc, "c_store", instance())
    assert status.Status == expected
    assert (mistake == "data-set") == (status.get("ErrorComment") == "coerced")
    finish(assoc)


def test_nobody_bound_to_store(pair):
    assoc = pair.associate(pair.serve([CT]), [CT])
    departure = 0xA700 if pair.is_gateway_server else 0xC211
    assert send(assoc, "c_store", instance()).Status == departure
    finish(assoc)


WRONG = {
    "priority": ("c_store", (instance(),), {"priority": 3}, ValueError),
    "message-id": ("c_store", (instance(),), {"msg_id": 0x10000}, ValueError),
    "message-id-echo": ("c_echo", (), {"msg_id": -1}, ValueError),
    "find-priority": ("c_find", (data_set(), FIND), {"priority": -1}, ValueError),
    "find-message-id": ("c_find", (data_set(), FIND), {"msg_id": 0x10000}, ValueError),
    "destination": ("c_move", (data_set(), "A" * 17, MOVE), {}, ValueError),
    "no-destination": ("c_move", (data_set(), "", MOVE), {}, ValueError),
    "originator-id": ("c_store", (instance(),), {"originator_id": 0x10000}, ValueError),
    "action-type": ("n_action", (None, "a", PRINTER, "1.2.3"), {}, TypeError),
    "event-type": ("n_event_report", (None, "a", PRINTER, "1.2.3"), {}, TypeError),
    "tag": ("n_get", (["Nope"], PRINTER, "1.2.3"), {}, ValueError),
}


@pytest.mark.parametrize("argument", WRONG)
def test_what_the_peer_would_have_to_refuse_is_not_sent(pair, argument):
    what, args, options, error = WRONG[argument]
    received = Told()
    contexts = [CT, ECHO, FIND, MOVE, PRINTER]
    server = pair.serve(contexts, [("EVT_DIMSE_RECV", lambda event: received.put(event.name))])
    assoc = pair.associate(server, contexts)
    with pytest.raises(error):
        list(getattr(assoc, f"send_{what}")(*args, **options))
    finish(assoc)
    assert received.is_empty


# query


def test_find(pair):
    told = Told()

    def find(event):
        told.put((plain(event.identifier), event.is_cancelled, event.context.abstract_syntax))
        for number in range(3):
            yield 0xFF00, data_set(PatientID=f"P{number}", QueryRetrieveLevel="PATIENT")
        yield 0x0000, None

    server = pair.serve([FIND], [("EVT_C_FIND", find)])
    assoc = pair.associate(server, [FIND])
    query = data_set(QueryRetrieveLevel="PATIENT", PatientID="*")
    found = plain(send(assoc, "c_find", query, FIND))
    assert found == [
        *(
            ({"Status": 0xFF00}, {"PatientID": f"P{n}", "QueryRetrieveLevel": "PATIENT"})
            for n in range(3)
        ),
        ({"Status": 0x0000}, None),
    ]
    assert told.next() == (plain(query), False, FIND)
    finish(assoc)


@pytest.mark.parametrize("model", [WORKLIST, RELEVANT_PATIENT], ids=["worklist", "relevant"])
def test_find_of_other_services(pair, model):
    match = data_set(PatientID="1", PatientName="A^B")
    server = pair.serve([model], [("EVT_C_FIND", yielding((0xFF00, match)))])
    assoc = pair.associate(server, [model])
    assert plain(send(assoc, "c_find", data_set(PatientID="1"), model)) == [
        ({"Status": 0xFF00}, plain(match)),
        ({"Status": 0x0000}, None),
    ]
    finish(assoc)


def test_find_cancelled(pair):
    seen, go, never = Told(), threading.Event(), threading.Event()

    def find(event):
        yield 0xFF00, data_set(PatientID="first")
        go.wait(WAIT)
        for _ in range(5_000):
            never.wait(0.001)  # pynetdicom reads little while it has much to send
            if event.is_cancelled:
                seen.put("cancelled")
                yield 0xFE00, None
                return
            yield 0xFF00, data_set(PatientID="more")

    server = pair.serve([FIND], [("EVT_C_FIND", find)])
    assoc = pair.associate(server, [FIND])
    hold(assoc)
    answers = assoc.send_c_find(data_set(PatientID=""), FIND, msg_id=3)
    assert next(answers)[0].Status == 0xFF00
    assoc.send_c_cancel(3, query_model=FIND)
    go.set()
    *_, (status, identifier) = answers
    assert (status.Status, identifier) == (0xFE00, None)
    assert seen.next() == "cancelled"
    finish(assoc)


PENDING = (0xFF00, data_set(PatientID="1"))
FINDS = {
    "raises": (boom, [0xC311]),
    "raises-first": (yielding(ValueError()), [0xC311]),
    "raises-later": (yielding(PENDING, ValueError()), [0xFF00, 0xC311]),
    "ends": (yielding(), [0x0000]),
    "ends-later": (yielding(PENDING), [0xFF00, 0x0000]),
    "no-status": (yielding((data_set(), None)), [0xC001]),
    "text": (yielding(("pending", None)), [0xC002]),
    "failure": (yielding((0xA900, None)), [0xA900]),
    "data-set": (yielding((data_set(Status=0xA700), None)), [0xA700]),
    "stops-at-success": (yielding((0x0000, None), PENDING), [0x0000]),
}


@pytest.mark.parametrize("mistake", FINDS)
def test_status_of_a_find_handler(pair, mistake):
    handler, expected = FINDS[mistake]
    server = pair.serve([FIND], [("EVT_C_FIND", handler)])
    assoc = pair.associate(server, [FIND])
    answers = send(assoc, "c_find", data_set(PatientID=""), FIND)
    assert [status.Status for status, _ in answers] == expected
    finish(assoc)


# retrieve


def counters(status):
    names = ("Remaining", "Completed", "Failed", "Warning")
    found = [status.get(f"NumberOf{name}Suboperations") for name in names]
    return (status.Status, *found)


def get(pair, handler, store=lambda event: 0x0000):
    """The client's view of a C-GET: counters of each response, identifiers, instances."""
    told = Told()

    def keep(event):
        told.put(str(event.request.AffectedSOPInstanceUID))
        return store(event)

    contexts = [GET, (CT, None, False, True)]
    server = pair.serve(contexts, [("EVT_C_GET", handler)])
    assoc = pair.associate(server, [GET, CT], [("EVT_C_STORE", keep)], ext_neg=[role(CT, scp=True)])
    answers = send(assoc, "c_get", data_set(QueryRetrieveLevel="PATIENT"), GET)
    finish(assoc)
    stored = []
    while not told.is_empty:
        stored.append(told.next())
    return [counters(status) for status, _ in answers], plain(answers[-1][1]), stored


def test_get(pair):
    handler = yielding(2, (0xFF00, instance(1)), (0xFF00, instance(2)), (0x0000, None))
    seen, identifier, stored = get(pair, handler)
    assert seen[-1][0] == 0x0000
    assert seen[-1][2:] == (2, 0, 0)
    assert seen[0] == (0xFF00, 1, 1, 0, 0)
    assert identifier is None
    assert stored == ["1.2.826.0.1.99.1", "1.2.826.0.1.99.2"]


def test_get_with_a_failed_sub_operation(pair):
    handler = yielding(2, (0xFF00, instance(1)), (0xFF00, instance(2)))
    answers = iter([0x0000, 0xA700])
    seen, identifier, stored = get(pair, handler, lambda event: next(answers))
    assert seen[-1][0] == 0xB000
    assert seen[-1][2:] == (1, 1, 0)
    assert identifier == {"FailedSOPInstanceUIDList": "1.2.826.0.1.99.2"}
    assert len(stored) == 2


def test_get_with_every_sub_operation_failed(pair):
    handler = yielding(1, (0xFF00, instance(1)))
    seen, identifier, _ = get(pair, handler, returning(0xA700))
    assert seen[-1][0] == 0xA702
    assert seen[-1][2:] == (0, 1, 0)
    assert identifier == {"FailedSOPInstanceUIDList": "1.2.826.0.1.99.1"}


GETS = {
    "raises": (boom, [0xC411]),
    "raises-first": (yielding(ValueError()), [0xC413]),
    "raises-later": (yielding(2, (0xFF00, instance(1)), ValueError()), [0xFF00, 0xC411]),
    "number-is-text": (yielding("two"), [0xC413]),
    "none": (yielding(0), [0x0000]),
    "no-status": (yielding(1, (data_set(), None)), [0xC001]),
    "text": (yielding(1, ("pending", instance(1))), [0xC002]),
    "failure": (yielding(1, (0xA900, None)), [0xA900]),
    "warning-with-all-stored": (
        yielding(1, (0xFF00, instance(1)), (0xB000, None)),
        [0xFF00, 0x0000],
    ),
}


@pytest.mark.parametrize("mistake", GETS)
def test_status_of_a_get_handler(pair, mistake):
    handler, expected = GETS[mistake]
    seen, _, _ = get(pair, handler)
    assert [status for status, *_ in seen] == expected


@pytest.mark.parametrize("last", [0x0000, 0xB000])
@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ([0x0000, 0x0000], 0x0000),
        ([0x0000, 0xA700], 0xB000),
        ([0xB000, 0x0000], 0xB000),
        ([0xA700, 0xA700], 0xA702),
    ],
)
def test_the_final_status_of_a_get_comes_from_the_counters(pair, last, stored, expected):
    answers = iter(stored)
    handler = yielding(2, (0xFF00, instance(1)), (0xFF00, instance(2)), (last, None))
    seen, _, _ = get(pair, handler, lambda event: next(answers))
    assert seen[-1][0] == expected


def test_move(pair):
    told = Told()

    def store(event):
        told.put(
            (
                str(event.request.AffectedSOPInstanceUID),
                event.request.MoveOriginatorApplicationEntityTitle,
                event.request.MoveOriginatorMessageID,
            )
        )
        return 0x0000

    destination = pair.serve([CT], [("EVT_C_STORE", store)], ae_title="DEST")
    port = destination.server_address[1]

    def move(event):
        assert event.move_destination == "DEST"
        contexts = [pair.server.build_context(CT)]
        yield "127.0.0.1", port, {"contexts": contexts}
        yield 2
        yield 0xFF00, instance(1)
        yield 0xFF00, instance(2)

    server = pair.serve([MOVE], [("EVT_C_MOVE", move)])
    assoc = pair.associate(server, [MOVE])
    query = data_set(QueryRetrieveLevel="PATIENT", PatientID="1")
    answers = send(assoc, "c_move", query, "DEST", MOVE, msg_id=4)
    seen = [counters(status) for status, _ in answers]
    assert seen[0] == (0xFF00, 1, 1, 0, 0)
    assert (seen[-1][0], seen[-1][2:]) == (0x0000, (2, 0, 0))
    assert [uid for uid, _, _ in told.take(2)] == ["1.2.826.0.1.99.1", "1.2.826.0.1.99.2"]
    finish(assoc)


MOVES = {
    "raises": (boom, [0xC511]),
    "raises-first": (yielding(ValueError()), [0xC514]),
    "unknown-destination": (yielding((None, None)), [0xA801]),
    "bad-destination": (yielding(5), [0xC515]),
}


@pytest.mark.parametrize("mistake", MOVES)
def test_status_of_a_move_handler(pair, mistake):
    handler, expected = MOVES[mistake]
    server = pair.serve([MOVE], [("EVT_C_MOVE", handler)])
    assoc = pair.associate(server, [MOVE])
    answers = send(assoc, "c_move", data_set(PatientID="1"), "DEST", MOVE)
    assert [status.Status for status, _ in answers] == expected
    finish(assoc)
