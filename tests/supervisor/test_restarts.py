"""The restart policy is a function of deaths and time."""

from __future__ import annotations

from gateway.supervisor.restarts import HEALTHY, LIMIT, LIMIT_AT_START, Restarts


def test_the_first_restart_is_immediate_and_the_next_ones_wait_longer() -> None:
    restarts = Restarts()
    delays = [restarts.died(n * 30.0, healthy=1.0, was_ready=True) for n in range(10)]
    assert delays == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


def test_a_healthy_minute_begins_anew() -> None:
    restarts = Restarts()
    for n in range(5):
        restarts.died(n * 1.0, healthy=0.0, was_ready=True)
    assert restarts.died(70.0, healthy=HEALTHY, was_ready=True) == 0.0
    assert restarts.died(71.0, healthy=1.0, was_ready=True) == 0.1


def test_too_many_deaths_within_a_minute_end_it() -> None:
    restarts = Restarts()
    delays = [restarts.died(n * 5.0, healthy=5.0, was_ready=True) for n in range(LIMIT)]
    assert None not in delays[:-1]
    assert delays[-1] is None


def test_deaths_long_ago_do_not_count() -> None:
    restarts = Restarts()
    delays = [restarts.died(n * 7.0, healthy=5.0, was_ready=True) for n in range(100)]
    assert None not in delays


def test_a_child_that_was_never_ready_has_fewer_tries() -> None:
    restarts = Restarts()
    delays = [restarts.died(n * 0.1, healthy=0.0, was_ready=False) for n in range(LIMIT_AT_START)]
    assert delays == [0.0, 0.1, None]
