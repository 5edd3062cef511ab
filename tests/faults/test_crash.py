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
def target():
    with short_folder() as folder:
        target = crash.Target(folder)
        try:
            target.again(instances.many(2))
            yield target
            assert target.gateway.stop() == 0
        finally:
            target.close()


def call_of(target: crash.Target, victim: str, kind: str, family: str) -> Point:
    """Return the first call on a file that belongs to the family."""
    log = target.record(victim, kind, crash.DISK)
    found = strace.points(log, target.gateway.data)
    return next(point for point in found if point.call in FAMILIES[family])


@pytest.mark.parametrize(("victim", "kind", "family"), STEPS, ids=map("-".join, STEPS))
def test_killed_at_a_call(target, victim: str, kind: str, family: str) -> None:
    """No instance is lost or left incomplete, and the statuses that the SCU received are true."""
    cut = target.kill(victim, kind, call_of(target, victim, kind, family))
    target.audit()
    assert cut.died


@pytest.mark.parametrize("error", crash.ERRORS)
@pytest.mark.parametrize(("victim", "kind", "family"), STEPS, ids=map("-".join, STEPS))
def test_refused_at_a_call(target, victim: str, kind: str, family: str, error: str) -> None:
    """The SCU gets a failure status; the association and later C-STOREs are not affected."""
    cut = target.refuse(victim, kind, call_of(target, victim, kind, family), error)
    target.audit()
    if (victim, family) != ("storage-0", "write"):  # its messages are written as well
        assert not cut.died
    assert cut.died or cut.told.failed


def test_a_worker_that_answers_too_early_is_noticed(folder) -> None:
    """The negative control: a worker that breaks the promise on purpose must be found out."""
    assert crash.control(folder)
