"""Instructions are counted, and the exit status says whether one is above its budget."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import (
    cost,
    normalized,
    service_cost,
    unhurried_child,
    unlimited_child,
    unmeasured_child,
)
from tests.bench.archives import sources
from tests.bench.wrapped import wrapped
from tests.conftest import short_folder
from tests.peers import raw

EIGHT = 8 * 1024


@pytest.mark.peer("valgrind")
@pytest.mark.peer("cc")
@pytest.mark.timeout(300)
def test_a_cost_above_its_budget_is_exit_status_1(monkeypatch, capsys):
    budgets = {(EIGHT, cost.ACCEPTOR): 10**9, (EIGHT, cost.STORAGE): 1}
    monkeypatch.setattr(cost, "BUDGETS", budgets)
    with pytest.raises(SystemExit) as left:
        cost.main(["--slice", "--count", "20"])
    assert left.value.code == 1
    lines = capsys.readouterr().out.splitlines()
    verdicts = {name: next(line for line in lines if name in line) for _, name in budgets}
    assert "within" in verdicts[cost.ACCEPTOR]
    assert "over" in verdicts[cost.STORAGE]


def test_a_child_is_started_by_the_command_that_is_named_for_it():
    command = ["env", "MEASURED=yes", sys.executable]
    with short_folder() as folder, wrapped(folder, {cost.STORAGE: command}) as gateway:
        assert raw.echo_ok(gateway.address)
        (storage,) = gateway.pids.values()
        assert b"MEASURED=yes" in Path(f"/proc/{storage}/environ").read_bytes().split(b"\0")


@pytest.mark.parametrize("module", [unhurried_child, unlimited_child, unmeasured_child])
def test_what_is_replaced_in_a_child_is_there(module) -> None:
    child = Path(module.__file__)
    checkout = {**os.environ, "PYTHONPATH": str(child.parents[2])}
    done = subprocess.run(
        [sys.executable, child, "-P", "-m", "this"], env=checkout, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Zen of Python" in done.stdout


@pytest.mark.parametrize(("instructions", "is_over"), [(100.0, False), (100.1, True)])
def test_a_service_above_its_scaled_budget_is_told(monkeypatch, capsys, instructions, is_over):
    monkeypatch.setattr(service_cost, "costs", lambda chosen: {(chosen[0], "any-0"): instructions})
    monkeypatch.setattr(service_cost, "BUDGETS", {("C-GET", "any-0"): 50})
    assert service_cost.print_costs(["C-GET"], 2.0) is is_over
    assert ("over" if is_over else "within") in capsys.readouterr().out


def test_each_normalized_service_is_performed():
    checkout = str(Path(__file__).parents[2])
    with (
        short_folder() as folder,
        sources(checkout),
        wrapped(folder, {}, normalized.CONFIG) as gateway,
    ):
        for name in normalized.OPERATIONS:
            normalized.perform(gateway.address, name, 2, timeout=60)


def test_each_service_has_budgets_for_its_processes():
    counted = {
        (name, process)
        for name, service in service_cost.SERVICES.items()
        for process in service_cost.names_of(service)
    }
    assert counted == service_cost.BUDGETS.keys()
