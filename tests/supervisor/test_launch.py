"""A user's worker beside a gateway."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from gateway.process import EXIT_REFUSED, EXIT_SUPERSEDED
from tests.supervisor.conftest import READY, Bench, Running


def launch(bench: Bench, script: list[dict[str, Any]], processes: int = 1) -> Running:
    config = bench.config({"mine": {"options": {"script": script}}})
    return bench.run("tests.supervisor.run", "worker", str(config), "mine", str(processes))


def test_it_needs_a_gateway(bench: Bench) -> None:
    running = launch(bench, READY)
    assert running.wait() == 2
    assert running.errors == (
        f"no gateway runs on {bench.data}: start one with `dicom-gateway serve --data "
        f"{bench.data}`, or give its data directory with --data\n"
    )


def test_it_says_when_it_is_up_and_leaves_when_told(bench: Bench) -> None:
    bench.serve(durability="written").line()
    script = [{"do": "write", "folder": str(bench.folder)}, *READY]
    running = launch(bench, script, processes=2)
    assert running.line() == (
        f"dicom-gateway worker mine ready: processes 2, generation 7, gateway at {bench.data}"
    )
    handed = json.loads((bench.folder / "mine-1.json").read_text())
    assert handed["name"] == "mine"
    assert handed["target"] == "scripted"
    assert handed["generation"] == 7
    assert handed["run_dir"] == str(bench.data / "run")
    assert handed["durable"] is False
    running.signal(signal.SIGTERM)
    assert running.wait() == 0


def test_refused_names_the_holder(bench: Bench) -> None:
    bench.serve().line()
    text = "EVT_C_STORE is held by storage"
    running = launch(
        bench, [{"do": "report", "error": text}, {"do": "leave", "status": EXIT_REFUSED}]
    )
    assert running.wait() == 2
    assert f"mine-0: {text}" in running.errors.splitlines()


@pytest.mark.parametrize(("status", "becomes"), [(EXIT_SUPERSEDED, EXIT_SUPERSEDED), (3, 2)])
def test_what_ends_it_later_is_its_exit_status(bench: Bench, status: int, becomes: int) -> None:
    bench.serve().line()
    both_ready = bench.folder / "both-ready"
    wait = {"do": "wait", "file": str(both_ready)}
    running = launch(bench, [*READY, wait, {"do": "leave", "status": status}], processes=2)
    assert "ready" in running.line()
    both_ready.touch()
    assert running.wait() == becomes
