"""Manifests and units: valid, and each setting in them is one that the gateway has."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from gateway.config import load
from tests.deploy.queries import DEPLOY
from tests.patience import WALL
from tests.peers.process import COMMAND, Program, run_cli
from tests.peers.scp import free_port

if TYPE_CHECKING:
    from pathlib import Path

yaml = pytest.importorskip("yaml")

KUBERNETES = DEPLOY / "kubernetes"
UNITS = DEPLOY / "systemd"


def run(*command: object, cwd: Path = DEPLOY) -> str:
    """Run a checker; return its output; the test fails if it does not agree."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=WALL,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def manifests() -> dict[str, dict[str, Any]]:
    """Return the manifests by kind and name."""
    found = {}
    for path in sorted(KUBERNETES.glob("*.yaml")):
        if path.name != "kustomization.yaml":
            for one in yaml.safe_load_all(path.read_text()):
                found[f"{one['kind']}/{one['metadata']['name']}"] = one
    return found


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = manifests()["StatefulSet/dicom-gateway"]["spec"]["template"]["spec"]
    return spec


@pytest.mark.peer("kubernetes-validate")
def test_kubernetes_knows_every_field() -> None:
    files = [path for path in KUBERNETES.glob("*.yaml") if path.name != "kustomization.yaml"]
    run("kubernetes-validate", "--strict", *files)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kustomize_puts_them_together() -> None:
    text = run("kubectl", "kustomize", KUBERNETES)
    kinds = {one["kind"] for one in yaml.safe_load_all(text)}
    assert kinds == {name.split("/")[0] for name in manifests()} | {"ConfigMap"}


def test_kustomize_names_every_manifest() -> None:
    named = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    there = {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(named) == there


def test_the_pods_have_settings_that_the_gateway_has() -> None:
    (container,) = pod()["containers"]
    environment = {one["name"]: "dicom-gateway-0" for one in container["env"]}
    environment["DICOM_GATEWAY_ARCHIVE__DSN"] = "host=db"
    settings = load(KUBERNETES / "gateway.toml", environment=environment)
    assert settings.archive.holder == "dicom-gateway-0"
    assert settings.gateway.data == "/data"
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert ports["dicom"] == settings.gateway.port
    assert settings.web.probes.endswith(f":{ports['probes']}")
    needed = settings.gateway.drain_timeout + 5 + 5
    assert pod()["terminationGracePeriodSeconds"] >= needed


def test_everything_selects_the_pods() -> None:
    labels = {"app.kubernetes.io/name": "dicom-gateway"}
    every = manifests()
    assert every["StatefulSet/dicom-gateway"]["spec"]["template"]["metadata"]["labels"] == labels
    for name in ("Service/dicom-gateway", "Service/dicom-gateway-pods"):
        assert every[name]["spec"]["selector"] == labels
    for name in ("PodDisruptionBudget/dicom-gateway", "StatefulSet/dicom-gateway"):
        assert every[name]["spec"]["selector"]["matchLabels"] == labels
    target = every["HorizontalPodAutoscaler/dicom-gateway"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("StatefulSet", "dicom-gateway")


@pytest.mark.peer("check-jsonschema")
def test_compose_is_valid() -> None:
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


def test_compose_has_settings_that_the_gateway_has() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    holders = set()
    for name in ("gateway1", "gateway2"):
        environment = services[name]["environment"]
        settings = load(None, environment={k: str(v) for k, v in environment.items()})
        assert settings.archive.dsn.startswith("host=database ")
        holders.add(settings.archive.holder)
    assert len(holders) == 2
    mounted = [v.split(":")[0] for one in services.values() for v in one.get("volumes", [])]
    assert all((DEPLOY / name).exists() for name in mounted if name.startswith("./"))


@pytest.mark.peer("promtool")
def test_prometheus_takes_its_configuration() -> None:
    run("promtool", "check", "config", "prometheus.yml")


def test_prometheus_scrapes_what_compose_starts() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    assert job["job_name"] == "dicom-gateway"
    for target in job["static_configs"][0]["targets"]:
        assert target.partition(":")[0] in compose


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for path in UNITS.iterdir():
        text = path.read_text().replace("/opt/dicom-gateway/bin/dicom-gateway", "/bin/true")
        (tmp_path / path.name).write_text(text.replace("User=dicom-gateway", "User=root"))
    done = subprocess.run(
        ["systemd-analyze", "verify", *tmp_path.iterdir()],
        capture_output=True,
        text=True,
        timeout=WALL,
        check=False,
    )
    told = [line for line in done.stderr.splitlines() if "dicom-gateway" in line]
    assert told == []


def test_the_socket_is_the_port_of_the_gateway() -> None:
    (port,) = re.findall(
        r"^ListenStream=.*:(\d+)$", (UNITS / "dicom-gateway.socket").read_text(), re.M
    )
    assert int(port) == load(None, environment={}).gateway.port


@pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None, reason="systemd is not installed"
)
def test_a_socket_that_systemd_opened_is_served(tmp_path: Path) -> None:
    port = free_port()
    program = Program(
        *("systemd-socket-activate", f"--listen=127.0.0.1:{port}"),
        "--setenv=DICOM_GATEWAY_WORKERS__WEB__ENABLED=false",
        *(COMMAND, "serve", "--port", "1", "--data", tmp_path / "data"),
    )
    try:
        program.err.wait_for("Listening on")
        echoed = run_cli("echo", "127.0.0.1", port)
        assert echoed.popen.returncode == 0, echoed.report()
        program.out.wait_for(rf"ready: 127\.0\.0\.1:{port} ")
        program.terminate()
        assert program.wait() == 0, program.report()
    finally:
        program.kill_all()
