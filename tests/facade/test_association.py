"""An association that was asked for: its events, its timeouts, requests of the peer, mistakes."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest
from pydicom.errors import InvalidDicomError

import gateway
from gateway import evt
from tests.data_sets import data_set
from tests.interop.both import COMMITMENT, CT, ECHO, FIND, GET, HOST, WAIT, Told, instance, role
from tests.patience import PATIENCE
from tests.peers import procfs

EVERY = [name for name in dir(evt) if name.startswith("EVT_") and not name.startswith("EVT_WORKER")]


def names_of(told):
    found = []
    while not told.is_empty:
        found.append(told.next())
    return found


def test_every_event_in_order(facade):
    told = Told()

    def watch(event):
        told.put(event.name)

    server = facade.serve()
    names = [n for n in EVERY if getattr(evt, n).is_notification and n not in ("EVT_GAP",)]
    assoc = facade.associate(server, *((name, watch) for name in names))
    asked = names_of(told)
    assert asked[0] == "EVT_REQUESTED"
    assert [n for n in asked if n not in ("EVT_FSM_TRANSITION",)] == [
        *("EVT_REQUESTED", "EVT_CONN_OPEN"),
        *("EVT_DATA_SENT", "EVT_PDU_SENT", "EVT_ACSE_SENT"),
        *("EVT_DATA_RECV", "EVT_PDU_RECV", "EVT_ACSE_RECV"),
        *("EVT_ACCEPTED", "EVT_ESTABLISHED"),
    ]
    assert assoc.send_c_echo().Status == 0
    echoed = [n for n in names_of(told) if "DIMSE" in n]
    assert echoed == ["EVT_DIMSE_SENT", "EVT_DIMSE_RECV"]
    assoc.release()
    procfs.until(lambda: True, what="")
    left = [n for n in names_of(told) if n not in ("EVT_FSM_TRANSITION",)]
    assert left[:7] == [
        *("EVT_DATA_SENT", "EVT_PDU_SENT", "EVT_ACSE_SENT"),
        *("EVT_DATA_RECV", "EVT_PDU_RECV", "EVT_ACSE_RECV"),
        "EVT_RELEASED",
    ]


def test_transitions(facade):
    told = Told()

    def watch(event):
        told.put((event.current_state, event.fsm_event, event.action, event.next_state))

    facade.associate(facade.serve(), ("EVT_FSM_TRANSITION", watch))
    assert told.take(3) == [
        ("Sta1", "Evt1", "AE-1", "Sta4"),
        ("Sta4", "Evt2", "AE-2", "Sta5"),
        ("Sta5", "Evt3", "AE-3", "Sta6"),
    ]


def test_events_know_their_association(facade):
    told = Told()

    def watch(event, extra):
        told.put((event.assoc, event.event, event.timestamp is not None, extra))

    assoc = facade.associate(facade.serve(), ("EVT_ESTABLISHED", watch, [5]))
    assert told.next() == (assoc, evt.EVT_ESTABLISHED, True, 5)


def test_bind_while_it_lives(facade):
    told = Told()

    def watch(event):
        told.put(event.name)

    assoc = facade.associate(facade.serve())
    assoc.bind(evt.EVT_PDU_SENT, watch)
    assoc.bind(evt.EVT_DIMSE_RECV, watch)
    watched = [event for event in assoc.get_events() if event.is_notification]
    assert watched == [evt.EVT_DIMSE_RECV, evt.EVT_PDU_SENT]
    assert assoc.get_handlers(evt.EVT_PDU_SENT) == [(watch, None)]
    assert assoc.send_c_echo().Status == 0
    assert names_of(told) == ["EVT_PDU_SENT", "EVT_DIMSE_RECV"]
    assoc.unbind(evt.EVT_PDU_SENT, watch)
    assoc.unbind(evt.EVT_DIMSE_RECV, watch)
    assert assoc.send_c_echo().Status == 0
    assert told.is_empty


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
def test_whatever_a_handler_raises_does_not_stop_the_others(facade, error):
    told = Told()

    def fail(event):
        raise error

    async def fail_later(event):
        raise error

    def watch(event):
        told.put(event.name)

    failing = [("EVT_PDU_SENT", handler) for handler in (fail, fail_later, watch)]
    assoc = facade.associate(facade.serve(), *failing)
    names_of(told)
    assert assoc.send_c_echo().Status == 0
    assert names_of(told) == ["EVT_PDU_SENT"]


def test_a_handler_may_use_its_association(facade):
    told = Told()

    def established(event):
        told.put(event.assoc.send_c_echo().Status)
        event.assoc.release()
        told.put(event.assoc.is_released)

    assoc = facade.associate(facade.serve(), ("EVT_ESTABLISHED", established), must=False)
    assert told.take(2) == [0, True]
    assert assoc.is_released


def test_a_timeout_that_is_changed(facade):
    free = threading.Event()

    def slow(event):
        free.wait(WAIT)
        return 0x0000

    server = facade.serve(("EVT_C_ECHO", slow))
    assoc = facade.associate(server)
    assoc.dimse_timeout = 0.2
    assert assoc.dimse_timeout == 0.2
    assert "Status" not in assoc.send_c_echo()
    assert assoc.is_aborted
    free.set()


def test_timeouts_are_the_entitys(facade):
    facade.ae.network_timeout = None
    assoc = facade.associate(facade.serve())
    assert (assoc.acse_timeout, assoc.network_timeout) == (WAIT, None)
    facade.ae.acse_timeout = None
    facade.ae.network_timeout = 5
    assert (assoc.acse_timeout, assoc.network_timeout) == (None, 5)
    assert assoc.connection_timeout is None


def test_idle_for_too_long(facade):
    told = Told()
    facade.ae.network_timeout = 0.4 * PATIENCE
    server = facade.serve()
    assoc = facade.associate(server, ("EVT_ABORTED", told.put))
    assoc.network_timeout_response = "A-RELEASE"  # pynetdicom's, without effect here
    assert told.next().assoc is assoc
    assert assoc.is_aborted


def test_a_peer_that_says_nothing(facade):
    facade.ae.acse_timeout = 0.2
    with socket.create_server((HOST, 0)) as silent:
        assoc = facade.ae.associate(HOST, silent.getsockname()[1])
    assert (assoc.is_aborted, assoc.is_established) == (True, False)
    assert "0.2 s" in str(assoc.ended)


def test_bind_address(facade):
    server = facade.serve()
    assoc = facade.associate(server, bind_address=("127.0.0.2", 0))
    assert assoc.requestor.address == "127.0.0.2"
    assert assoc.local["port"] == assoc.requestor.port > 0
    assert assoc.remote == {
        "ae_title": "ANY-SCP",
        "address": HOST,
        "port": server.server_address[1],
        "mode": "acceptor",
        "pdv_size": 16382,
    }


@pytest.mark.parametrize("size", [1000, 2_000_000], ids=["small", "large"])
def test_instances_of_a_get(facade, size):
    """A large one lies in a file until its handler is through."""
    told = Told()
    sent = instance(1, PixelData=bytes(size))

    def get(event):
        yield 1
        yield 0xFF00, sent

    def store(event):
        path = event.dataset_path
        told.put((len(event.dataset.PixelData), event.file_meta.TransferSyntaxUID, path))
        told.put(len(event.encoded_dataset()) == path.stat().st_size)
        return 0x0000

    facade.ae.add_supported_context(GET)
    facade.ae.add_supported_context(CT, scu_role=False, scp_role=True)
    contexts = [gateway.build_context(GET), gateway.build_context(CT)]
    assoc = facade.associate(
        facade.serve(("EVT_C_GET", get)),
        ("EVT_C_STORE", store),
        contexts=contexts,
        ext_neg=[role(CT, scp=True)(gateway)],
    )
    *_, (status, _) = assoc.send_c_get(data_set(PatientID="1"), GET)
    assert status.Status == 0
    length, syntax, path = told.next()
    assert (length, syntax) == (size, "1.2.840.10008.1.2")
    assert told.next()
    assert not path.exists()


def test_requests_of_the_peer_that_nobody_answers(facade):
    told = Told()
    facade.ae.add_supported_context(COMMITMENT, scu_role=True, scp_role=True)
    server = facade.serve(("EVT_ESTABLISHED", lambda event: told.put(event.assoc)))
    assoc = facade.associate(
        server,
        contexts=[gateway.build_context(COMMITMENT)],
        ext_neg=[role(COMMITMENT, scu=True, scp=True)(gateway)],
    )
    theirs = told.next()
    status, _ = theirs.send_n_event_report(data_set(PatientID="1"), 1, COMMITMENT, "1.2.3")
    assert status.Status == 0x0110
    assert assoc.is_established


def test_find_that_is_left_early(facade):
    facade.ae.add_supported_context(FIND)

    def find(event):
        for number in range(5):
            yield 0xFF00, data_set(PatientID=str(number))

    contexts = [gateway.build_context(FIND), gateway.build_context(ECHO)]
    assoc = facade.associate(facade.serve(("EVT_C_FIND", find)), contexts=contexts)
    answers = assoc.send_c_find(data_set(PatientID=""), FIND)
    assert next(answers)[1].PatientID == "0"
    answers.close()
    assert assoc.send_c_echo(2).Status == 0
    again = assoc.send_c_find(data_set(PatientID=""), FIND, msg_id=3)
    assert [status.Status for status, _ in again] == [0xFF00] * 5 + [0]


def test_send_from_many_threads(facade):
    told = Told()
    server = facade.serve(("EVT_C_STORE", lambda event: 0x0000))
    assoc = facade.associate(server)

    def work(number):
        told.put(assoc.send_c_store(instance(number), msg_id=number).Status)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    assert told.take(8) == [0] * 8
    for thread in threads:
        thread.join()


def test_cancel_of_nothing_in_particular(facade):
    assoc = facade.associate(facade.serve())
    with pytest.raises(ValueError, match="query_model"):
        assoc.send_c_cancel(1)
    with pytest.raises(ValueError, match="No presentation context"):
        assoc.send_c_cancel(1, query_model=FIND)
    assoc.send_c_cancel(1, context_id=1)
    assert assoc.send_c_echo().Status == 0


def test_what_cannot_be_sent(facade, tmp_path):
    assoc = facade.associate(facade.serve())
    (tmp_path / "text").write_text("no DICOM at all")
    with pytest.raises(InvalidDicomError):
        assoc.send_c_store(tmp_path / "text")
    wrong = instance(PatientName="x")
    wrong["PatientName"]._value = object()
    with pytest.raises(ValueError, match="Failed to encode"):
        assoc.send_c_store(wrong)
    assert assoc.send_c_echo().Status == 0


def test_a_file_that_needs_another_syntax(facade, tmp_path, monkeypatch):
    path = tmp_path / "explicit.dcm"
    instance(1).save_as(path, enforce_file_format=True)
    told = Told()

    def store(event):
        told.put(str(event.context.transfer_syntax))
        return 0x0000

    server = facade.serve(("EVT_C_STORE", store))
    assoc = facade.associate(server, contexts=[gateway.build_context(CT, "1.2.840.10008.1.2")])
    assert assoc.send_c_store(path).Status == 0
    assert told.next() == "1.2.840.10008.1.2"
    monkeypatch.setattr(gateway.config_flags, "STORE_SEND_CHUNKED_DATASET", True)
    with pytest.raises(ValueError, match="No presentation context"):
        assoc.send_c_store(path)


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (gateway.pdu_primitives.UserIdentityNegotiation(), "user_identity_type"),
        (gateway.pdu_primitives.UserIdentityNegotiation(2, False, b"user"), "passcode"),
        (gateway.pdu_primitives.SCP_SCU_RoleSelectionNegotiation(CT), "scu_role"),
        (gateway.pdu_primitives.SOPClassExtendedNegotiation(CT), "bytes"),
        (gateway.pdu_primitives.SOPClassCommonExtendedNegotiation(CT), "service_class_uid"),
        (gateway.pdu_primitives.AsynchronousOperationsWindowNegotiation(70_000), "operations"),
    ],
)
def test_items_that_are_not_filled_in(facade, item, text):
    with pytest.raises(ValueError, match=text):
        facade.ae.associate(HOST, 104, ext_neg=[item])
