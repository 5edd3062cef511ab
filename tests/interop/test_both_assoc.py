"""What a handler of a server finds in `event.assoc`, under both libraries."""

from __future__ import annotations

import pynetdicom.association
import pytest

import gateway
from tests.data_sets import data_set
from tests.interop.both import CT, ECHO, GET, MOVE, Told, finish, instance, role, send

ASSOCIATIONS = (gateway.Association, pynetdicom.association.Association)


def test_the_association_of_a_server(pair):
    told = Told()

    def echo(event):
        told.put(event.assoc)
        accepted, *_ = event.assoc.accepted_contexts
        told.put((tuple(accepted.as_tuple), accepted.status, accepted.result))
        told.put(event.assoc.is_alive())
        return 0x0000

    server = pair.serve([ECHO, CT], [("EVT_C_ECHO", echo)], acse_timeout=11, dimse_timeout=12)
    assoc = pair.associate(server, [(ECHO, "1.2.840.10008.1.2")])
    assert send(assoc, "c_echo").Status == 0x0000
    theirs = told.next()
    assert isinstance(theirs, ASSOCIATIONS)
    assert theirs.name
    assert theirs.ae.ae_title == "SERVER"
    assert (theirs.acse_timeout, theirs.dimse_timeout) == (11, 12)
    assert [str(c.abstract_syntax) for c in theirs.requestor.requested_contexts] == [ECHO]
    assert {str(c.abstract_syntax) for c in theirs.acceptor.supported_contexts} == {ECHO, CT}
    assert told.next() == ((1, ECHO, "1.2.840.10008.1.2"), "Accepted", 0)
    assert told.next() is True
    finish(assoc)


def test_a_handler_associates_by_the_ae_of_its_association(pair):
    told = Told()
    other = pair.serve([ECHO], [("EVT_C_ECHO", lambda event: told.put(event.assoc.ae) or 0)])

    def echo(event):
        ae = event.assoc.ae
        contexts = [pair.server.build_context(ECHO)]
        back = ae.associate("127.0.0.1", other.server_address[1], contexts=contexts)
        told.put(back.is_established)
        back.release()
        return 0x0000

    server = pair.serve([ECHO], [("EVT_C_ECHO", echo)])
    assoc = pair.associate(server, [ECHO])
    assert send(assoc, "c_echo").Status == 0x0000
    assert told.next() is True
    finish(assoc)


def test_a_server_ends_with_its_with_statement(pair):
    if not pair.is_gateway_server:
        return  # socketserver's closes the socket only
    server = pair.serve([ECHO])
    with server:
        finish(pair.associate(server, [ECHO]))
    assert server.is_shut_down


COMMENT = {"Status": 0xFF00, "ErrorComment": "one more"}


@pytest.mark.parametrize("model", [GET, MOVE], ids=["get", "move"])
def test_a_pending_status_has_the_comment_of_the_handler(pair, model):
    destination = pair.serve([CT], [("EVT_C_STORE", lambda event: 0x0000)], ae_title="DEST")
    where = "127.0.0.1", destination.server_address[1]

    def retrieve(event):
        if model == MOVE:
            yield *where, {"contexts": [pair.server.build_context(CT)]}
        yield 1
        yield data_set(**COMMENT), instance(1)
        yield 0x0000, None

    contexts = [model, (CT, None, False, True)]
    event = "EVT_C_MOVE" if model == MOVE else "EVT_C_GET"
    server = pair.serve(contexts, [(event, retrieve)])
    stores = [("EVT_C_STORE", lambda event: 0x0000)]
    assoc = pair.associate(server, [model, CT], stores, ext_neg=[role(CT, scp=True)])
    query = data_set(QueryRetrieveLevel="PATIENT", PatientID="1")
    asked = ("c_move", query, "DEST", MOVE) if model == MOVE else ("c_get", query, GET)
    (pending, _), (final, _) = send(assoc, *asked)
    assert (pending.Status, final.Status) == (0xFF00, 0x0000)
    assert pending.ErrorComment == "one more"
    assert pending.NumberOfCompletedSuboperations == 1
    finish(assoc)
