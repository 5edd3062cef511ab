import struct

import pytest

from gateway import evt
from gateway.dimse.message import CEchoRQ
from gateway.errors import RemoteProtocolError
from gateway.sdk import Event
from gateway.ul.pdu import AAbort, PDataTF

RELEASE_RQ = bytes.fromhex("05 00 00000004 00000000")
ABORT = bytes.fromhex("07 00 00000004 0000 02 01")


def p_data(*pdvs: tuple[int, int, bytes]) -> bytes:
    body = b"".join(struct.pack(">LBB", len(d) + 2, i, h) + d for i, h, d in pdvs)
    return struct.pack(">BxL", 4, len(body)) + body


def test_data():
    event = Event(evt.EVT_DATA_RECV, {"data": ABORT, "length": 10, "truncated": False})
    assert (event.data, event.length, event.truncated) == (ABORT, 10, False)


def test_a_pdu_is_decoded():
    pdu = Event(evt.EVT_PDU_RECV, {"pdu": ABORT, "length": 10, "truncated": False}).pdu
    assert pdu == AAbort(source=2, reason=1)


@pytest.mark.parametrize("cut", range(12, 200))
def test_the_pdvs_of_a_pdu_that_was_cut(cut):
    whole = p_data((1, 3, b"c" * 40), (1, 0, b"d" * 300))
    pdu = Event(evt.EVT_PDU_SENT, {"pdu": whole[:cut], "length": len(whole), "truncated": True}).pdu
    assert isinstance(pdu, PDataTF)
    assert (
        b"".join(bytes(pdv.data) for pdv in pdu.pdvs)
        == (b"c" * 40 + b"d" * 300)[: sum(len(pdv.data) for pdv in pdu.pdvs)]
    )


def test_another_pdu_that_was_cut():
    event = Event(evt.EVT_PDU_RECV, {"pdu": ABORT[:7], "length": 10, "truncated": True})
    with pytest.raises(RemoteProtocolError):
        _ = event.pdu


def test_a_primitive():
    body = {"primitive": "A-ABORT", "kind": "indication", "pdu": ABORT}
    primitive = Event(evt.EVT_ACSE_RECV, body).primitive
    assert (primitive.name, primitive.kind) == ("A-ABORT", "indication")
    assert primitive.pdu == AAbort(source=2, reason=1)
    body = {"primitive": "A-P-ABORT", "kind": "indication", "pdu": b""}
    assert Event(evt.EVT_ACSE_RECV, body).primitive.pdu is None


def test_a_message():
    echo = CEchoRQ(message_id=5, affected_sop_class_uid="1.2.840.10008.1.1")
    body = {"context_id": 3, "command_set": echo.encode(has_data_set=False), "data_set": b"ab"}
    message = Event(evt.EVT_DIMSE_RECV, {**body, "length": 2, "truncated": False}).message
    assert message.context_id == 3
    assert message.command_set.MessageID == 5
    assert message.command_set.AffectedSOPClassUID == "1.2.840.10008.1.1"
    assert message.data_set.read() == b"ab"
    assert message.message == echo


def test_a_transition():
    body = {"current_state": "Sta6", "fsm_event": "Evt10", "action": "DT-2", "next_state": "Sta6"}
    event = Event(evt.EVT_FSM_TRANSITION, body)
    assert (event.current_state, event.fsm_event) == ("Sta6", "Evt10")
    assert (event.action, event.next_state) == ("DT-2", "Sta6")


def test_a_connection():
    assert Event(evt.EVT_CONN_OPEN, {"address": ["::1", 104]}).address == ("::1", 104)


def test_how_an_association_ended():
    event = Event(evt.EVT_REJECTED, {"result": 1, "source": 1, "reason": 7})
    assert (event.result, event.source, event.reason) == (1, 1, 7)
    event = Event(evt.EVT_ABORTED, {"source": 2, "reason": 0})
    assert (event.source, event.reason) == (2, 0)


def test_the_gateways_own():
    event = Event(evt.EVT_WORKER_LOST, {"worker": "storage", "generation": 3, "member": 0})
    assert (event.worker, event.generation, event.member) == ("storage", 3, 0)
    gap = Event(evt.EVT_GAP, {"stream": "s", "topic": "EVT_RELEASED", "first": 3, "last": 9})
    assert (gap.stream, gap.topic, gap.first, gap.last) == ("s", "EVT_RELEASED", 3, 9)
    stored = Event(evt.EVT_INSTANCE_STORED, {"sop_instance_uid": "1.2", "size": 5})
    assert (stored.sop_instance_uid, stored.size) == ("1.2", 5)
