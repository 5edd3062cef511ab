"""Notifications from before a watcher subscribed, from the acceptor's ring."""

from __future__ import annotations

import asyncio
import queue
from typing import TYPE_CHECKING

import pytest

from gateway.fabric import Notification, Registration
from gateway.fabric.worker import Client
from gateway.fabric.worker.gaps import Tracker
from tests.conftest import short_folder
from tests.fabric.test_gaps import Beacon, brief, note
from tests.fabric.world import FAST, WAIT, Member, acceptor, members, take

if TYPE_CHECKING:
    from pathlib import Path

TOPIC = "EVT_RELEASED"


@pytest.fixture
def run_dir():
    with short_folder() as folder:
        yield folder


def test_history_is_asked_for_at_the_first_beacon() -> None:
    one = Tracker(3, history=4)
    assert brief(one.beacon(Beacon("s", 10), 0)) == ["ask 7-10"]
    assert not one.is_current
    assert brief([s for n in (7, 8, 9, 10) for s in one.notified(note(n), 0)]) == [7, 8, 9, 10]
    assert one.is_current


def test_history_is_asked_for_at_the_first_notification() -> None:
    one = Tracker(3, history=4)
    assert brief(one.notified(note(3), 0)) == ["ask 1-2"]
    assert brief([s for n in (1, 2) for s in one.notified(note(n), 0)]) == [1, 2, 3]


def test_what_the_ring_lost_of_the_history_is_no_gap() -> None:
    one = Tracker(3, history=9)
    assert brief(one.beacon(Beacon("s", 10), 0)) == ["ask 2-10"]
    assert brief(one.notified(note(11), 0)) == []
    assert brief(one.notified(note(9), 0)) == []
    assert brief(one.replayed("s", 10, 0)) == [9, 11]
    assert brief(one.notified(note(14), 0)) == ["ask 12-13"]
    assert brief(one.replayed("s", 13, 0)) == ["gap 12-13", 14]


def test_there_is_no_history_of_an_acceptor_that_was_started_anew() -> None:
    one = Tracker(3, history=4)
    one.beacon(Beacon("s", 0), 0)
    assert brief(one.beacon(Beacon("t", 10), 0)) == []


def test_a_watcher_that_comes_late(run_dir: Path) -> None:
    async def scene() -> None:
        first = Member(run_dir)
        first.client.subscribe(TOPIC)
        told: queue.Queue[Notification] = queue.Queue()
        late = Client(
            run_dir,
            Registration("late", 1, 0, 1),
            settings=FAST,
            on_requests=lambda _: None,
            on_notification=told.put,
            history=300,
        )
        late.subscribe(TOPIC)
        async with acceptor(run_dir) as server, members(first):
            for number in range(500):
                server.publish(TOPIC, {"n": number})
            await asyncio.to_thread(late.start, WAIT)
            try:
                assert told.qsize() == 300, "all of it is here before the start is over"
                server.publish(TOPIC, {"n": 500})
                got = [(await take(told)).body["n"] for _ in range(301)]
            finally:
                await asyncio.to_thread(late.stop)
            assert got == list(range(200, 501))

    asyncio.run(scene())
