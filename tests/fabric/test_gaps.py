"""The handling of missing numbers by a watcher, by stimulus and step."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.fabric.wire.envelopes import Beacon, Notified
from gateway.fabric.worker.gaps import HELD_BACK, Ask, Emit, Gap, Step, Tracker


def note(seq: int, stream: str = "s") -> Notified:
    return Notified(stream, seq, 0.0, {}, b"")


def brief(steps: list[Step]) -> list[object]:
    words: list[object] = []
    for step in steps:
        match step:
            case Emit(notified):
                words.append(notified.seq)
            case Ask(_, first, last):
                words.append(f"ask {first}-{last}")
            case Gap(_, first, last):
                words.append(f"gap {first}-{last}")
    return words


def tracker(last: int = 0) -> Tracker:
    one = Tracker(3.0)
    assert one.beacon(Beacon("s", last), 0.0) == []
    return one


def test_in_order() -> None:
    one = tracker()
    assert [brief(one.notified(note(n), 0)) for n in (1, 2, 3)] == [[1], [2], [3]]


def test_a_watcher_begins_where_it_joins() -> None:
    assert brief(tracker(41).notified(note(42), 0)) == [42]
    assert brief(Tracker(3).notified(note(7), 0)) == [7]


def test_a_missing_one_is_asked_for_and_the_rest_held_back() -> None:
    one = tracker()
    assert brief(one.notified(note(3), 0)) == ["ask 1-2"]
    assert brief(one.notified(note(4), 0)) == []
    assert brief(one.notified(note(1), 0)) == [1]
    assert brief(one.notified(note(2), 0)) == [2, 3, 4]
    assert brief(one.replayed("s", 2, 0)) == []
    assert brief(one.notified(note(5), 0)) == [5]


def test_what_is_no_longer_kept_is_a_gap() -> None:
    one = tracker()
    one.notified(note(5), 0)
    assert brief(one.notified(note(3), 0)) == []
    assert brief(one.replayed("s", 4, 0)) == ["gap 1-2", 3, "gap 4-4", 5]


def test_a_replay_in_parts_asks_for_the_rest() -> None:
    one = tracker()
    assert brief(one.notified(note(9), 0)) == ["ask 1-8"]
    assert brief(one.notified(note(1), 0)) == [1]
    assert brief(one.replayed("s", 1, 0)) == ["ask 2-8"]


def test_a_beacon_shows_a_lost_tail() -> None:
    one = tracker()
    assert brief(one.notified(note(1), 0)) == [1]
    assert brief(one.beacon(Beacon("s", 1), 0)) == []
    assert brief(one.beacon(Beacon("s", 3), 0)) == ["ask 2-3"]
    assert brief(one.beacon(Beacon("s", 4), 0)) == []
    assert brief(one.replayed("s", 3, 0)) == ["gap 2-3", "ask 4-4"]


def test_duplicates_are_dropped() -> None:
    one = tracker()
    one.notified(note(1), 0)
    assert one.notified(note(1), 0) == []


def test_a_new_stream_begins_anew_and_settles_the_old_one() -> None:
    one = tracker()
    one.notified(note(3), 0)
    assert brief(one.notified(note(1, "t"), 0)) == ["gap 1-2", 3, 1]
    assert brief(one.beacon(Beacon("u", 6), 0)) == []
    assert brief(one.notified(note(7, "u"), 0)) == [7]
    assert one.replayed("s", 9, 0) == []


def test_a_replay_that_does_not_come_is_given_up() -> None:
    one = tracker()
    one.notified(note(3), 0)
    assert one.tick(2.9) == []
    assert brief(one.tick(3)) == ["gap 1-2", 3]
    assert one.tick(99) == []


def test_what_is_held_back_is_bounded() -> None:
    one = tracker()
    steps = [s for n in range(2, HELD_BACK + 4) for s in brief(one.notified(note(n), 0))]
    assert steps[:3] == ["ask 1-1", "gap 1-1", 2]
    assert steps[-1] == HELD_BACK + 3


@given(st.lists(st.booleans(), max_size=60), st.lists(st.booleans(), max_size=60))
def test_every_number_is_told_once_and_in_order(arrives: list[bool], kept: list[bool]) -> None:
    one = tracker()
    told: list[int] = []
    asked: list[Ask] = []

    def take(steps: list[Step]) -> None:
        for step in steps:
            match step:
                case Emit(notified):
                    told.append(notified.seq)
                case Gap(_, first, last):
                    told.extend(range(first, last + 1))
                case Ask():
                    asked.append(step)

    for seq, live in enumerate(arrives, 1):
        if live:
            take(one.notified(note(seq), 0))
    take(one.beacon(Beacon("s", len(arrives)), 0))
    while asked:
        ask = asked.pop()
        for seq in range(ask.first, ask.last + 1):
            if seq <= len(kept) and kept[seq - 1]:
                take(one.notified(note(seq), 0))
        take(one.replayed("s", ask.last, 0))
    assert told == list(range(1, len(arrives) + 1))
