"""A host behind a balancer is killed under load: the cheapest slice of `topology`."""

from __future__ import annotations

import pytest

from tests.conftest import PEERS_REQUIRED
from tests.faults.healing import Skipped
from tests.faults.site import site
from tests.faults.topology import check, comes_back, compare, killed, store_killed, under_load


@pytest.mark.timeout(600)
def test_what_was_acknowledged_comes_back_from_each_host_after_one_was_killed() -> None:
    try:
        with site(2) as made:
            under_load(made, {"killed": killed})
            check(made)
    except Skipped as error:
        (pytest.fail if PEERS_REQUIRED else pytest.skip)(str(error))


@pytest.mark.timeout(600)
def test_with_objects_it_comes_back_also_while_the_other_hosts_are_down() -> None:
    try:
        with site(2, objects=True) as made:
            under_load(made, {"store killed": store_killed})
            uids = compare(made)
            made.hosts[0].kill()
            comes_back(made.hosts[1], uids, made.sink)
    except Skipped as error:
        (pytest.fail if PEERS_REQUIRED else pytest.skip)(str(error))
