"""A slice of `python -m tests.faults crash`: a kill and a refusal at each kind of call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import short_folder
from tests.faults import crash, strace
from tests.peers import instances

if TYPE_CHECKING:
    from tests.faults.strace import Point

pytestmark = pytest.mark.skipif(
    not strace.works(), reason="strace is not installed, or may not trace here"
)

FAMILIES = {
    "write": ("writev", "write"),
    "rename": ("rename", "renameat", "renameat2", "link", "linkat"),
    "file sync": ("fdatasync",),
    "folder sync": ("fsync",),
    "index": ("pwrite64",),
}
STEPS = [
    ("acceptor-0", "spooled", "write"),
    ("acceptor-0", "spooled", "file sync"),
    ("acceptor-0", "spooled", "rename"),
    ("storage-0", "inline", "write"),
    ("storage-0", "inline", "file sync"),
    ("storage-0", "inline", "rename"),
    ("storage-0", "spooled", "rename"),
    ("storage-0", "spooled", "folder sync"),
    ("storage-0", "spooled", "index"),
]


@pytest.fixture(scope="module")
def house():
    with short_folder() as folder:
        house = crash.House(folder)
        try:
            house.again(instances.many(2))
            yield house
            assert house.gateway.stop() == 0
        finally:
            house.close()


def call_of(house: crash.House, victim: str, kind: str, family: str) -> Point:
    """The first call of the family on a file, by whatever name the process calls it."""
    log = house.record(victim, kind, crash.DISK)
    found = strace.points(log, house.gateway.data)
    return next(point for point in found if point.call in FAMILIES[family])


@pytest.mark.parametrize(("victim", "kind", "family"), STEPS, ids=map("-".join, STEPS))
def test_killed_at_a_call(house, victim: str, kind: str, family: str) -> None:
    """Nothing is lost, nothing half is left, and the SCU is told the truth."""
    cut = house.kill(victim, kind, call_of(house, victim, kind, family))
    house.audit()
    assert cut.died


@pytest.mark.parametrize("error", crash.ERRORS)
@pytest.mark.parametrize(("victim", "kind", "family"), STEPS, ids=map("-".join, STEPS))
def test_refused_at_a_call(house, victim: str, kind: str, family: str, error: str) -> None:
    """A failure status; the association goes on, and so does storing once it is over."""
    cut = house.refuse(victim, kind, call_of(house, victim, kind, family), error)
    house.audit()
    if (victim, family) != ("storage-0", "write"):  # its messages are written as well
        assert not cut.died
    assert cut.died or cut.told.failed


def test_a_worker_that_answers_too_early_is_noticed(folder) -> None:
    """The negative control: without it all of this would prove nothing."""
    assert crash.control(folder)
