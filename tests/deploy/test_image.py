"""The image: its file is clean, and its steps lead to a gateway that its health check likes.

Where an engine answers, the image itself is built. Elsewhere its steps run in a virtual
environment, on exactly the files that it copies.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.deploy.queries import DEPLOY
from tests.patience import PATIENCE, WALL
from tests.peers.process import READY, Program, run_cli
from tests.peers.scp import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = DEPLOY.parent
FILE = DEPLOY / "Dockerfile"


class Step(NamedTuple):
    instruction: str
    text: str


def steps() -> list[list[Step]]:
    """Return the steps of each stage."""
    lines = [one for one in FILE.read_text().splitlines() if not one.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    every = [Step(*line.split(None, 1)) for line in joined.splitlines() if line.strip()]
    starts = [n for n, step in enumerate(every) if step.instruction == "FROM"]
    return [every[a:b] for a, b in zip(starts, [*starts[1:], None], strict=True)]


def environment() -> dict[str, str]:
    """Return what the image sets."""
    (env,) = (step.text for step in steps()[1] if step.instruction == "ENV")
    return dict(one.split("=", 1) for one in shlex.split(env))


def command(instruction: str) -> list[str]:
    """Return the command of an instruction in its JSON form."""
    (text,) = (step.text for step in steps()[1] if step.instruction == instruction)
    found: list[str] = json.loads(text[text.index("[") :])
    return found


@pytest.mark.peer("hadolint")
def test_the_file_is_clean() -> None:
    done = subprocess.run(["hadolint", FILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_it_runs_as_nobody_in_particular_and_listens_where_it_says() -> None:
    last = {step.instruction: step.text for step in steps()[1]}
    assert last["USER"] == "10001:10001"
    assert last["EXPOSE"].split() == ["11112", "11181"]
    assert environment()["DICOM_GATEWAY_WEB__PROBES"].endswith(":11181")
    assert ":11181/livez" in " ".join(command("HEALTHCHECK"))


def test_only_what_the_image_copies_is_sent_to_the_engine() -> None:
    kept = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    copied = {
        name for step in steps()[0] if step.instruction == "COPY" for name in step.text.split()[:-1]
    }
    assert kept == copied
    assert all((ROOT / name).exists() for name in kept)


@pytest.fixture(scope="module")
def built() -> Iterator[Path]:
    """The program as the steps of the image install it, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "src"), Path(folder, "opt")
        source.mkdir()
        for step in steps()[0]:
            if step.instruction == "COPY":
                *names, to = step.text.split()
                for name in names:
                    _copy(ROOT / name, source / to)
            elif step.instruction == "RUN":
                text = step.text.replace("/opt/dicom-gateway", str(target))
                text = text.replace("python -m venv", f"{sys.executable} -m venv")
                subprocess.run(text, shell=True, cwd=source, check=True, timeout=300 * PATIENCE)
        yield target


def _copy(source: Path, to: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, to)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_its_steps_lead_to_a_gateway_that_is_healthy(built: Path, tmp_path: Path) -> None:
    probes = free_port()
    env = {
        **environment(),
        "PATH": f"{built}/bin:{os.environ['PATH']}",
        "DICOM_GATEWAY_GATEWAY__HOST": "127.0.0.1",
        "DICOM_GATEWAY_GATEWAY__PORT": "0",
        "DICOM_GATEWAY_GATEWAY__DATA": str(tmp_path / "data"),
        "DICOM_GATEWAY_WEB__PORT": "0",
        "DICOM_GATEWAY_WEB__PROBES": f"127.0.0.1:{probes}",
        "PYTHONPATH": "",
    }
    program = Program(f"{built}/bin/{command('ENTRYPOINT')[0]}", *command("CMD"), env=env)
    try:
        ready = program.out.wait_for(READY)
        echoed = run_cli("echo", ready["host"], ready["port"])
        assert echoed.popen.returncode == 0, echoed.report()
        check = [part.replace(":11181", f":{probes}") for part in command("HEALTHCHECK")]
        check[0] = f"{built}/bin/{check[0]}"
        assert subprocess.run(check, check=False, timeout=WALL).returncode == 0
        program.terminate()
        assert program.wait() == 0, program.report()
    finally:
        program.kill_all()


def _engine_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    done = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)
    return done.returncode == 0 and "Server Version" in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_image_is_built() -> None:
    if not _engine_answers():
        pytest.skip("no container engine answers")
    build = ["docker", "build", "--file", FILE, "--tag", "dicom-gateway:test", ROOT]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    if done.returncode and re.search(r"failed to resolve|pull access|no such host", done.stderr):
        pytest.skip("base images cannot be had")
    assert done.returncode == 0, done.stderr
