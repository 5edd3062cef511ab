from __future__ import annotations

import pytest

from gateway.dimse.message import CCancelRQ, CEchoRQ, CFindRQ, CFindRSP, CStoreRQ
from gateway.dimse.operations import UNLIMITED, Invocations, Operations
from gateway.errors import DimseError, LocalProtocolError, RemoteProtocolError

FIND = CFindRQ(5, "1.2.840.10008.5.1.4.1.2.1.1")


def test_a_message_id_in_flight_is_0210():
    operations = Operations(window=2)
    operations.begin(CEchoRQ(5))
    with pytest.raises(DimseError, match="message ID 5") as caught:
        operations.begin(CStoreRQ(5, "1.2", "1.3"))
    assert caught.value.status == 0x0210
    operations.end(5)
    operations.begin(FIND)
    assert 5 in operations
    assert len(operations) == 1


def test_the_refusal_of_a_duplicate_leaves_the_first_alone():
    operations = Operations()
    operations.begin(FIND)
    operations.cancel(5)
    with pytest.raises(DimseError):
        operations.begin(FIND)
    assert operations.is_cancelled(5)


@pytest.mark.parametrize("message_id", [0, 65535])
def test_message_ids_0_and_65535_are_ids_as_others(message_id):
    operations = Operations()
    operations.begin(CEchoRQ(message_id))
    assert message_id in operations
    assert operations.cancel(message_id)


def test_cancel_is_sticky_and_may_come_late():
    operations = Operations()
    operations.begin(FIND)
    assert not operations.is_cancelled(5)
    assert operations.cancel(5)
    assert operations.cancel(5)
    assert operations.is_cancelled(5)
    operations.end(5)
    assert not operations.cancel(5)
    assert not operations.is_cancelled(5)
    operations.begin(FIND)
    assert not operations.is_cancelled(5)


def test_ending_what_is_not_there_is_nothing():
    operations = Operations()
    operations.end(9)
    assert len(operations) == 0


@pytest.mark.parametrize(("window", "full_at"), [(1, 1), (3, 3), (UNLIMITED, None)])
def test_window(window, full_at):
    operations, invocations = Operations(window), Invocations(window)
    for count in range(1, 6):
        operations.begin(CEchoRQ(count))
        assert operations.full == (full_at is not None and count >= full_at)
        if not invocations.full:
            invocations.begin(CEchoRQ(count))
    assert len(invocations) == (full_at or 5)


def test_message_ids_are_taken_in_turn_and_skip_those_in_flight():
    invocations = Invocations(UNLIMITED)
    for expected in (1, 2, 3):
        request = CEchoRQ(invocations.next_message_id())
        assert request.message_id == expected
        invocations.begin(request)
    invocations.end(2)
    assert invocations.next_message_id() == 4
    invocations._last = 65534
    assert [invocations.next_message_id() for _ in range(3)] == [65535, 0, 2]


def test_message_ids_can_run_out():
    invocations = Invocations(UNLIMITED)
    invocations._in_flight = dict.fromkeys(range(65536), CEchoRQ(0))
    with pytest.raises(LocalProtocolError, match="every message ID"):
        invocations.next_message_id()


def test_a_window_and_an_id_of_our_own_are_kept():
    invocations = Invocations()
    invocations.begin(CEchoRQ(1))
    with pytest.raises(LocalProtocolError, match="window"):
        invocations.begin(CEchoRQ(2))
    with pytest.raises(LocalProtocolError, match="in flight"):
        invocations.begin(CEchoRQ(1))


def test_responses_find_their_requests_in_any_order():
    invocations = Invocations(2)
    first, second = CEchoRQ(1), FIND
    invocations.begin(first)
    invocations.begin(second)
    assert invocations.receive(second.response(0xFF00)) is second
    assert invocations.receive(second.response(0xFF01)) is second
    assert invocations.receive(first.response(0)) is first
    assert 1 not in invocations
    assert 5 in invocations
    assert invocations.cancel(5) == CCancelRQ(5)
    assert invocations.receive(second.response(0xFE00)) is second
    assert len(invocations) == 0
    assert invocations.cancel(5) is None


def test_responses_to_nothing_are_a_protocol_error():
    invocations = Invocations()
    with pytest.raises(RemoteProtocolError, match="message ID 1"):
        invocations.receive(CEchoRQ(1).response(0))
    invocations.begin(CEchoRQ(1))
    with pytest.raises(RemoteProtocolError, match="C_FIND_RSP to a C_ECHO_RQ"):
        invocations.receive(CFindRSP(1, 0))
    invocations.receive(CEchoRQ(1).response(0))
    with pytest.raises(RemoteProtocolError, match="not in flight"):
        invocations.receive(CEchoRQ(1).response(0))
