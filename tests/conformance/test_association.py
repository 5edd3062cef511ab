"""A-ASSOCIATE, Sta1 to Sta3 and what follows a rejection (PS3.8 7.1, 9.2, 9.3), byte by byte."""

from __future__ import annotations

import pytest

from tests.conformance.table import PDUS, TOO_LONG, UNKNOWN_PDUS, WRONG_LENGTHS, expect, parameters
from tests.peers import wire
from tests.peers.raw import RawPeer, association, echo_ok

NUL_TITLE = b"GATEWAY" + bytes(9)

ACCEPTED = {
    "protocol version 3: bit 0 counts": wire.associate_rq(version=0x0003),
    "protocol version FFFF": wire.associate_rq(version=0xFFFF),
    "unknown user information sub-item": wire.associate_rq(
        user=wire.user_information(
            wire.maximum_length(16384),
            wire.implementation(),
            wire.item(0x5A, b"unknown"),
            wire.item(0xEE, b""),
        )
    ),
    "AE titles with leading spaces": wire.associate_rq(called="   GATEWAY", calling="  X"),
    "AE title padded with NULs": wire.associate_rq(called=NUL_TITLE),
    "reserved bytes set everywhere": wire.associate_rq(
        wire.context(1, reserved=0xA5), reserved=(b"\xa5\x5a", bytes(range(200, 232)))
    ),
    "reserved byte of the PDU header set": b"\x01\xff" + wire.associate_rq()[2:],
    "no implementation version name": wire.associate_rq(
        user=wire.user_information(wire.maximum_length(0), wire.implementation())
    ),
    "128 presentation contexts": wire.associate_rq(*(wire.context(n) for n in range(1, 256, 2))),
}

REJECTED = {
    "protocol version 2: bit 0 is not set": (wire.associate_rq(version=0x0002), (1, 2, 2)),
    "protocol version 0": (wire.associate_rq(version=0x0000), (1, 2, 2)),
    "wrong application context name": (
        wire.associate_rq(application="1.2.840.10008.3.1.1.2"),
        (1, 1, 2),
    ),
    "presentation context ID 0": (wire.associate_rq(wire.context(0)), (1, 2, 1)),
    "presentation context ID 2": (wire.associate_rq(wire.context(2)), (1, 2, 1)),
    "presentation context ID twice": (
        wire.associate_rq(wire.context(1), wire.context(1, wire.CT)),
        (1, 2, 1),
    ),
    "129 presentation contexts": (
        wire.associate_rq(*(wire.context(n % 256) for n in range(1, 259, 2))),
        (1, 2, 1),
    ),
    "called AE title all spaces": (wire.associate_rq(called=""), (1, 1, 7)),
    "calling AE title all spaces": (wire.associate_rq(calling=""), (1, 1, 3)),
}

NO_GOOD_REQUEST = {
    "no presentation context item": wire.associate_rq(
        items=wire.item(0x10, wire.APPLICATION_CONTEXT.encode()) + wire.default_user()
    ),
    "item longer than its PDU": wire.associate_rq(
        items=wire.item(0x10, wire.APPLICATION_CONTEXT.encode())
        + wire.item(0x20, b"\x01\0\0\0", length=5000)
    ),
    "sub-item longer than its item": wire.associate_rq(
        wire.item(0x20, b"\x01\0\0\0" + wire.item(0x30, b"1.2", length=900))
    ),
    "shorter than its fixed fields": wire.pdu(wire.RQ, bytes(67)),
    "empty": wire.pdu(wire.RQ, b""),
    **{name: pdu for name, pdu in PDUS.items() if name != "A-ASSOCIATE-RQ"},
    **UNKNOWN_PDUS,
    **{name: pdu for name, pdu in WRONG_LENGTHS.items() if "A-ABORT" not in name},
    **TOO_LONG,
}


@pytest.mark.parametrize("request_pdu", **parameters(ACCEPTED))
def test_accepted(gateway_process, request_pdu: bytes) -> None:
    with RawPeer(gateway_process.address) as peer:
        peer.send(request_pdu)
        answer = peer.recv_pdu()
        accepted = wire.parse_ac(answer)
        assert accepted.header == request_pdu[10:74], "bytes 11-74 are not an echo"
        assert accepted.contexts[1][0] == 0
        assert peer.echo(3).status == 0x0000
        peer.release()


@pytest.mark.parametrize(("request_pdu", "codes"), **parameters(REJECTED))
def test_rejected(gateway_process, request_pdu: bytes, codes: tuple[int, int, int]) -> None:
    with RawPeer(gateway_process.address) as peer:
        peer.send(request_pdu)
        expect(peer, wire.associate_rj(*codes))


@pytest.mark.parametrize("pdu", **parameters(NO_GOOD_REQUEST))
def test_sta2_anything_but_a_good_request_is_aa1(gateway_process, pdu: bytes) -> None:
    with RawPeer(gateway_process.address) as peer:
        peer.send(pdu)
        expect(peer, wire.abort(0, 0))


