"""The restart policy is a function of deaths and time."""

from __future__ import annotations

import pytest

from gateway.supervisor.restarts import HEALTHY, LIMIT_AT_START, WINDOW, Restarts


@pytest.mark.parametrize(
    ("healthy", "expected"),
    [
        pytest.param(0.0, [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0], id="never ready"),
        pytest.param(1.0, [0.0, 0.1, 0.2, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5], id="ready each time"),
    ],
)
def test_the_first_restart_is_immediate_and_the_next_ones_wait(
    healthy: float, expected: list[float]
) -> None:
    restarts = Restarts()
    assert [restarts.died(n * 30.0, healthy=healthy, was_ready=True) for n in range(9)] == expected


def test_a_healthy_minute_begins_anew() -> None:
    restarts = Restarts()
    for n in range(5):
        restarts.died(n * 1.0, healthy=0.0, was_ready=True)
    assert restarts.died(70.0, healthy=HEALTHY, was_ready=True) == 0.0
    assert restarts.died(71.0, healthy=1.0, was_ready=True) == 0.1


def test_a_child_that_has_never_been_ready_is_given_up() -> None:
    restarts = Restarts()
    delays = [restarts.died(n * 0.5, healthy=0.0, was_ready=False) for n in range(LIMIT_AT_START)]
    assert None not in delays[:-1]
    assert delays[-1] is None


@pytest.mark.parametrize("healthy", [0.0, 0.1])
def test_a_child_that_was_ready_once_is_restarted_for_ever(healthy: float) -> None:
    restarts = Restarts()
    delays = [restarts.died(n * 0.01, healthy=healthy, was_ready=True) for n in range(1000)]
    assert None not in delays


def test_deaths_long_ago_do_not_count() -> None:
    restarts = Restarts()
    every = WINDOW / (LIMIT_AT_START - 1)
    delays = [restarts.died(n * every, healthy=0.0, was_ready=False) for n in range(100)]
    assert None not in delays
