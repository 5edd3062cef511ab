"""The commands as a user meets them: help, and one line for whatever is wrong."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

from gateway.settings import Settings, to_map
from tests.supervisor.conftest import LIMIT, READY, Bench


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": root, **environment},
    )


def refused(*arguments: str, cwd: Path, status: int = 2, **environment: str) -> str:
    ended = run(*arguments, cwd=cwd, **environment)
    assert ended.returncode == status, ended.stderr
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    return line


def test_help_says_where_to_start(tmp_path: Path) -> None:
    ended = run("--help", cwd=tmp_path)
    assert ended.returncode == 0
    for command in ("serve", "worker", "echo", "status", "config"):
        assert f"\n  {command} " in ended.stdout
        of_command = run(command, "--help", cwd=tmp_path)
        assert of_command.returncode == 0
        assert f"dicom-gateway {command}" in of_command.stdout


def test_help_and_status_import_nothing_heavy(tmp_path: Path) -> None:
    script = "import sys, gateway.cli; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=LIMIT, check=True
    )
    assert not {"pydantic", "pydicom", "zmq", "msgpack"} & set(ended.stdout.split())


def test_version(tmp_path: Path) -> None:
    assert run("--version", cwd=tmp_path).stdout.startswith("dicom-gateway 0.")


def test_no_such_command(tmp_path: Path) -> None:
    ended = run("srve", cwd=tmp_path)
    assert ended.returncode == 2
    assert "srve" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_config_prints_what_is_in_effect(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text("[log]\nlevel = 'debug'\n")
    for arguments, environment in (
        (["config", "--config", "my.toml"], {}),
        (["config"], {"DICOM_GATEWAY_CONFIG": "my.toml"}),
        (["config"], {"DICOM_GATEWAY_LOG__LEVEL": "debug"}),
    ):
        ended = run(*arguments, cwd=tmp_path, **environment)
        assert ended.returncode == 0
        expected = json.loads(json.dumps(to_map(Settings())))  # with lists in place of tuples
        expected["log"]["level"] = "debug"
        assert tomllib.loads(ended.stdout) == expected


def test_a_typo_in_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text("[association]\nmax_pdoo = 3\n")
    assert refused("serve", "--config", "my.toml", cwd=tmp_path) == (
        "dicom-gateway: my.toml:2: association.max_pdoo = 3: there is no such setting; "
        "did you mean association.max_pdu?"
    )
    assert not (tmp_path / "gateway-data").exists()


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    line = refused("serve", "--config", "no.toml", cwd=tmp_path)
    assert line == "dicom-gateway: cannot read the configuration no.toml: No such file or directory"


def test_a_wrong_option(tmp_path: Path) -> None:
    line = refused("serve", "--ae-title", "A" * 17, cwd=tmp_path)
    assert line.startswith(f'dicom-gateway: --ae-title: gateway.ae_title = "{"A" * 17}": it must')


def test_a_taken_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert refused("serve", "--port", str(port), cwd=tmp_path) == (
            f"dicom-gateway: cannot listen on 127.0.0.1:{port}: another program listens there; "
            "stop it, or choose another --port"
        )


@pytest.mark.parametrize("data", ["file", "file/below", "/proc/gateway"])
def test_a_data_directory_that_cannot_be_used(tmp_path: Path, data: str) -> None:
    (tmp_path / "file").touch()
    line = refused("serve", "--port", "0", "--data", data, cwd=tmp_path)
    assert line.startswith(f"dicom-gateway: cannot use the data directory {data}: ")
    assert line.endswith("write permission, or choose another with --data")


def test_status_of_nothing(tmp_path: Path) -> None:
    line = refused("status", cwd=tmp_path, status=1)
    assert line == "dicom-gateway: no gateway runs on gateway-data"
    ended = run("status", "--json", cwd=tmp_path)
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["state"] == "down"
    assert not (tmp_path / "gateway-data").exists()


def test_status_of_a_gateway(bench: Bench) -> None:
    facts = {"workers": {"w": {"members": 1, "events": ["EVT_C_ECHO"], "generation": 7}}}
    beat = {"do": "report", "beat": {**facts, "associations": 3}}
    running = bench.serve(acceptor=[beat, *READY], workers={"w": READY})
    running.line()
    ended = run("status", "--json", "--data", str(bench.data), cwd=bench.folder)
    status = json.loads(ended.stdout)
    assert (ended.returncode, status["state"], status["reasons"]) == (0, "ok", [])
    assert status["associations"] == 3
    (worker,) = status["workers"]
    assert worker["holds"] == ["EVT_C_ECHO"]
    assert worker["processes"][0]["pid"] == bench.note()["workers"]["w-0"]
    ended = run("status", "--data", str(bench.data), cwd=bench.folder)
    assert ended.stdout.startswith(f"ok: pid {running.process.pid}, 127.0.0.1:")
    assert "worker w: generation 7, holds EVT_C_ECHO, restarts 0\n" in ended.stdout


def test_status_says_why_a_gateway_is_degraded(bench: Bench) -> None:
    lacks = [{"do": "report", "waiting": "no disk"}]
    running = bench.serve(acceptor=READY, workers={"w": lacks})
    running.logged("child=w-0 is waiting: no disk")
    ended = run("status", "--json", "--data", str(bench.data), cwd=bench.folder)
    status = json.loads(ended.stdout)
    assert (ended.returncode, status["state"]) == (1, "degraded")
    assert "w-0 is waiting: no disk" in status["reasons"]
    assert running.process.poll() is None


def test_drained_until_resumed(bench: Bench) -> None:
    running = bench.serve()
    running.line()
    for command, drained in (("drain", True), ("resume", False)):
        assert run(command, "--data", str(bench.data), cwd=bench.folder).returncode == 0
        ended = run("status", "--json", "--data", str(bench.data), cwd=bench.folder)
        assert json.loads(ended.stdout)["drained"] is drained
        assert ended.returncode == int(drained)


def test_a_worker_without_a_gateway(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from gateway import Worker\nworker = Worker('mine')\n")
    line = refused("worker", "mine:worker", cwd=tmp_path)
    assert line.startswith("dicom-gateway: no gateway runs on gateway-data: start one with")


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("nothing:worker", "'nothing'"),
        ("mine:wroker", "'wroker'"),
        ("mine:number", "not a Worker"),
        ("broken:worker", "broken.py:1"),
        ("nothing", "no worker 'nothing'"),
    ],
)
def test_what_is_wrong_with_a_worker(tmp_path: Path, target: str, text: str) -> None:
    (tmp_path / "mine.py").write_text("number = 3\n")
    (tmp_path / "broken.py").write_text("import no_such_thing\n")
    assert text in refused("worker", target, cwd=tmp_path)


def test_echo_to_nobody(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    ended = run("echo", "127.0.0.1", str(port), cwd=tmp_path)
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert f"127.0.0.1:{port}" in ended.stderr


@pytest.mark.parametrize("title", ["", "A" * 17, "A\\B"])
def test_echo_with_a_wrong_title(tmp_path: Path, title: str) -> None:
    ended = run("echo", "127.0.0.1", "11112", "--aec", title, cwd=tmp_path)
    assert ended.returncode == 2
    assert "is not a valid AE title" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.fixture
def brought(tmp_path: Path) -> Path:
    """A folder with another package that brings commands."""
    info = tmp_path / "stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[dicom_gateway.commands]\nhello = stranger:hello\nbad = stranger_bad:app\n"
        "many = stranger:many\nserve = stranger:hello\n"
    )
    (tmp_path / "stranger_bad.py").write_text("1/0\n")
    (tmp_path / "stranger.py").write_text(
        textwrap.dedent(
            """
            import typer

            def hello(name: str = "you") -> None:
                print("hello", name)

            many = typer.Typer()

            @many.command()
            def one() -> None:
                print("one")

            @many.command()
            def two() -> None:
                print("two")
            """
        )
    )
    return tmp_path


def test_commands_of_other_packages(brought: Path) -> None:
    text = run("--help", cwd=brought).stdout
    assert re.search(r"  hello +Command of stranger\.\n", text)
    assert re.search(r"  bad +Command of stranger\.\n", text)
    assert run("hello", "--name", "me", cwd=brought).stdout == "hello me\n"
    assert run("many", "two", cwd=brought).stdout == "two\n"
    assert "--name" in run("hello", "--help", cwd=brought).stdout


def test_a_command_of_another_package_that_is_broken(brought: Path) -> None:
    assert refused("bad", cwd=brought) == (
        "dicom-gateway: command bad of stranger cannot be imported: "
        "ZeroDivisionError: division by zero"
    )


def test_no_other_package_replaces_a_command(brought: Path) -> None:
    assert "Run a gateway" in run("serve", "--help", cwd=brought).stdout
