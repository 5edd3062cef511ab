"""Two gateways with one index in PostgreSQL: a step begun at one is changed at the other."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from gateway.sdk import testing
from tests.data_sets import data_set
from tests.patience import WALL
from tests.workers.mpps.steps import creation, end, requested, series
from workers.archive.procedure_steps import StepTable
from workers.mpps.mpps_worker import Performer, worker
from workers.mpps.mpps_worker import performer as first

UID = "1.2.3.99"
asked = partial(requested, UID)


def status(answer) -> int:
    code, _ = answer
    return code if isinstance(code, int) else int(code.Status)


def create(host: Performer) -> int:
    return status(host.create(asked(attribute_list=creation())))


def change(host: Performer, given) -> int:
    return status(host.change(asked(modification_list=given)))


@pytest.fixture
def hosts(postgres_schema, tmp_path):
    with testing.started(worker, tmp_path, archive={"dsn": postgres_schema, "holder": "ONE"}):
        second = Performer(worker)
        second.open()
        yield first, second
        second.close()


def together(*works) -> list:
    """Run functions at the same time, each in a thread; return their results."""
    results: list = [None] * len(works)
    barrier = threading.Barrier(len(works))

    def run(number: int) -> None:
        barrier.wait(WALL)
        results[number] = works[number]()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WALL)
    return results


def test_a_step_goes_on_at_the_other_host_and_can_be_read_at_either(hosts):
    one, two = hosts
    assert create(one) == 0x0000
    assert create(two) == 0x0111
    assert change(two, data_set(PerformedProcedureStepDescription="HEAD")) == 0x0000
    assert change(one, end("COMPLETED", series("1.2.3.1", "1.2.3.1.1"))) == 0x0000
    assert change(two, end("DISCONTINUED")) == 0x0110
    for host in hosts:
        code, found = host.get(asked(attribute_identifiers=[]))
        assert (code, found.PerformedProcedureStepDescription) == (0x0000, "HEAD")
        assert found.PerformedProcedureStepStatus == "COMPLETED"
    assert [line.kind for line in one.index.journal()] == ["step_in_progress", "step_completed"]


def test_one_of_two_that_create_a_step_at_once_does(hosts):
    one, two = hosts
    assert sorted(together(lambda: create(one), lambda: create(two))) == [0x0000, 0x0111]
    assert [line.kind for line in one.index.journal()] == ["step_in_progress"]


def test_no_change_is_lost_if_both_change_a_step_at_once(hosts):
    one, two = hosts
    create(one)
    for number in range(10):
        given = (
            data_set(PerformedProcedureStepDescription=f"A{number}"),
            data_set(PerformedProcedureTypeDescription=f"B{number}"),
        )
        done = together(lambda: change(one, given[0]), lambda: change(two, given[1]))  # noqa: B023
        assert done == [0x0000, 0x0000]
        step = StepTable(one.index).find(UID)
        assert step.text("00400254") == f"A{number}"
        assert step.text("00400255") == f"B{number}"
        assert step.messages == 1 + 2 * (number + 1)


def test_one_of_two_that_end_a_step_at_once_does(hosts):
    one, two = hosts
    create(one)
    done = together(
        lambda: change(one, end("COMPLETED", series())), lambda: change(two, end("DISCONTINUED"))
    )
    assert sorted(done) == [0x0000, 0x0110]
    kinds = [line.kind for line in one.index.journal()]
    assert len(kinds) == 2, kinds
