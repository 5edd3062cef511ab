"""While an answer is awaited: Sta3 (negotiation) and Sta6, Sta8 with an operation in flight.

The worker behind answers only when the test writes into its FIFO, so that the state at each
moment is known.
"""

from __future__ import annotations

import os

import pytest

from tests.conformance.table import PDUS, UNKNOWN_PDUS, expect, parameters
from tests.conftest import running, short_folder
from tests.peers import instances, wire
from tests.peers.raw import EOF, RawPeer, association, echo_ok
from tests.peers.workers import GATE, STORAGE_OFF, UserWorker

IDENTITY = wire.user_information(
    wire.maximum_length(16384), wire.implementation(), wire.user_identity(2, b"me", b"it", reply=1)
)
ASKS_IDENTITY = wire.associate_rq(user=IDENTITY)


class Gate:
    """A gateway whose only worker waits at a FIFO."""

    def __init__(self, gateway, worker: UserWorker) -> None:
        self.gateway, self.worker = gateway, worker
        self.address = gateway.address
        self._answered = 0

    def forget(self) -> None:
        """Forget what the worker was asked by an earlier test."""
        self.worker.out.forget()

    def wait_asked(self, what: str) -> None:
        """Until the worker has that request in hand."""
        self.worker.out.wait_for(rf"^{what}\b")

    def answer(self, *words: str) -> None:
        """Let as many waiting handlers go on: a status in hexadecimal, or yes, no or raise.

        Returns when they have taken the words: otherwise a handler of the next test could.
        """
        with open(self.worker.folder / "gate.fifo", "wb", buffering=0) as fifo:
            fifo.write("".join(word.ljust(5) for word in words).encode())
        before, self._answered = self._answered, self._answered + len(words)
        for number in range(before, self._answered):
            self.worker.out.wait_for(rf"^took {number + 1}$")


@pytest.fixture(scope="module")
def _running_gate():
    with running(STORAGE_OFF) as gateway, short_folder() as folder:
        os.mkfifo(folder / "gate.fifo")
        with UserWorker(folder, GATE, gateway.data, name="gate") as worker:
            worker.wait_ready()
            yield Gate(gateway, worker)
            worker.terminate()
            worker.wait()


@pytest.fixture
def gate(_running_gate):
    _running_gate.forget()
    return _running_gate


@pytest.fixture
def storing(gate):
    """A peer whose C-STORE (ID 1 on context 1) is in the hands of the worker."""
    one = instances.make()
    with association(gate.address, one.context(), wire.context(3)) as peer:
        peer.send(wire.message(1, wire.store_rq(one.uid, 1), one.data_set))
        gate.wait_asked("store")
        yield peer, one


# Sta3


@pytest.mark.parametrize("pdu", **parameters(PDUS))
def test_sta3_pdu_out_of_place(gate, pdu: bytes) -> None:
    with RawPeer(gate.address) as peer:
        peer.send(ASKS_IDENTITY)
        gate.wait_asked("identity")
        peer.send(pdu)
        expect(peer, wire.abort(2, 2))
    gate.answer("yes")


@pytest.mark.parametrize("pdu", **parameters(UNKNOWN_PDUS))
def test_sta3_unknown_pdu(gate, pdu: bytes) -> None:
    with RawPeer(gate.address) as peer:
        peer.send(ASKS_IDENTITY)
        gate.wait_asked("identity")
        peer.send(pdu)
        expect(peer, wire.abort(2, 1))
    gate.answer("yes")


def test_sta3_a_abort_is_aa3(gate) -> None:
    with RawPeer(gate.address) as peer:
        peer.send(ASKS_IDENTITY)
        gate.wait_asked("identity")
        peer.send(wire.abort())
        expect(peer)
    gate.answer("yes")


@pytest.mark.parametrize("reply", [0, 1])
def test_verified_identity_is_replied_to_only_if_asked(gate, reply: int) -> None:
    identity = wire.user_identity(3, b"ticket", reply=reply)
    user = wire.user_information(wire.maximum_length(0), wire.implementation(), identity)
    with RawPeer(gate.address) as peer:
        peer.send(wire.associate_rq(user=user))
        gate.wait_asked("identity 3")
        gate.answer("yes")
        accepted = wire.parse_ac(peer.recv_pdu())
        assert accepted.contexts[1][0] == 0
        assert accepted.sub_items(0x59) == [b"\x00\x05token"] * reply
        peer.release()


def test_failed_identity_is_rejected_transiently(gate) -> None:
    with RawPeer(gate.address) as peer:
        peer.send(ASKS_IDENTITY)
        gate.wait_asked("identity")
        gate.answer("no")
        expect(peer, wire.associate_rj(2, 2, 1))


def test_identity_check_that_raises_is_rejected_as_congestion(gate) -> None:
    """Negotiation fails closed."""
    with RawPeer(gate.address) as peer:
        peer.send(ASKS_IDENTITY)
        gate.wait_asked("identity")
        gate.answer("raise")
        expect(peer, wire.associate_rj(2, 3, 1))


