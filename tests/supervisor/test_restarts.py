"""The restart policy is a function of deaths and time."""

from __future__ import annotations

import pytest

from gateway.supervisor.restarts import (
    HEALTHY,
    LIMIT,
    LIMIT_AT_START,
    LIMIT_IF_READY,
    Restarts,
)


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


@pytest.mark.parametrize(
    ("healthy", "was_ready", "limit"),
    [
        pytest.param(0.0, False, LIMIT_AT_START, id="never ready at all"),
        pytest.param(0.0, True, LIMIT, id="not ready any more"),
        pytest.param(0.1, True, LIMIT_IF_READY, id="ready each time"),
    ],
)
def test_too_many_deaths_within_a_minute_end_it(
    healthy: float, was_ready: bool, limit: int
) -> None:
    restarts = Restarts()
    delays = [restarts.died(n * 0.5, healthy=healthy, was_ready=was_ready) for n in range(limit)]
    assert None not in delays[:-1]
    assert delays[-1] is None


def test_deaths_long_ago_do_not_count() -> None:
    restarts = Restarts()
    delays = [restarts.died(n * 7.0, healthy=0.0, was_ready=True) for n in range(100)]
    assert None not in delays
