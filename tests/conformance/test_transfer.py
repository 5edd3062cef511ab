"""Established associations (Sta6): P-DATA-TF, and every PDU out of place (PS3.8 9.2, 9.3)."""

from __future__ import annotations

import pytest

from tests.conformance.table import (
    PDUS,
    TOO_LONG,
    UNKNOWN_PDUS,
    WRONG_LENGTHS,
    expect,
    open_association,
    parameters,
)
from tests.peers import instances, wire
from tests.peers.raw import EOF, RawPeer, association, echo_ok

ECHO = wire.echo_rq(1)
PIECE = wire.pdv(1, 1, ECHO[:10])

INVALID_PDATA = {
    "PDV of length 0": wire.p_data(wire.pdv(1, 3, b"", length=0)[:4]),
    "PDV of length 1": wire.p_data(wire.pdv(1, 3, b"", length=1)[:5]),
    "PDV past its PDU": wire.p_data(wire.pdv(1, 3, ECHO, length=len(ECHO) + 3)),
    "PDV of 4 GiB": wire.p_data(wire.pdv(1, 3, ECHO, length=0xFFFFFFFF)),
    "no PDV": wire.p_data(),
    "1 trailing byte": wire.p_data(PIECE, bytes(1)),
    "2 trailing bytes": wire.p_data(PIECE, bytes(2)),
    "3 trailing bytes": wire.p_data(PIECE, bytes(3)),
    "context that was refused": wire.p_data(wire.pdv(5, 3, ECHO)),
    "context that was never proposed": wire.p_data(wire.pdv(7, 3, ECHO)),
    "context 0": wire.p_data(wire.pdv(0, 3, ECHO)),
    "context 2": wire.p_data(wire.pdv(2, 3, ECHO)),
}

MISPLACED = {
    name: PDUS[name]
    for name in ("A-ASSOCIATE-RQ", "A-ASSOCIATE-AC", "A-ASSOCIATE-RJ", "A-RELEASE-RP")
}


@pytest.fixture
def peer(gateway_process):
    with open_association(gateway_process.address) as peer:
        yield peer


@pytest.mark.parametrize("pdu", **parameters(INVALID_PDATA))
def test_invalid_p_data(peer: RawPeer, pdu: bytes) -> None:
    peer.send(pdu)
    expect(peer, wire.abort(2, 6))


@pytest.mark.parametrize("pdu", **parameters(MISPLACED))
def test_sta6_pdu_out_of_place(peer: RawPeer, pdu: bytes) -> None:
    peer.send(pdu)
    expect(peer, wire.abort(2, 2))


@pytest.mark.parametrize("pdu", **parameters(UNKNOWN_PDUS))
def test_sta6_unknown_pdu(peer: RawPeer, pdu: bytes) -> None:
    peer.send(pdu)
    expect(peer, wire.abort(2, 1))


@pytest.mark.parametrize("pdu", **parameters(WRONG_LENGTHS | TOO_LONG))
def test_sta6_wrong_length_is_decided_on_the_header(peer: RawPeer, pdu: bytes) -> None:
    peer.send(pdu[:6])
    expect(peer, wire.abort(2, 6))


def test_sta6_a_abort_is_aa3(peer: RawPeer) -> None:
    peer.send(wire.abort(0, 0))
    expect(peer)


def test_sta6_closed_by_the_peer_is_aa4(peer: RawPeer) -> None:
    peer.shutdown()
    expect(peer)


def test_p_data_longer_than_announced_is_decided_on_six_bytes(peer: RawPeer) -> None:
    peer.send(wire.pdu(wire.PDATA, b"", length=peer.accepted.maximum_length + 1))
    expect(peer, wire.abort(2, 6))


def test_p_data_of_exactly_the_announced_length(peer: RawPeer) -> None:
    limit = peer.accepted.maximum_length
    instance = instances.make(size=limit * 2)
    command = wire.store_rq(instance.uid)
    peer.send(wire.message(3, command, instance.data_set, pdu_size=limit))
    assert peer.recv_response().status == 0x0000


def test_abort_arrives_before_unread_input_resets_the_connection(peer: RawPeer) -> None:
    flood = wire.p_data(wire.pdv(3, 0, bytes(16000))) * 400
    peer.send(wire.associate_rq())
    peer.try_send(flood)
    expect(peer, wire.abort(2, 2))


def test_reject_arrives_before_unread_input_resets_the_connection(gateway_process) -> None:
    with RawPeer(gateway_process.address) as peer:
        peer.send(wire.associate_rq(version=2))
        peer.try_send(wire.p_data(wire.pdv(3, 0, bytes(16000))) * 400)
        assert peer.recv_pdu() == wire.associate_rj(1, 2, 2)


def test_two_messages_in_one_p_data_are_both_answered(peer: RawPeer) -> None:
    pdvs = (wire.pdv(1, 3, wire.echo_rq(1)), wire.pdv(1, 3, wire.echo_rq(2)))
    peer.send(wire.p_data(*pdvs))
    assert sorted(peer.recv_response().message_id for _ in range(2)) == [1, 2]


