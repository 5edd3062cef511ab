"""A host behind a balancer is killed under load: the cheapest slice of `topology`."""

from __future__ import annotations

import pytest

from tests.conftest import PEERS_REQUIRED
from tests.faults.healing import Skipped
from tests.faults.site import site
from tests.faults.topology import check, killed, under_load


@pytest.mark.timeout(600)
def test_what_was_acknowledged_comes_back_from_each_host_after_one_was_killed() -> None:
    try:
        with site(2) as made:
            under_load(made, {"killed": killed})
            check(made)
    except Skipped as error:
        (pytest.fail if PEERS_REQUIRED else pytest.skip)(str(error))
