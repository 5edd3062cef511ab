"""The slope of memory over time: a leak is told from noise."""

from __future__ import annotations

import random

import pytest

from tests.faults.load import KEPT, Slope, judge
from tests.faults.row import BrokenPromise


def points(slope: float, noise: float) -> list[tuple[float, float]]:
    chance = random.Random(1)
    return [(float(x), 5e7 + slope * x + chance.uniform(-noise, noise)) for x in range(600)]


def test_the_slope_of_a_straight_line() -> None:
    found = Slope.of(points(100.0, 0.0))
    assert found.slope == pytest.approx(100.0)
    assert found.error == pytest.approx(0.0, abs=1e-6)


def test_noise_is_no_leak() -> None:
    found = Slope.of(points(0.0, 1e6))
    assert abs(found.slope) < 3 * found.error
    assert "acceptor-0" in judge({"acceptor-0": points(0.0, 1e6)})


def test_a_leak_is_told() -> None:
    with pytest.raises(BrokenPromise, match="memory grows: acceptor-0"):
        judge({"supervisor": points(0.0, 1e6), "acceptor-0": points(KEPT / 200, 1e6)})