def test_sta2_a_abort_is_aa2(gateway_process) -> None:
    with RawPeer(gateway_process.address) as peer:
        peer.send(wire.abort(0, 0))
        expect(peer)


@pytest.mark.parametrize("name", [n for n in WRONG_LENGTHS if "A-ABORT" in n])
def test_sta2_a_abort_of_a_wrong_length_is_aa1(gateway_process, name: str) -> None:
    with RawPeer(gateway_process.address) as peer:
        peer.send(WRONG_LENGTHS[name])
        expect(peer, wire.abort(0, 0))


def test_sta2_closed_by_the_peer_is_aa5(gateway_process) -> None:
    with RawPeer(gateway_process.address) as peer:
        peer.send(wire.associate_rq()[:30])
        peer.shutdown()
        expect(peer)


def test_request_in_single_bytes(gateway_process) -> None:
    with RawPeer(gateway_process.address) as peer:
        for byte in wire.associate_rq():
            peer.send(bytes((byte,)))
        assert wire.parse_ac(peer.recv_pdu()).contexts == {1: (0, wire.IMPLICIT)}
        peer.release()


def test_acceptance_says_who_we_are(gateway_process) -> None:
    with association(gateway_process.address) as peer:
        accepted = peer.accepted
        assert accepted.raw[6:8] == b"\x00\x01"
        assert accepted.maximum_length >= 128 * 1024
        (class_uid,), (version,) = accepted.sub_items(0x52), accepted.sub_items(0x55)
        assert class_uid.startswith(b"2.25.")
        assert 1 <= len(version) <= 16
        assert {kind for kind, _ in accepted.user} == {0x51, 0x52, 0x55}
        assert wire.items_of(accepted.raw[74:])[0] == (0x10, wire.APPLICATION_CONTEXT.encode())
        peer.release()


def test_contexts_are_answered_one_by_one(gateway_process) -> None:
    with association(
        gateway_process.address,
        wire.context(1, wire.CT, wire.JPEG_BASELINE, wire.EXPLICIT),
        wire.context(3, wire.CT, wire.IMPLICIT, wire.JPEG_BASELINE),
        wire.context(5, "1.2.3.4.5.6"),
        wire.context(7, wire.CT, "1.2.3.4.5.6.7"),
        wire.context(9),
    ) as peer:
        got = peer.accepted.contexts
        assert got[1] == (0, wire.JPEG_BASELINE), "the requestor's order decides"
        assert got[3] == (0, wire.IMPLICIT)
        assert got[5][0] == 3
        assert got[7][0] == 4
        assert peer.echo(context_id=9).status == 0
        peer.release()


def test_association_without_an_acceptable_context_lives(gateway_process) -> None:
    with association(gateway_process.address, wire.context(1, "1.2.3.4.5.6")) as peer:
        assert peer.accepted.contexts[1][0] == 3
        peer.release()


def test_no_reply_to_an_asynchronous_window_that_nobody_answers(gateway_process) -> None:
    user = (wire.maximum_length(0), wire.implementation(), wire.async_window(8, 8))
    with association(gateway_process.address, user=wire.user_information(*user)) as peer:
        assert peer.accepted.sub_items(0x53) == []
        peer.release()


@pytest.mark.parametrize(("scu", "scp"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_role_selection_never_grants_more_than_proposed(
    gateway_process, scu: int, scp: int
) -> None:
    user = (wire.maximum_length(0), wire.implementation(), wire.role(wire.CT, scu, scp))
    context = wire.context(1, wire.CT)
    with association(gateway_process.address, context, user=wire.user_information(*user)) as peer:
        for reply in peer.accepted.sub_items(0x54):
            assert reply[:-2] == wire.role(wire.CT, 0, 0)[4:-2]
            assert reply[-2] <= scu
            assert reply[-1] <= scp
        peer.release()


@pytest.mark.parametrize("reply", [0, 1])
@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5])
def test_user_identity_without_a_worker_is_accepted_without_reply(
    gateway_process, kind: int, reply: int
) -> None:
    identity = wire.user_identity(kind, b"user", b"secret", reply=reply)
    user = wire.user_information(wire.maximum_length(0), wire.implementation(), identity)
    with association(gateway_process.address, user=user) as peer:
        assert peer.accepted.sub_items(0x59) == []
        peer.release()
    assert "secret" not in gateway_process.program.err.text


def test_no_reply_to_extended_negotiation_that_nobody_answers(gateway_process) -> None:
    user = wire.user_information(
        wire.maximum_length(0), wire.implementation(), wire.sop_extended(wire.CT, b"\x01\x01")
    )
    with association(gateway_process.address, wire.context(1, wire.CT), user=user) as peer:
        assert peer.accepted.sub_items(0x56) == []
        peer.release()


def test_a_healthy_peer_was_never_disturbed(gateway_process) -> None:
    assert echo_ok(gateway_process.address)
