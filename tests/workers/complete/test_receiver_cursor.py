"""Which of two gateways delivers to a receiver, and from which line another one goes on."""

from __future__ import annotations

import pytest

from tests.clock import Clock
from tests.workers.complete.journals import opened, store
from workers.archive.index.notes import COMPLETE, StudyNote
from workers.complete.deliverer import Deliverer, NotTaken
from workers.complete.receiver_cursor import LEASE, RENEW, ReceiverCursor


class Receiver:
    """Takes lines, and keeps their numbers."""

    name, kinds = "ris", (COMPLETE,)

    def __init__(self) -> None:
        self.got: list[int] = []
        self.fails = False

    def send(self, seq: int, message: dict) -> None:
        if self.fails:
            raise NotTaken("away")
        self.got.append(seq)

    def close(self) -> None:
        pass


@pytest.fixture
def clock(monkeypatch) -> Clock:
    return Clock(1000.0)


@pytest.fixture
def index(postgres_schema, clock, monkeypatch):
    from workers.archive.index.postgres import PostgresIndex

    with PostgresIndex(postgres_schema) as index:
        monkeypatch.setattr(index, "clock", clock)
        yield index


def complete(index, study: str, holder: str = "ONE") -> int:
    index.note(StudyNote(COMPLETE, study, holder=holder))
    return index.journal()[-1].seq


def test_one_of_two_delivers_and_the_other_goes_on_when_it_is_silent(index, clock):
    one, two = (ReceiverCursor(index, "ris", owner, clock) for owner in "AB")
    receiver = Receiver()
    first, second = (Deliverer(index, receiver, cursor, 1e9) for cursor in (one, two))
    first.look()
    numbers = [complete(index, "1.1"), complete(index, "1.2", "TWO")]
    second.look()
    assert (receiver.got, second.is_telling) == ([], False)
    first.look()
    assert (receiver.got, first.is_telling) == (numbers, True), "also what another one noted"
    numbers.append(complete(index, "1.3"))
    clock.now += LEASE - 1
    second.look()
    assert receiver.got == numbers[:2], "the lease is not over"
    clock.now += 2
    second.look()
    assert receiver.got == numbers, "from where the other one was"
    numbers.append(complete(index, "1.4"))
    first.look()
    assert (receiver.got, first.is_telling) == (numbers[:3], False), "the lease is another one's"
    second.look()
    assert receiver.got == numbers


def test_who_waits_for_a_receiver_keeps_its_lease_and_stops_if_it_is_gone(index, clock):
    one, two = (ReceiverCursor(index, "ris", owner, clock) for owner in "AB")
    assert one.take() is not None
    for _ in range(10):
        clock.now += RENEW
        assert one.keep()
        assert two.take() is None
    clock.now += LEASE + 1
    assert two.take() is not None
    assert not one.keep()
    assert not one.advance(7)


def test_who_ends_in_order_leaves_it_to_the_other_at_once(index, clock):
    one, two = (ReceiverCursor(index, "ris", owner, clock) for owner in "AB")
    begin = one.take()
    assert begin is not None
    one.advance(begin + 5)
    assert one.keep(over=True)
    assert two.take() == begin + 5


def test_a_restart_goes_on_at_once_under_its_own_name(index, clock):
    first = ReceiverCursor(index, "ris", "A", clock)
    begin = first.take()
    first.advance(begin + 3)
    clock.now += 2
    first.advance(begin + 4)
    assert ReceiverCursor(index, "ris", "A", clock).take() == begin + 4


def test_nothing_is_written_while_nothing_happens(tmp_path, monkeypatch):
    with opened(tmp_path) as index:
        store(index, "1.2.1.1")
        deliverer = Deliverer(index, Receiver(), ReceiverCursor(index, "ris", "A"), 1e9)
        deliverer.look()
        monkeypatch.setattr(index, "change", lambda work: pytest.fail("written"))
        for _ in range(5):
            deliverer.look()
