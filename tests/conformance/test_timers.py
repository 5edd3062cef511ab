"""ARTIM, the idle wall and closing (PS3.8 9.1.5, 9.2.3), with `fast_gateway`'s short timeouts.

Each wait is one for bytes or for the end of the stream. That a timer has not run too early is known
from a clock that was started before it.
"""

from __future__ import annotations

import select
import time

import pytest

from tests.conformance.table import expect, open_association
from tests.patience import PATIENCE, WALL
from tests.peers import instances, wire
from tests.peers.raw import EOF, RESET, RawPeer, echo_ok

ARTIM = 0.5 * PATIENCE
NETWORK = 2.0 * PATIENCE


class Watch:
    def __init__(self) -> None:
        self.start = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.start


def trickle(peer: RawPeer, data: bytes, *, every: float) -> int:
    """Send byte by byte until the acceptor ends the stream; how many bytes it took."""
    for sent, byte in enumerate(data):
        if not peer.try_send(bytes((byte,))) or select.select([peer.sock], [], [], every)[0]:
            return sent
    return len(data)


def test_silent_peer_is_closed_by_artim(fast_gateway) -> None:
    watch = Watch()
    with RawPeer(fast_gateway.address) as peer:
        expect(peer)
        assert watch.seconds >= ARTIM


def test_artim_is_a_wall_over_the_whole_request(fast_gateway) -> None:
    watch = Watch()
    with RawPeer(fast_gateway.address) as peer:
        request = wire.associate_rq()
        assert trickle(peer, request, every=ARTIM / 10) < len(request)
        assert watch.seconds >= ARTIM
        end = peer.recv_pdu()
        assert end is RESET or end == EOF  # a reset answers a byte that crossed the end


def test_header_of_a_request_and_then_silence(fast_gateway) -> None:
    with RawPeer(fast_gateway.address) as peer:
        peer.send(wire.associate_rq()[:6])
        expect(peer)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        pytest.param(wire.associate_rq(version=2), wire.associate_rj(1, 2, 2), id="A-ASSOCIATE-RJ"),
        pytest.param(wire.release_rq(), wire.abort(0, 0), id="A-ABORT"),
    ],
)
def test_peer_that_does_not_close_is_closed_by_artim(fast_gateway, sent, answer) -> None:
    with RawPeer(fast_gateway.address) as peer:
        watch = Watch()
        peer.send(sent)
        assert peer.recv_pdu() == answer
        assert peer.closed_within(WALL), "the connection is still open"
        assert watch.seconds >= ARTIM, "the connection was not drained"


def test_released_peer_that_does_not_close_is_closed_by_artim(fast_gateway) -> None:
    with open_association(fast_gateway.address) as peer:
        peer.release()
        assert peer.recv_pdu() == EOF
        assert peer.closed_within(WALL)


def test_idle_association_is_aborted(fast_gateway) -> None:
    watch = Watch()
    with open_association(fast_gateway.address) as peer:
        got = peer.recv_pdu()
        assert got[:1] == b"\x07"
        assert watch.seconds >= NETWORK


def test_message_that_stops_in_its_middle_is_aborted(fast_gateway) -> None:
    instance = instances.make(size=100_000)
    whole = wire.message(3, wire.store_rq(instance.uid), instance.data_set)
    with open_association(fast_gateway.address) as peer:
        peer.send(whole[: len(whole) // 2])
        got = peer.recv_pdu()
        assert got[:1] == b"\x07"


def test_busy_association_is_not_idle(fast_gateway) -> None:
    with open_association(fast_gateway.address) as peer:
        watch = Watch()
        number = 0
        while watch.seconds < NETWORK + 0.5:
            number += 1
            assert peer.echo(number).status == 0
            select.select((), (), (), NETWORK / 8)
        peer.release()


def test_a_healthy_peer_was_never_disturbed(fast_gateway) -> None:
    assert echo_ok(fast_gateway.address)