def test_store_and_echo_in_one_p_data_are_both_answered(peer: RawPeer) -> None:
    instance = instances.make()
    peer.send(
        wire.p_data(
            wire.pdv(3, 3, wire.store_rq(instance.uid, 11)),
            wire.pdv(3, 2, instance.data_set),
            wire.pdv(1, 3, wire.echo_rq(12)),
        )
    )
    answers = [peer.recv_response() for _ in range(2)]
    assert {(a.message_id, a.status, a.context_id) for a in answers} == {(11, 0, 3), (12, 0, 1)}


@pytest.mark.parametrize("size", [1, 3, 7, 13])
def test_command_in_odd_fragments(peer: RawPeer, size: int) -> None:
    cuts = [ECHO[at : at + size] for at in range(0, len(ECHO), size)]
    headers = [1] * (len(cuts) - 1) + [3]
    peer.send(b"".join(wire.p_data(wire.pdv(1, h, c)) for h, c in zip(headers, cuts, strict=True)))
    assert peer.recv_response().command == wire.echo_rsp(1)


def test_data_set_in_odd_fragments_with_an_empty_last_one(peer: RawPeer, gateway_process) -> None:
    instance = instances.make()
    data = instance.data_set
    pdvs = [wire.pdv(3, 0, data[at : at + 333]) for at in range(0, len(data), 333)]
    pdvs = [wire.pdv(3, 3, wire.store_rq(instance.uid)), *pdvs, wire.pdv(3, 2, b"")]
    peer.send(b"".join(wire.p_data(pdv) for pdv in pdvs))
    assert peer.recv_response().command == wire.store_rsp(instance.uid, 1)


def test_empty_fragments_in_between(peer: RawPeer) -> None:
    empty = wire.p_data(wire.pdv(1, 1, b""))
    peer.send(empty + wire.p_data(wire.pdv(1, 1, ECHO[:20])) + empty)
    peer.send(wire.p_data(wire.pdv(1, 1, ECHO[20:])) + wire.p_data(wire.pdv(1, 3, b"")))
    assert peer.recv_response().command == wire.echo_rsp(1)


def test_header_bits_2_to_7_and_reserved_bytes_are_never_tested(peer: RawPeer) -> None:
    body = wire.pdv(1, 0xFC | 3, ECHO)
    peer.send(wire.pdu(wire.PDATA, body, reserved=0xFF))
    assert peer.recv_response().command == wire.echo_rsp(1)
    peer.send(wire.pdu(wire.RELEASE_RQ, b"\xff" * 4, reserved=0xFF))
    assert peer.recv_pdu() == wire.release_rp()


def test_every_byte_alone(peer: RawPeer) -> None:
    for byte in wire.message(1, ECHO):
        peer.send(bytes((byte,)))
    assert peer.recv_response().command == wire.echo_rsp(1)


def test_response_is_one_p_data_byte_for_byte(peer: RawPeer) -> None:
    peer.send(wire.message(1, wire.echo_rq(0x1234)))
    assert peer.recv_pdu() == wire.p_data(wire.pdv(1, 3, wire.echo_rsp(0x1234)))
    instance = instances.make()
    peer.send(wire.message(3, wire.store_rq(instance.uid, 0x1235), instance.data_set))
    assert peer.recv_pdu() == wire.p_data(wire.pdv(3, 3, wire.store_rsp(instance.uid, 0x1235)))


@pytest.mark.parametrize("limit", [0, 8, 9, 13, 16, 17, 100, 0xFFFFFFFF])
def test_the_peers_maximum_length_is_obeyed(gateway_process, limit: int) -> None:
    with association(gateway_process.address, user=wire.default_user(limit)) as peer:
        peer.send(wire.message(1, ECHO))
        response = peer.recv_response()
        assert response.command == wire.echo_rsp(1)
        assert limit == 0 or max(response.lengths) <= limit
        assert all(response.fragments), "an empty fragment"
        assert not any(size % 2 for size in response.fragments), "an odd fragment"


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6, 7])
def test_an_absurd_maximum_length_still_gets_an_answer(gateway_process, limit: int) -> None:
    with association(gateway_process.address, user=wire.default_user(limit)) as peer:
        response = peer.echo(1)
        assert response.command == wire.echo_rsp(1)
        assert all(response.fragments), "an empty fragment"


def test_release_is_answered_and_then_closed_by_the_requestor(peer: RawPeer) -> None:
    peer.send(wire.release_rq())
    assert peer.recv_pdu() == wire.release_rp()
    peer.shutdown()
    assert peer.recv_pdu() == EOF


def test_release_behind_a_message_waits_for_its_response(peer: RawPeer) -> None:
    instance = instances.make()
    peer.send(
        wire.message(3, wire.store_rq(instance.uid, 5), instance.data_set) + wire.release_rq()
    )
    assert peer.recv_response().command == wire.store_rsp(instance.uid, 5)
    assert peer.recv_pdu() == wire.release_rp()


@pytest.mark.parametrize("pdu", **parameters(PDUS | UNKNOWN_PDUS))
def test_sta13_nothing_but_an_abort_answers_a_late_pdu(peer: RawPeer, pdu: bytes) -> None:
    """AA-6 ignores it, AA-7 sends an A-ABORT if the way is still open; both end in the close."""
    peer.release()
    peer.send(pdu)
    peer.shutdown()
    assert peer.recv_all() in ([EOF], [wire.abort(2, 2), EOF], [wire.abort(2, 1), EOF])


def test_a_healthy_peer_was_never_disturbed(gateway_process) -> None:
    assert echo_ok(gateway_process.address)
