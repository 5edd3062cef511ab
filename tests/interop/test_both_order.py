"""What one handler does has one order: what it yields, then what it does to the association."""

from __future__ import annotations

import pytest

from tests.data_sets import data_set
from tests.interop.both import CT, FIND, GET, HOST, MOVE, Told, instance, role, send

COUNT = 5


def yielding_then(operation, *first):
    """A handler that yields, and then ends the association by that operation."""

    def handler(event):
        yield from first
        for number in range(COUNT):
            yield 0xFF00, instance(number)
        getattr(event.assoc, operation)()
        yield 0x0000, None

    return handler


def test_matches_come_before_an_abort(pair):
    server = pair.serve([FIND], [("EVT_C_FIND", yielding_then("abort"))])
    assoc = pair.associate(server, [FIND])
    answers = send(assoc, "c_find", data_set(PatientID=""), FIND)
    assert [s.Status for s, _ in answers if "Status" in s] == [0xFF00] * COUNT


@pytest.mark.parametrize("operation", ["abort", "release"])
def test_instances_come_before_the_end(pair, operation):
    if (operation == "release" and not pair.is_gateway_server) or pair.client is not pair.server:
        return  # pynetdicom answers no A-RELEASE-RQ during an operation
    stored = Told()

    def store(event):
        stored.put(str(event.request.AffectedSOPInstanceUID))
        return 0x0000

    contexts = [GET, (CT, None, False, True)]
    server = pair.serve(contexts, [("EVT_C_GET", yielding_then(operation, COUNT))])
    assoc = pair.associate(
        server, [GET, CT], [("EVT_C_STORE", store)], ext_neg=[role(CT, scp=True)]
    )
    answers = send(assoc, "c_get", data_set(QueryRetrieveLevel="PATIENT"), GET)
    assert [s.Status for s, _ in answers if "Status" in s] == [0xFF00] * COUNT
    assert stored.take(COUNT) == [f"1.2.826.0.1.99.{n}" for n in range(COUNT)]


def test_moved_instances_come_before_an_abort(pair):
    stored = Told()

    def store(event):
        stored.put(str(event.request.AffectedSOPInstanceUID))
        return 0x0000

    destination = pair.serve([CT], [("EVT_C_STORE", store)], ae_title="DEST")
    where = HOST, destination.server_address[1], {"contexts": [pair.server.build_context(CT)]}
    server = pair.serve([MOVE], [("EVT_C_MOVE", yielding_then("abort", where, COUNT))])
    assoc = pair.associate(server, [MOVE])
    answers = send(assoc, "c_move", data_set(QueryRetrieveLevel="PATIENT"), "DEST", MOVE)
    pending = [status for status, _ in answers if "Status" in status]
    assert {status.Status for status in pending} == {0xFF00}
    assert pending[-1].NumberOfCompletedSuboperations == COUNT
    assert stored.take(COUNT) == [f"1.2.826.0.1.99.{n}" for n in range(COUNT)]