@pytest.mark.parametrize("proposed", [(2, 2), (8, 1), (1, 8)])
def test_window_is_never_more_than_proposed(gate, proposed: tuple[int, int]) -> None:
    """The worker answers (99, 99)."""
    user = (wire.maximum_length(0), wire.implementation(), wire.async_window(*proposed))
    with association(gate.address, user=wire.user_information(*user)) as peer:
        (reply,) = peer.accepted.sub_items(0x53)
        invoked, performed = int.from_bytes(reply[:2], "big"), int.from_bytes(reply[2:], "big")
        assert 1 <= invoked <= proposed[0]
        assert 1 <= performed <= proposed[1]
        peer.release()


def test_window_of_one_is_not_asked_about(gate) -> None:
    user = (wire.maximum_length(0), wire.implementation(), wire.async_window(1, 1))
    with association(gate.address, user=wire.user_information(*user)) as peer:
        assert peer.accepted.sub_items(0x53) in ([], [b"\0\1\0\1"])
        peer.release()


def test_operations_within_the_window_are_in_flight_together(gate) -> None:
    """Two stores and an echo behind them: the echo is answered first."""
    mine = instances.many(2)
    user = (wire.maximum_length(0), wire.implementation(), wire.async_window(8, 8))
    with association(
        gate.address, mine[0].context(), wire.context(3), user=wire.user_information(*user)
    ) as peer:
        for number, one in enumerate(mine):
            peer.send(wire.message(1, wire.store_rq(one.uid, number), one.data_set))
            gate.wait_asked(f"store {number}")
        assert peer.echo(9, context_id=3).command == wire.echo_rsp(9)
        gate.answer("0000", "0000")
        assert {peer.recv_response().message_id for _ in mine} == {0, 1}
        peer.release()


def test_a_flood_behind_a_pending_operation_is_answered_whole(gate, storing) -> None:
    """More requests than may wait: reading pauses, and goes on."""
    peer, _ = storing
    flood = range(100, 700)
    peer.send(b"".join(wire.message(3, wire.echo_rq(number)) for number in flood))
    gate.answer("0000")
    assert [peer.recv_response().message_id for _ in range(1 + len(flood))] == [1, *flood]
    peer.release()


# Sta6 and Sta8 with an operation in flight


@pytest.mark.parametrize("status", [0x0000, 0xB007, 0xA700, 0xC123])
def test_the_answer_is_the_response(gate, storing, status: int) -> None:
    peer, one = storing
    gate.answer(f"{status:04X}")
    assert peer.recv_response().command == wire.store_rsp(one.uid, 1, status)
    peer.release()


@pytest.mark.parametrize("status", [0xFF00, 0xFF01])
def test_a_status_class_that_the_service_forbids_is_c002(gate, storing, status: int) -> None:
    peer, _ = storing
    gate.answer(f"{status:04X}")
    assert peer.recv_response().status == 0xC002
    peer.release()


def test_the_same_message_id_again_while_it_is_in_flight(gate, storing) -> None:
    peer, _ = storing
    two = instances.make()
    peer.send(wire.message(1, wire.store_rq(two.uid, 1), two.data_set))
    response = peer.recv_response()
    assert (response.status, response.message_id) == (0x0210, 1)
    assert response.elements[0x1000] == wire.uid_value(two.uid)
    gate.answer("0000")
    assert peer.recv_response().status == 0x0000
    peer.release()


def test_a_late_cancel_of_a_store_changes_nothing(gate, storing) -> None:
    peer, one = storing
    peer.send(wire.message(1, wire.cancel_rq(1)))
    gate.answer("0000")
    assert peer.recv_response().command == wire.store_rsp(one.uid, 1)
    peer.release()


def test_abort_is_seen_while_the_answer_is_pending(gate, storing) -> None:
    peer, _ = storing
    peer.send(wire.abort())
    expect(peer)
    gate.answer("0000")


def test_release_waits_for_the_response_which_leaves_in_sta8(gate, storing) -> None:
    """AR-7, then AR-4."""
    peer, one = storing
    peer.send(wire.release_rq())
    gate.answer("0000")
    assert peer.recv_response().command == wire.store_rsp(one.uid, 1)
    assert peer.recv_pdu() == wire.release_rp()


@pytest.mark.parametrize("pdu", **parameters(PDUS))
def test_sta8_pdu_out_of_place(gate, storing, pdu: bytes) -> None:
    peer, _ = storing
    peer.send(wire.release_rq() + pdu)
    expect(peer, wire.abort(2, 2))
    gate.answer("0000")


@pytest.mark.parametrize("pdu", **parameters(UNKNOWN_PDUS))
def test_sta8_unknown_pdu(gate, storing, pdu: bytes) -> None:
    peer, _ = storing
    peer.send(wire.release_rq() + pdu)
    expect(peer, wire.abort(2, 1))
    gate.answer("0000")


def test_sta8_a_abort_is_aa3(gate, storing) -> None:
    peer, _ = storing
    peer.send(wire.release_rq() + wire.abort())
    expect(peer)
    gate.answer("0000")


def test_peer_that_closes_takes_nobody_with_it(gate, storing) -> None:
    peer, _ = storing
    peer.shutdown()
    assert peer.recv_all() == [EOF]
    gate.answer("0000")
    assert echo_ok(gate.address)


def test_echo_on_another_association_goes_on(gate, storing) -> None:
    peer, one = storing
    assert echo_ok(gate.address)
    gate.answer("0000")
    assert peer.recv_response().command == wire.store_rsp(one.uid, 1)
    peer.release()
