"""Connections that wait: the address that has most of them gives way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.listening.waiting import WaitingConnections

if TYPE_CHECKING:
    import pytest


def test_too_many_silent_connections_close_the_oldest_of_the_address_with_most(
    caplog: pytest.LogCaptureFixture,
) -> None:
    waiting, closed = WaitingConnections(3, "silent connections"), []
    for name, address in (("b1", "b"), ("a1", "a"), ("a2", "a"), ("a3", "a"), ("c1", "c")):
        waiting.add(name, address, lambda name=name: closed.append(name))
    assert closed == ["a1", "a2"]
    for _ in range(100):
        waiting.add(object(), "a", lambda: None)
    assert len(waiting) == 3
    waiting.remove("b1")
    waiting.remove("b1")
    assert len(waiting) == 2
    assert len(caplog.records) < 10, "one line for each doubling"


def test_addresses_take_turns_and_within_one_the_oldest_is_first() -> None:
    waiting = WaitingConnections(10, "new connections")
    for name in ("a1", "a2", "a3", "b1", "b2", "c1"):
        waiting.add(name, name[0], lambda: None)
    assert [waiting.take() for _ in range(6)] == ["a1", "b1", "c1", "a2", "b2", "a3"]
    assert not waiting


def test_room_for_another_is_made_where_there_is_most() -> None:
    waiting, closed = WaitingConnections(3, "requests"), []
    for name in ("a1", "a2", "a3"):
        assert waiting.make_room("a")
        waiting.add(name, "a", lambda name=name: closed.append(name))
    assert not waiting.make_room("a"), "nobody has more than this address"
    assert waiting.make_room("b")
    assert closed == ["a1"]
    waiting.add("b1", "b", lambda: closed.append("b1"))
    assert not waiting.make_room("b"), "both would have the same then"
    assert closed == ["a1"]
