"""Processes that an operator has restarted or swapped."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from gateway.supervisor import ask_running
from tests.patience import WALL
from tests.supervisor.conftest import READY, Bench

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.supervisor.conftest import Running


def replace(bench: Bench, name: str, what: str = "restart") -> dict[str, Any]:
    bench.note()
    try:
        return ask_running(bench.data, what, WALL, name=name)
    finally:
        bench.note()


@pytest.fixture
def running(bench: Bench) -> Iterator[Running]:
    """Two processes of a worker, one of another, and an acceptor."""
    started = bench.serve(workers={"w": READY, "v": READY}, processes=2)
    started.line()
    yield started
    started.signal(signal.SIGTERM)
    assert started.wait() == 0


def processes(bench: Bench) -> dict[str, dict[str, Any]]:
    told = ask_running(bench.data, "status")
    everything = [*told["acceptors"], *(one for w in told["workers"] for one in w["processes"])]
    return {one["name"]: one for one in everything}


@pytest.mark.parametrize(
    ("name", "names"),
    [("w", ["w-0", "w-1"]), ("w-1", ["w-1"]), ("acceptor-0", ["acceptor-0"])],
)
def test_a_process_is_started_again_and_the_others_go_on(
    bench: Bench, running: Running, name: str, names: list[str]
) -> None:
    before = processes(bench)
    assert replace(bench, name) == {"done": names}
    after = processes(bench)
    for one in before:
        assert (after[one]["pid"] != before[one]["pid"]) == (one in names)
        assert after[one]["restarts"] == (one in names)
        assert after[one]["state"] == "ready"
    assert {after[one]["last_end"] for one in names} == {"restarted by an operator"}
    running.logged(f"restart of {name!r} is asked for")


def test_a_swap_has_the_new_generation_before_the_old_one_leaves(
    bench: Bench, running: Running
) -> None:
    before = processes(bench)
    assert replace(bench, "w", "swap") == {"done": ["w-0", "w-1"]}
    after = processes(bench)
    assert set(after) == set(before)
    assert {name for name in after if after[name]["pid"] != before[name]["pid"]} == {"w-0", "w-1"}
    for number in (0, 1):
        running.logged(f"child=w-{number} ended")
    errors = running.errors
    assert errors.rindex("child=w-1 child_pid=") < errors.index("child=w-0 ended")
    assert after["w-0"]["restarts"] == 0


@pytest.mark.parametrize(
    ("what", "name", "why"),
    [
        ("restart", "x", "no process or worker 'x'; there are acceptor-0, w-0, w-1, v-0, v-1"),
        ("swap", "x", "no worker 'x'; there are w, v"),
        ("swap", "acceptor-0", "no worker 'acceptor-0'; there are w, v"),
        ("swap", "", "no worker ''; there are w, v"),
    ],
)
def test_what_cannot_be_replaced_is_refused_in_words(
    bench: Bench, running: Running, what: str, name: str, why: str
) -> None:
    before = processes(bench)
    assert replace(bench, name, what) == {"error": f"there is {why}"}
    assert {k: v["pid"] for k, v in processes(bench).items()} == {
        k: v["pid"] for k, v in before.items()
    }


def test_the_page_is_not_swapped_because_of_its_port(bench: Bench) -> None:
    running = bench.serve(workers={"web": READY})
    running.line()
    assert replace(bench, "web", "swap") == {
        "error": "web keeps its port until it has left: restart it"
    }
    assert replace(bench, "web") == {"done": ["web-0"]}


def test_a_process_that_does_not_leave_is_killed(bench: Bench) -> None:
    script = [{"do": "deaf"}, *READY]
    running = bench.serve(workers={"w": script}, drain_timeout=0.1)
    running.line()
    pid = processes(bench)["w-0"]["pid"]
    assert replace(bench, "w-0") == {"done": ["w-0"]}
    running.logged("child=w-0 did not leave in time: killed")
    assert processes(bench)["w-0"]["pid"] != pid
