"""The outbox of steps, in both databases: an order for each step, and nothing taken twice."""

from __future__ import annotations

import pytest

from workers.archive.procedure_steps import ProcedureStep, StepTable, insert
from workers.mpps.step_outbox import (
    CREATE,
    LEASE,
    NO_RESPONSE,
    PARKED,
    SENT,
    SET,
    WAITING,
    StepOutbox,
    put,
)


@pytest.fixture
def outbox(index) -> StepOutbox:
    return StepOutbox(index)


def add(index, uid: str, number: int = 1, *destinations: str) -> None:
    operation = SET if number > 1 else CREATE
    names = destinations or ("RIS",)
    given = (names, (uid, number), operation, {"n": number}, 1.0)
    index.change(lambda execute: put(execute, *given))


def taken(outbox: StepOutbox, destination: str = "RIS", owner: str = "A") -> list[tuple[str, int]]:
    return [(one.uid, one.number) for one in outbox.take(destination, owner, 10)]


def settle(outbox: StepOutbox, owner: str = "A", state: str = SENT, due: float = 0.0) -> None:
    """Settle what a sender has taken."""
    for one in outbox.rows():
        if one.reason.startswith(NO_RESPONSE):  # as `rows` tells of one that is taken
            one.state, one.due, one.reason = state, due, ""
            outbox.settle(one, owner)


def test_messages_of_a_step_are_taken_in_their_order_one_at_a_time(index, outbox):
    for number in (1, 2, 3):
        add(index, "1.1", number)
    add(index, "1.2")
    assert taken(outbox) == [("1.1", 1), ("1.2", 1)]
    assert taken(outbox) == [], "they are taken"
    settle(outbox)
    assert taken(outbox) == [("1.1", 2)]
    settle(outbox)
    (last,) = outbox.take("RIS", "A", 10)
    assert (last.operation, last.attributes, last.state) == (SET, {"n": 3}, WAITING)


def test_each_destination_has_its_own_order(index, outbox):
    add(index, "1.1", 1, "RIS", "PACS")
    add(index, "1.1", 2, "RIS", "PACS")
    assert taken(outbox) == [("1.1", 1)]
    settle(outbox)
    assert taken(outbox, "PACS") == [("1.1", 1)]
    assert taken(outbox) == [("1.1", 2)]


def test_what_waits_for_another_attempt_or_is_parked_holds_up_its_own_step_only(index, outbox):
    for uid in ("1.1", "1.2", "1.3"):
        add(index, uid)
        add(index, uid, 2)
    first, second, _ = outbox.take("RIS", "A", 10)
    first.state, first.reason = PARKED, "refused"
    second.due = 1000.0
    for one in (first, second):
        outbox.settle(one, "A")
    settle(outbox)
    assert taken(outbox) == [("1.3", 2)]
    assert outbox.counts() == {("RIS", WAITING): 4, ("RIS", PARKED): 1}
    assert outbox.retry(ids=[first.id]) == 1
    assert taken(outbox) == [("1.1", 1)]


def test_a_message_that_is_dropped_lets_the_next_go(index, outbox):
    add(index, "1.1")
    add(index, "1.1", 2)
    (first,) = outbox.take("RIS", "A", 10)
    first.state = PARKED
    outbox.settle(first, "A")
    assert outbox.drop("OTHER") == 0
    assert outbox.drop(ids=[first.id]) == 1
    assert taken(outbox) == [("1.1", 2)]
    assert outbox.drop("RIS") == 1
    assert outbox.counts() == {}


def test_two_senders_share_and_only_who_has_a_row_settles_it(index, open_index, outbox):
    other = StepOutbox(open_index())
    add(index, "1.1")
    add(index, "1.2")
    (mine,) = outbox.take("RIS", "A", 1)
    (theirs,) = other.take("RIS", "B", 10)
    assert (mine.uid, theirs.uid) == ("1.1", "1.2")
    theirs.state = SENT
    other.settle(theirs, "A")
    assert len(outbox.rows(state=WAITING)) == 2, "not its own"
    other.settle(theirs, "B")
    assert len(outbox.rows(state=WAITING)) == 1


def test_rows_of_a_sender_that_died_come_back_and_are_known_as_such(index, outbox, monkeypatch):
    add(index, "1.1")
    assert taken(outbox) == [("1.1", 1)]
    now = index.clock()
    monkeypatch.setattr(index, "clock", lambda: now + LEASE + 1)
    (again,) = outbox.take("RIS", "B", 10)
    assert again.reason == "no response: its sender ended"


def test_a_step_that_is_forgotten_takes_its_messages_along(index, outbox):
    steps = StepTable(index)
    for uid, changed in (("1.1", 1.0), ("1.2", 9.0)):
        one = ProcedureStep(uid, "CT1", "", changed, changed, {}, 1)
        steps.change(uid, lambda execute, _, one=one: insert(execute, one))
        add(index, uid)
    assert steps.forget(5.0) == 1
    assert [one.uid for one in outbox.rows()] == ["1.2"]
    assert [one.uid for one in steps.steps()] == ["1.2"]
