"""The real gateway as a user starts it: acceptor, storage worker, a user's worker."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

from tests.supervisor.conftest import Bench, Running, kill

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

MINE = """
from gateway import Worker, evt

worker = Worker("mine")
rival = Worker("rival")

@worker.on(evt.EVT_C_ECHO)
def on_echo(event):
    return 0x0000

@rival.on(evt.EVT_C_ECHO)
def on_echo_too(event):
    return 0x0000
"""


def config(bench: Bench) -> Path:
    return bench.config({"storage": {"worker": "workers.storage:worker"}})


def serve(bench: Bench) -> tuple[Running, str]:
    """Start a gateway; return it and its port once it is ready."""
    running = bench.run("gateway", "serve", "--config", str(config(bench)))
    match = re.search(r":(\d+) AE", running.line())
    assert match, running.errors
    bench.note()
    return running, match[1]


def worker(bench: Bench, name: str) -> Running:
    return bench.run("gateway", "worker", f"mine:{name}", "--data", str(bench.data))


def echo(bench: Bench, port: str) -> None:
    asking = bench.run("gateway", "echo", "127.0.0.1", port)
    assert f"at 127.0.0.1:{port}: success (status 0x0000" in asking.line(), asking.errors
    assert asking.wait() == 0


def test_it_is_ready_and_leaves_in_order(bench: Bench) -> None:
    running, port = serve(bench)
    assert set(bench.note()["workers"]) == {"storage-0"}
    echo(bench, port)
    running.signal(signal.SIGTERM)
    assert running.wait() == 0
    assert "killed" not in running.errors
    assert "Traceback" not in running.errors


def test_it_works_again_after_an_acceptor_was_killed(bench: Bench) -> None:
    running, port = serve(bench)
    kill(bench.note()["acceptors"]["acceptor-0"])
    echo(bench, port)
    bench.note()
    running.signal(signal.SIGTERM)
    assert running.wait() == 0


def test_a_worker_beside_it_and_its_rival(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (bench.folder / "mine.py").write_text(MINE)
    monkeypatch.chdir(bench.folder)
    running, port = serve(bench)
    mine = worker(bench, "worker")
    assert "worker mine ready: processes 1, generation 1" in mine.line(), mine.errors
    echo(bench, port)
    rival = worker(bench, "rival")
    assert rival.wait() == 2
    held = "dicom-gateway: rival-0: EVT_C_ECHO is held by worker 'mine': end that one, or set"
    assert f"{held} enabled = false in [workers.mine] and reload\n" in rival.errors
    newer = worker(bench, "worker")
    assert "generation 2" in newer.line(), newer.errors
    assert mine.wait() == 4
    newer.signal(signal.SIGTERM)
    assert newer.wait() == 0
    running.signal(signal.SIGTERM)
    assert running.wait() == 0
