"""Alerts are limited for each host, and in all; what was held is counted."""

from __future__ import annotations

from workers.audit.throttle import MOST, MOST_OF_ONE, OTHERS, PERIOD, Throttle


def test_a_host_gets_so_many_and_the_rest_is_counted() -> None:
    throttle = Throttle()
    passed = [throttle.passes("a") for _ in range(MOST_OF_ONE + 5)]
    assert passed.count(True) == MOST_OF_ONE
    assert throttle.passes("b"), "another host is not affected"
    assert list(throttle.turn(PERIOD - 1)) == []
    assert list(throttle.turn(PERIOD)) == [("a", 5)]
    assert throttle.passes("a")


def test_many_hosts_share_a_limit() -> None:
    throttle = Throttle()
    assert sum(throttle.passes(f"h{n}") for n in range(MOST + 50)) == MOST
    assert list(throttle.turn(PERIOD)) == [(OTHERS, 50)]
