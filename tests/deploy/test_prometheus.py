"""Rules and dashboard name metrics that exist, and every alert fires in its test."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from tests.deploy import queries
from tests.patience import WALL

ROOT = queries.DEPLOY.parent
README = (queries.DEPLOY / "README.md").read_text()
TOLD = set(re.findall(r"^\| `(dicom_gateway_\w+)` \|", README, re.MULTILINE))


@pytest.mark.parametrize(("name", "query"), [*queries.alerts().items(), *queries.panels().items()])
def test_a_query_names_metrics_that_are_documented(name: str, query: str) -> None:
    assert metrics_are_known(query), name


def metrics_are_known(query: str) -> bool:
    return queries.metrics_of(query) <= TOLD and ("dicom_gateway_" in query or "up{" in query)


def test_every_metric_is_documented_and_on_the_dashboard_or_in_an_alert() -> None:
    sources = [p.read_text() for at in ("gateway", "workers") for p in (ROOT / at).rglob("*.py")]
    named = set(re.findall(r'(?<!= )"(dicom_gateway_\w+)"', "".join(sources)))
    assert len(named) > 30
    assert named <= TOLD
    queried = {*queries.alerts().values(), *queries.panels().values()}
    assert set().union(*map(queries.metrics_of, queried)) == TOLD


def test_panels_do_not_overlap() -> None:
    panels = json.loads(queries.DASHBOARD.read_text())["panels"]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len({panel["id"] for panel in panels}) == len(places) == len(panels)


def test_every_alert_has_a_test_in_which_it_fires() -> None:
    tests = (queries.DEPLOY / "prometheus-rules-test.yml").read_text()
    assert re.findall(r"alertname: (\w+)", tests) == list(queries.alerts())
    assert tests.count("exp_labels") == len(queries.alerts()) > 10


@pytest.mark.peer("promtool")
@pytest.mark.parametrize("command", [["check", "rules"], ["test", "rules"]])
def test_promtool_agrees(command: list[str]) -> None:
    file = "prometheus-rules.yml" if command[0] == "check" else "prometheus-rules-test.yml"
    done = subprocess.run(
        ["promtool", *command, file],
        cwd=queries.DEPLOY,
        capture_output=True,
        text=True,
        timeout=WALL,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_explained() -> None:
    told = re.findall(
        r"^\| `(DicomGateway\w+)` \|", (queries.DEPLOY / "OPERATING.md").read_text(), re.MULTILINE
    )
    assert told == list(queries.alerts())
