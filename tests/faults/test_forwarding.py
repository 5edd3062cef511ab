"""A short part of `python -m tests.faults forward`: two hosts, and kills of all processes."""

from __future__ import annotations

import pytest

from tests.archive import postgres
from tests.faults.forwarding import forward


@pytest.mark.skipif(bool(postgres.absent()), reason=postgres.absent())
def test_two_hosts_send_everything_although_all_is_killed() -> None:
    assert forward(60, 1, 2, postgres=True).startswith("60 of 60 instances arrived")
