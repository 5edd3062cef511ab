"""What is told to an acceptor that starts later."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.settings import RememberedWorker, from_map, to_map
from gateway.supervisor.remembered_workers import RememberedWorkers
from tests.clock import Clock


def known(name: str, **events: Any) -> dict[str, Any]:
    return {"known": to_map(RememberedWorker(name, events or {"EVT_C_FIND": ["1.2"]}))}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def workers(clock: Clock) -> RememberedWorkers:
    return RememberedWorkers({"storage"}, 10.0, clock)


def told(workers: RememberedWorkers) -> list[tuple[str, float | None]]:
    found = [from_map(RememberedWorker, one) for one in workers.remembered()]
    return [(one.name, one.seconds) for one in found]


def test_the_last_registration_is_told(workers: RememberedWorkers) -> None:
    workers.take(known("ris"))
    workers.take(known("ris", EVT_C_STORE=None))
    (one,) = workers.remembered()
    assert one["events"] == {"EVT_C_STORE": None}
    assert one["seconds"] is None


def test_a_worker_from_outside_is_forgotten_after_the_grace(
    workers: RememberedWorkers, clock: Clock
) -> None:
    workers.take(known("ris"))
    workers.take({"left": "ris"})
    clock.now += 4
    assert told(workers) == [("ris", 6.0)]
    clock.now += 6
    assert told(workers) == []


def test_one_that_came_back_stays(workers: RememberedWorkers, clock: Clock) -> None:
    workers.take(known("ris"))
    workers.take({"left": "ris"})
    workers.take(known("ris"))
    clock.now += 1000
    assert told(workers) == [("ris", None)]


def test_a_configured_worker_is_never_forgotten(workers: RememberedWorkers, clock: Clock) -> None:
    workers.take(known("storage"))
    workers.take({"left": "storage"})
    clock.now += 1000
    assert told(workers) == [("storage", None)]


@pytest.mark.parametrize(
    "report", [{}, {"ready": True}, {"left": "nobody"}, {"left": 7}, {"known": {}}, {"known": 1}]
)
def test_other_reports_are_ignored(workers: RememberedWorkers, report: dict[str, Any]) -> None:
    workers.take(report)
    assert told(workers) == []


def test_names_are_bounded(workers: RememberedWorkers) -> None:
    for number in range(1500):
        workers.take(known(f"w{number}"))
    assert len(workers.remembered()) == 1024
