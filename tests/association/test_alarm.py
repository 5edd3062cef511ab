"""The alarm on a loop whose clock the test turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.association.alarm import Alarm

if TYPE_CHECKING:
    from collections.abc import Callable


class Handle:
    def __init__(self, when: float, call: Callable[[], None]) -> None:
        self._when = when
        self.call = call
        self.cancelled = False

    def when(self) -> float:
        return self._when

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """The part of an event loop that a timer uses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.handles: list[Handle] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[[], None]) -> Handle:
        self.handles.append(Handle(when, call))
        return self.handles[-1]

    def turn(self, now: float) -> None:
        """Let the time be `now`, and everything happen that was due by then."""
        while due := [h for h in self.handles if not h.cancelled and h.when() <= now]:
            first = min(due, key=Handle.when)
            self.handles.remove(first)
            self.now = max(self.now, first.when())
            first.call()
        self.now = now


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def rang(loop: Loop) -> list[float]:
    return []


@pytest.fixture
def alarm(loop: Any, rang: list[float]) -> Alarm:
    return Alarm(loop, lambda: rang.append(loop.now))


def test_rings_once_at_its_deadline(loop: Loop, alarm: Alarm, rang: list[float]) -> None:
    alarm.set(5.0)
    loop.turn(4.9)
    assert rang == []
    loop.turn(20.0)
    assert rang == [5.0]
    assert alarm.deadline is None


def test_a_later_deadline_costs_no_timer(loop: Loop, alarm: Alarm, rang: list[float]) -> None:
    for moment in range(100):
        alarm.set(5.0 + moment)
    assert len(loop.handles) == 1
    loop.turn(103.9)
    assert rang == []
    loop.turn(104.0)
    assert rang == [104.0]


def test_an_earlier_deadline_counts(loop: Loop, alarm: Alarm, rang: list[float]) -> None:
    alarm.set(50.0)
    alarm.set(5.0)
    loop.turn(60.0)
    assert rang == [5.0]


def test_none_takes_the_deadline_away(loop: Loop, alarm: Alarm, rang: list[float]) -> None:
    alarm.set(5.0)
    alarm.set(None)
    loop.turn(10.0)
    alarm.set(15.0)
    alarm.stop()
    loop.turn(20.0)
    assert rang == []
    assert not [h for h in loop.handles if not h.cancelled]


def test_can_be_set_again_from_its_own_call(loop: Any) -> None:
    rang: list[float] = []

    def again() -> None:
        rang.append(loop.now)
        if len(rang) < 3:
            alarm.set(loop.now + 1.0)

    alarm = Alarm(loop, again)
    alarm.set(1.0)
    loop.turn(10.0)
    assert rang == [1.0, 2.0, 3.0]
