"""When and how reports are delivered: on which association, and what happens if that fails."""

from __future__ import annotations

import os
import queue
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest
from pydicom.dataset import Dataset

from tests.patience import WALL
from workers.commitment.delivery import (
    COMMITTED,
    FAILED,
    FIRST_PAUSE,
    GIVEN_UP,
    Delivery,
    NotReached,
)
from workers.commitment.report import ALL_COMMITTED, Report
from workers.commitment.transactions import Transaction, TransactionFolder

WEEK = 604_800.0
ASKED = Transaction("1.2.3", "MODALITY", "GATEWAY", 1000.0, (("1.2.4", "1.2.5"),))


class World:
    """A folder, and a peer that answers what the test says."""

    def __init__(self, tmp_path) -> None:
        self.folder = TransactionFolder(tmp_path, durable=False)
        self.sent: queue.Queue[tuple[str, Report]] = queue.Queue()
        self.tried: queue.Queue[str] = queue.Queue()
        self.answers: dict[str, int | str | None] = {}
        self.time = SimpleNamespace(clock=0.0, now=1000.0)
        self.idle: queue.Queue[int] = queue.Queue()
        self.counted: list[str] = []
        self.failed = 0
        self.delivery = Delivery(
            self.folder,
            lambda transaction: Report(ALL_COMMITTED, Dataset(), self.failed),
            lambda association: self._way(association),
            lambda transaction: self._way("destination"),
            WEEK,
            changed=lambda: self.idle.put(self.delivery.waiting),
            count=self.counted.append,
            clock=lambda: self.time.clock,
            now=lambda: self.time.now,
        )

    def _way(self, name: str):
        self.tried.put(name)
        answer = self.answers.get(name, "not there")
        if isinstance(answer, str):
            raise NotReached(answer)

        def report(told: Report) -> int | None:
            self.sent.put((name, told))
            return answer

        return report

    def ask(self, transaction=ASKED, association=None) -> None:
        self.folder.add(transaction)
        self.delivery.begin(transaction.name, association)

    def left(self) -> int:
        """Transactions that are open after the next attempt."""
        return self.idle.get(timeout=WALL)


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.delivery.stop()


def test_the_association_that_asked_gets_the_report(world):
    world.answers["association"] = 0x0000
    world.delivery.start()
    world.ask(association="association")
    assert world.left() == 0
    assert world.sent.get_nowait()[0] == "association"
    assert world.sent.empty()
    assert world.folder.names() == []


@pytest.mark.parametrize("answer", [None, 0x0110, "over"])
def test_then_the_destination_gets_it(world, answer):
    world.answers = {"association": answer, "destination": 0x0000}
    world.delivery.start()
    world.ask(association="association")
    assert world.left() == 0
    assert [world.tried.get_nowait() for _ in range(2)] == ["association", "destination"]
    assert world.folder.names() == []


def test_a_report_that_is_not_delivered_waits_for_the_peers_next_association(world):
    world.answers["second"] = 0x0000
    world.delivery.start()
    world.ask(association="first")
    assert world.left() == 1
    assert world.folder.names() == [ASKED.name]
    world.delivery.associated("STRANGER", "third")
    world.delivery.associated("MODALITY", "second")
    assert world.left() == 0
    assert world.sent.get_nowait()[0] == "second"
    assert world.folder.names() == []


def test_it_is_tried_again_after_a_pause(world):
    world.delivery.start()
    world.ask()
    assert world.left() == 1
    world.answers["destination"] = 0x0000
    world.time.clock = FIRST_PAUSE * 1.2
    with world.delivery._changed:
        world.delivery._changed.notify_all()
    assert world.left() == 0


def test_what_was_open_is_reported_after_a_restart(world):
    world.folder.add(ASKED)
    world.answers["destination"] = 0x0000
    world.delivery.start()
    assert world.left() == 0
    assert world.sent.get_nowait()[0] == "destination"
    world.failed = 1
    world.ask(association=None)
    assert world.left() == 0
    assert world.counted == [COMMITTED, FAILED]


def test_what_nobody_confirmed_in_time_is_given_up(world, caplog):
    world.folder.add(ASKED)
    world.time.now = 1000.0 + WEEK + 1
    world.answers["destination"] = 0x0000
    world.delivery.start()
    assert world.left() == 0
    assert world.sent.empty()
    assert world.folder.names() == []
    assert "given up" in caplog.text
    assert world.counted == [GIVEN_UP]


def test_an_exception_costs_one_attempt_only(world, caplog):
    def broken(transaction):
        raise RuntimeError("planted")

    good, world.delivery.report = world.delivery.report, broken
    world.answers["destination"] = 0x0000
    world.delivery.start()
    world.ask()
    assert world.left() == 1
    world.delivery.report = good
    world.delivery.begin(ASKED.name)
    assert world.left() == 0


def test_two_processes_report_a_transaction_once(world):
    world.folder.add(ASKED)
    with world.folder.claimed(ASKED.name) as mine:
        assert mine == ASKED
        with world.folder.claimed(ASKED.name) as theirs:
            assert theirs is None
    with world.folder.claimed("missing.json") as gone:
        assert gone is None


def test_a_request_that_came_again_meanwhile_stays(world):
    world.folder.add(ASKED)
    world.folder.add(replace(ASKED, received=2000.0))
    world.folder.remove(ASKED)
    assert world.folder.names() == [ASKED.name]


def test_a_request_that_comes_again_during_the_removal_stays(tmp_path, monkeypatch):
    mine, theirs = (TransactionFolder(tmp_path, durable=False) for _ in range(2))
    mine.add(ASKED)
    again = replace(ASKED, received=2000.0)
    adding, read = threading.Thread(target=theirs.add, args=(again,)), mine.read

    def read_slowly(name):
        found = read(name)
        adding.start()
        adding.join(0.2)  # it waits for the removal
        return found

    monkeypatch.setattr(mine, "read", read_slowly)
    mine.remove(ASKED)
    adding.join(WALL)
    assert theirs.read(ASKED.name) == again


def test_a_damaged_file_is_passed_over_and_named(tmp_path, caplog):
    folder = TransactionFolder(tmp_path, durable=True)
    folder.add(ASKED)
    (tmp_path / "commitment" / ASKED.name).write_text("{")
    assert folder.read(ASKED.name) is None
    assert ASKED.name in caplog.text


def test_an_error_of_a_delivery_that_holds_a_transaction_is_its_own(world):
    world.folder.add(ASKED)
    with pytest.raises(BlockingIOError), world.folder.claimed(ASKED.name):
        raise BlockingIOError
    with world.folder.claimed(ASKED.name) as mine:
        assert mine == ASKED


def test_a_file_that_another_process_is_writing_stays(tmp_path):
    TransactionFolder(tmp_path, durable=False)
    writing, left = (tmp_path / "commitment" / f"{name}.part" for name in ("new", "old"))
    for one in (writing, left):
        one.write_text("{")
    os.utime(left, (0, 0))
    TransactionFolder(tmp_path, durable=False)
    assert [one.exists() for one in (writing, left)] == [True, False]
