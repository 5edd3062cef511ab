"""The rules of admission: AE titles, overload, and a gateway that is shutting down."""

from __future__ import annotations

import pytest

from tests.conformance.table import expect
from tests.conftest import running
from tests.peers import instances, wire
from tests.peers.raw import RawPeer, association, echo_ok
from tests.peers.workers import STORAGE_OFF

CONFIG = """
[gateway]
ae_title = "STRICT"
[policy]
require_called_ae_title = true
calling_ae_titles = ["FRIEND", "OTHER FRIEND"]
[association]
max_associations = 3
"""


@pytest.fixture(scope="module")
def strict():
    with running(CONFIG) as gateway:
        yield gateway


@pytest.mark.parametrize(
    ("called", "calling"),
    [
        ("STRICT", "FRIEND"),
        ("  STRICT", "  FRIEND"),
        (b"STRICT" + bytes(10), b"FRIEND" + bytes(10)),
        (" STRICT ", "OTHER FRIEND"),
    ],
)
def test_right_titles_however_padded(strict, called, calling) -> None:
    with association(strict.address, called=called, calling=calling) as peer:
        assert peer.echo().status == 0
        peer.release()


@pytest.mark.parametrize(
    ("called", "calling", "codes"),
    [
        ("WRONG", "FRIEND", (1, 1, 7)),
        ("strict", "FRIEND", (1, 1, 7)),
        ("STRICT", "ENEMY", (1, 1, 3)),
        ("STRICT", "FRIEND2", (1, 1, 3)),
    ],
)
def test_wrong_titles(strict, called: str, calling: str, codes) -> None:
    with RawPeer(strict.address) as peer:
        peer.send(wire.associate_rq(called=called, calling=calling))
        expect(peer, wire.associate_rj(*codes))


def test_one_association_too_many_is_a_transient_reject(strict) -> None:
    request = wire.associate_rq(called="STRICT", calling="FRIEND")
    peers = [RawPeer(strict.address) for _ in range(4)]
    try:
        for peer in peers[:3]:
            peer.associate(called="STRICT", calling="FRIEND")
        peers[3].send(request)
        expect(peers[3], wire.associate_rj(2, 3, 2))
        assert all(peer.echo().status == 0 for peer in peers[:3])
        peers[0].release()
        peers[0].close()
    finally:
        for peer in peers:
            peer.close()


def test_required_worker_that_is_not_there_is_temporary_congestion(start_gateway) -> None:
    gateway = start_gateway(STORAGE_OFF + '[policy]\nrequire = ["EVT_C_STORE"]\n')
    with RawPeer(gateway.address) as peer:
        peer.send(wire.associate_rq())
        expect(peer, wire.associate_rj(2, 3, 1))


def test_unrestricted_takes_private_classes(start_gateway) -> None:
    gateway = start_gateway("[policy]\nunrestricted = true\n")
    private = "1.2.826.0.1.3680043.10.999.7"
    instance = instances.make()
    old, new = wire.uid_value(wire.CT), wire.uid_value(private)
    data = instance.data_set.replace(
        b"UI" + wire.us(len(old)) + old, b"UI" + wire.us(len(new)) + new
    )
    with association(gateway.address, wire.context(1, private, wire.EXPLICIT)) as peer:
        assert peer.accepted.contexts[1] == (0, wire.EXPLICIT)
        peer.send(wire.message(1, wire.store_rq(instance.uid, sop_class=private), data))
        assert peer.recv_response().status == 0x0000
        peer.release()


def test_draining_rejects_new_associations_as_temporary_congestion(start_gateway) -> None:
    gateway = start_gateway()
    instance = instances.make(size=50_000)
    whole = wire.message(1, wire.store_rq(instance.uid), instance.data_set)
    with association(gateway.address, wire.context(1, wire.CT, wire.EXPLICIT)) as busy:
        busy.send(whole[:20_000])
        echo_ok(gateway.address)
        gateway.program.terminate()
        rejected = wire.associate_rj(2, 3, 1)
        for _ in range(200):
            with RawPeer(gateway.address) as late:
                late.send(wire.associate_rq())
                answer = late.recv_pdu()
                if answer == rejected:
                    break
                assert answer[:1] == b"\x02", "neither accepted nor rejected while draining"
        assert answer == rejected
        busy.send(whole[20_000:])
        assert busy.recv_response().status == 0x0000
    assert gateway.program.wait() == 0
