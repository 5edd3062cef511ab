"""A gateway that is left alone: whatever happens to its parts, it stores again by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults import database, healing, shortage

if TYPE_CHECKING:
    from collections.abc import Callable


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


@pytest.mark.parametrize("what", ["archive/index.sqlite", "run", "spool"])
def test_what_is_deleted_under_way_is_made_again(what: str) -> None:
    assert healing.taken_away(what)


@pytest.mark.parametrize("make", [shortage.full_disk, database.stopped])
def test_what_is_missing_or_full_stops_only_what_needs_it(make: Callable[[], str]) -> None:
    try:
        assert make()
    except healing.Skipped as reason:
        pytest.skip(str(reason))


def test_a_damaged_index_is_mended_by_what_status_says() -> None:
    assert healing.damaged_index()
