"""The limit of associations is the gateway's, and who has most of them gives way to others."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.conftest import running
from tests.peers import wire
from tests.peers.raw import RawPeer
from tests.peers.workers import UserWorker

PLACES = 6
REFUSED = wire.associate_rj(2, 3, 2)


def asked(address, source: str, calling: str) -> tuple[RawPeer, bytes]:
    """Return a peer and the answer to its A-ASSOCIATE-RQ."""
    peer = RawPeer(address, source=source)
    peer.send(wire.associate_rq(wire.context(1), calling=calling))
    return peer, peer.recv_pdu()


@pytest.mark.parametrize("acceptors", [1, 2])
def test_a_newcomer_gets_in_where_one_peer_has_all_places(acceptors: int) -> None:
    config = f"[gateway]\nacceptors = {acceptors}\n[association]\nmax_associations = {PLACES}\n"
    with running(config) as gateway:
        peers = []
        try:
            for _ in range(PLACES):
                peer, answer = asked(gateway.address, "127.0.0.1", "GREEDY")
                peers.append(peer)
                assert answer[:1] == b"\x02"
            peer, answer = asked(gateway.address, "127.0.0.1", "GREEDY")
            peers.append(peer)
            assert answer == REFUSED
            if acceptors > 1:
                return  # it depends on the kernel which of them would have to give way
            for source, calling in (("127.0.0.2", "GREEDY"), ("127.0.0.1", "OTHER")):
                peer, answer = asked(gateway.address, source, calling)
                assert answer[:1] == b"\x02"
                peers.append(peer)
            assert [peer.recv_pdu() for peer in peers[:2]] == [wire.abort()] * 2
            gateway.program.err.wait_for("aborted to make room: 6 of 6 associations")
        finally:
            for peer in peers:
                peer.close()


def test_an_identifier_has_a_limit(start_gateway) -> None:
    gateway = start_gateway("[limits]\nidentifier = 1024\n")
    model = "1.2.840.10008.5.1.4.1.2.2.1"
    with RawPeer(gateway.address) as peer:
        peer.associate(wire.context(1, model, wire.IMPLICIT))
        level = wire.element(0x0052, b"STUDY ", 0x0008)
        for size, status in ((1000, 0x0000), (2000, 0xA700)):
            name = wire.element(0x0010, b"x" * size, 0x0010)
            command = wire.command_set(
                wire.element(0x0002, wire.uid_value(model)),
                wire.element(0x0100, wire.us(0x0020)),
                wire.element(0x0110, wire.us(size)),
                wire.element(0x0700, wire.us(0)),
                wire.element(0x0800, wire.us(1)),
            )
            peer.send(wire.message(1, command, level + name))
            assert peer.recv_response().status == status
        peer.release()


SLOW_ECHO = """
from gateway import Worker, evt

worker = Worker("slow", concurrency=2)


@worker.on(evt.EVT_C_ECHO, deadline=3600)
def echo(event):
    if event.assoc.requestor.ae_title == "SLOW":
        print("begun", event.message_id, flush=True)
        event.cancellation.wait(600)
    return 0x0000
"""


def test_slow_requests_of_one_address_do_not_hold_up_a_worker(folder) -> None:
    """The worker has one place more than its concurrency, for a peer of which it has nothing."""
    with running() as gateway, UserWorker(folder, SLOW_ECHO, gateway.data) as worker:
        worker.wait_ready()
        with ExitStack() as slow:
            for number in range(5):
                peer = slow.enter_context(RawPeer(gateway.address, source="127.0.0.2"))
                peer.associate(calling="SLOW")
                peer.send(wire.message(1, wire.echo_rq(number)))
                if number < 2:
                    worker.out.wait_for(f"^begun {number}$")
            with RawPeer(gateway.address, source="127.0.0.3") as other:
                other.associate()
                assert other.echo().status == 0x0000
