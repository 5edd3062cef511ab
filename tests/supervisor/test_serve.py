"""A gateway with scripted children: started in order, restarted, ended in order."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from gateway.process import EXIT_CONFIG, EXIT_REFUSED, EXIT_SUPERSEDED
from gateway.supervisor import find_running
from tests.peers import procfs
from tests.supervisor.conftest import LIMIT, READY, Bench, ended, kill


def ask(port: int) -> str:
    """Connect, and return the name of the child that answers."""
    with socket.create_connection(("127.0.0.1", port), LIMIT) as peer:
        peer.settimeout(LIMIT)
        return peer.recv(100).decode()


def test_ready_is_one_line_with_the_real_port(bench: Bench) -> None:
    running = bench.serve(workers={"w": READY})
    line = running.line()
    match = re.fullmatch(
        rf"dicom-gateway ready: 127\.0\.0\.1:(\d+) AE GATEWAY, data {bench.data}, "
        r"success means durable \(synced to disk\)",
        line,
    )
    assert match
    assert ask(int(match[1])) == "acceptor-0"
    running.signal(signal.SIGTERM)
    assert running.line() == ""
    assert running.wait() == 0
    assert "Traceback" not in running.errors


def test_the_gateway_is_described_while_it_runs(bench: Bench) -> None:
    assert find_running(bench.data) is None
    running = bench.serve(workers={"w": READY}, processes=2, acceptors=2, ae_title="HERE")
    running.line()
    found = find_running(bench.data)
    assert found is not None
    assert found.ready
    assert found.pid == running.process.pid
    assert found.address[0] == "127.0.0.1"
    assert found.address[1] > 0
    assert found.ae_title == "HERE"
    assert found.durability == "durable"
    assert set(found.acceptors) == {"acceptor-0", "acceptor-1"}
    assert set(found.workers) == {"w-0", "w-1"}
    assert (bench.data / "run").stat().st_mode & 0o777 == 0o700
    bench.note()
    running.signal(signal.SIGINT)
    assert running.wait() == 0
    assert find_running(bench.data) is None
    assert not (bench.data / "run" / "gateway.json").exists()


def test_children_are_handed_their_settings(bench: Bench) -> None:
    write = [{"do": "write", "folder": str(bench.folder)}, *READY]
    running = bench.serve(acceptor=write, workers={"w": write}, processes=2, durability="written")
    assert running.line().endswith("success means written (not synced: lost in a power failure)")
    running.logged("durability=written")
    acceptor, *members = (
        json.loads((bench.folder / f"{name}.json").read_text())
        for name in ("acceptor-0", "w-0", "w-1")
    )
    assert acceptor["index"] == 0
    assert acceptor["expect"] == ["w"]
    assert acceptor["run_dir"] == str(bench.data / "run")
    assert acceptor["spool_dir"] == str(bench.data / "spool")
    assert acceptor["durable"] is False
    assert [m["member"] for m in members] == [0, 1]
    for member in members:
        assert member["name"] == "w"
        assert member["target"] == "w"
        assert member["generation"] == 7
        assert member["data_dir"] == str(bench.data)
        assert member["durable"] is False


def test_a_killed_acceptor_is_back_at_once(bench: Bench) -> None:
    running = bench.serve()
    port = int(running.line().split(":")[2].split()[0])
    assert ask(port) == "acceptor-0"
    first = bench.note()["acceptors"]["acceptor-0"]
    kill(first)
    assert ask(port) == "acceptor-0"
    procfs.until(
        lambda: bench.note()["acceptors"].get("acceptor-0", first) != first,
        what="the description of the new one",
    )
    running.signal(signal.SIGTERM)
    assert running.wait() == 0
    assert "child=acceptor-0 ended: killed by SIGKILL; restarting it in 0.0 s" in running.errors


def test_a_worker_that_dies_at_first_is_started_again(bench: Bench) -> None:
    once = {"do": "leave once", "file": str(bench.folder / "once"), "status": 1}
    running = bench.serve(workers={"w": [once, *READY]})
    assert "ready" in running.line()
    running.signal(signal.SIGTERM)
    assert running.wait() == 0
    assert "child=w-0 ended: exit status 1; restarting it in 0.0 s" in running.errors


@pytest.mark.parametrize(
    ("status", "more"), [(EXIT_CONFIG, {}), (EXIT_REFUSED, {"holder": "rival"})]
)
def test_a_child_that_cannot_start_as_it_is_set_is_one_line(
    bench: Bench, status: int, more: dict[str, str]
) -> None:
    script = [
        {"do": "report", "error": "no such module", **more},
        {"do": "leave", "status": status},
    ]
    running = bench.serve(workers={"rival": READY, "w": script})
    assert running.line() == ""
    assert running.wait() == 2
    assert running.errors.splitlines()[-1] == "w-0: no such module"
    assert "Traceback" not in running.errors
    assert find_running(bench.data) is None


def test_a_child_that_never_becomes_ready_is_given_up(bench: Bench) -> None:
    running = bench.serve(acceptor=[{"do": "leave", "status": 1}])
    assert running.line() == ""
    assert running.wait() == 1
    assert (
        running.errors.splitlines()[-1]
        == "cannot start: acceptor-0: died too often; last cause: exit status 1"
    )


@pytest.mark.parametrize("status", [EXIT_REFUSED, EXIT_SUPERSEDED])
def test_a_worker_that_was_superseded_waits_until_the_other_has_left(
    bench: Bench, status: int
) -> None:
    """The scripted acceptor says when that is."""
    left = bench.folder / "left"
    held = {"w": {"generation": 8, "members": 1, "left": False}}
    gone = {"w": {"generation": 8, "members": 0, "left": True}}
    beats = [{"do": "beat", "facts": {"workers": held}, "file": str(left)}]
    beats += [{"do": "beat", "facts": {"workers": gone}, "file": str(bench.folder / "never")}]
    once = {"do": "leave once", "file": str(bench.folder / "once"), "status": status}
    running = bench.serve(acceptor=[*READY, *beats], workers={"w": [*READY, once]})
    running.line()
    running.logged(f"child=w-0 ended: exit status {status}; worker w answers in its place")
    left.touch()
    running.logged("child=w-0 worker w has left: starting it again")
    running.logged("child=w-0 child_pid=")
    running.signal(signal.SIGTERM)
    assert running.wait() == 0


def test_a_worker_on_standby_keeps_nobody_waiting(bench: Bench) -> None:
    held_from_outside = [
        {"do": "report", "error": "EVT_C_ECHO is held", "holder": "outside"},
        {"do": "leave", "status": EXIT_REFUSED},
    ]
    running = bench.serve(workers={"w": held_from_outside})
    assert "ready" in running.line()
    running.signal(signal.SIGTERM)
    assert running.wait() == 0


def test_an_acceptor_is_restarted_whatever_ends_it(bench: Bench) -> None:
    once = {"do": "leave once", "file": str(bench.folder / "once"), "status": EXIT_CONFIG}
    running = bench.serve(acceptor=[*READY, once])
    port = int(running.line().split(":")[2].split()[0])
    running.logged(f"child=acceptor-0 ended: exit status {EXIT_CONFIG}; restarting it in 0.0 s")
    assert ask(port) == "acceptor-0"
    running.signal(signal.SIGTERM)
    assert running.wait() == 0


def test_one_gateway_a_data_directory(bench: Bench) -> None:
    first = bench.serve()
    first.line()
    second = bench.serve()
    assert second.wait() == 2
    assert second.errors == (
        f"a gateway already runs on {bench.data} (pid {first.process.pid}): stop it, "
        "or choose another directory with --data\n"
    )
    assert find_running(bench.data) is not None


def test_acceptors_leave_first_and_then_workers(bench: Bench) -> None:
    file = bench.folder / "ends"
    script: list[dict[str, Any]] = [{"do": "note end", "file": str(file)}, *READY]
    running = bench.serve(acceptor=script, workers={"w": script}, processes=2, acceptors=2)
    running.line()
    running.signal(signal.SIGTERM)
    assert running.wait() == 0
    ends = file.read_text().split()
    assert set(ends[:2]) == {"acceptor-0", "acceptor-1"}
    assert set(ends[2:]) == {"w-0", "w-1"}


def test_a_child_that_does_not_leave_is_killed(bench: Bench) -> None:
    running = bench.serve(workers={"w": [{"do": "deaf"}, *READY]}, drain_timeout=0.0)
    running.line()
    bench.note()
    running.signal(signal.SIGTERM)
    assert running.wait() == 0
    assert "child=w-0 did not leave in time: killed" in running.errors


def test_a_second_signal_hurries(bench: Bench) -> None:
    running = bench.serve(acceptor=[{"do": "deaf"}, *READY], drain_timeout=600.0)
    running.line()
    bench.note()
    running.signal(signal.SIGTERM)
    running.signal(signal.SIGINT)
    assert running.wait() == 0
    assert "leaving without waiting" in running.errors


def test_told_to_leave_while_it_starts(bench: Bench) -> None:
    running = bench.serve(workers={"w": [{"do": "say", "text": "not ready"}]})
    assert running.line() == "not ready"
    bench.note()
    running.signal(signal.SIGTERM)
    assert running.wait() == 0
    assert running.line() == ""


@pytest.mark.parametrize("script", [READY, [{"do": "stuck"}]])
def test_children_and_port_do_not_outlive_a_killed_supervisor(
    bench: Bench, script: list[dict[str, Any]]
) -> None:
    running = bench.serve(acceptor=script, workers={"w": script})
    running.line()
    found = find_running(bench.data)
    assert found is not None
    running.signal(signal.SIGKILL)
    running.wait()
    for pid in (*found.acceptors.values(), *found.workers.values()):
        assert ended(pid)
    assert find_running(bench.data) is None
    with socket.create_server(found.address):
        pass


def test_a_new_gateway_waits_for_the_remains_of_a_killed_one(bench: Bench) -> None:
    first = bench.serve(acceptor=[{"do": "stuck"}])
    port = int(first.line().split(":")[2].split()[0])
    bench.note()
    first.signal(signal.SIGKILL)
    first.wait()
    second = bench.serve(port=port)
    assert f"127.0.0.1:{port} " in second.line()
    second.signal(signal.SIGTERM)
    assert second.wait() == 0


def test_the_soft_limit_of_descriptors_is_raised(bench: Bench) -> None:
    running = bench.serve()
    running.line()
    pid = bench.note()["acceptors"]["acceptor-0"]
    (limits,) = re.findall(
        r"Max open files\s+(\d+)\s+(\d+)", Path(f"/proc/{pid}/limits").read_text()
    )
    assert limits[0] == limits[1]
    running.signal(signal.SIGTERM)
    assert running.wait() == 0


def test_a_full_disk_does_not_stop_the_description(bench: Bench) -> None:
    running = bench.serve()
    port = int(running.line().split(":")[2].split()[0])
    assert ask(port) == "acceptor-0"
    pid = bench.note()["acceptors"]["acceptor-0"]
    draft = bench.data / "run" / "gateway.draft"
    draft.mkdir()  # so that the file cannot be written
    kill(pid)
    assert ask(port) == "acceptor-0"
    running.signal(signal.SIGTERM)
    assert running.wait() == 0
    assert "gateway.json not written" in running.errors
    os.rmdir(draft)
