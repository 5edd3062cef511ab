"""A gateway that is left alone: whatever happens to its parts, it stores again by itself."""

from __future__ import annotations

import pytest

from tests.faults import healing


@pytest.mark.parametrize("child", ["storage-0", "acceptor-0"])
def test_a_process_that_hangs_is_replaced(child: str) -> None:
    assert healing.stopped(child)


@pytest.mark.parametrize("kill", [False, True])
def test_a_worker_that_took_over_and_is_gone_is_followed_by_the_gateways_own(kill: bool) -> None:
    assert healing.swapped(kill=kill)


def test_a_volume_that_is_not_mounted_is_waited_for() -> None:
    assert healing.guard_missing()


def test_a_worker_is_restarted_whatever_its_exit_status() -> None:
    assert healing.exits_with_2()
