"""The page's server beside a running gateway: address, token, probes, metrics."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import running
from tests.patience import WALL
from tests.peers import procfs
from tests.peers.process import Gateway, run_cli

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = re.compile(r"page for operators: (?P<url>http://(?P<place>127\.0\.0\.1:\d+)/\?token=\S+)")
DEPLOY = Path(__file__).parents[2] / "deploy/README.md"
CONSOLE = ":CONSOLE"
"""In each line of the browser's log that the page's console has."""
CONFIG = "[workers.web]\nenabled = true\n[web]\nport = 0\n"


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with running(CONFIG) as started:
        yield started


@pytest.fixture(scope="module")
def page(gateway: Gateway) -> re.Match:
    return gateway.program.out.wait_for(PAGE)


def get(url: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, headers=headers)
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    try:
        with opener.open(request, timeout=WALL) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def dom_of(url: str, folder: Path) -> tuple[str, str]:
    """The document as a browser has it after some seconds, and what it logged."""
    browser = shutil.which("chromium")
    assert browser is not None
    done = subprocess.run(
        [
            browser,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--enable-logging=stderr", "--log-level=0", "--virtual-time-budget=5000"),
            *(f"--user-data-dir={folder / 'profile'}", "--dump-dom", url),
        ],
        capture_output=True,
        timeout=WALL,
        check=False,
        env=os.environ | {"HOME": str(folder)},
    )
    said = done.stderr.decode(errors="replace")
    assert done.returncode == 0, said
    return done.stdout.decode(), said


def metrics(page: re.Match) -> dict:
    _, text = get(f"http://{page['place']}/metrics")
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_serve_prints_an_address_that_opens_the_page(page: re.Match) -> None:
    status, text = get(page["url"])
    assert (status, "<title>DICOM gateway</title>" in text) == (200, True)
    assert get(f"http://{page['place']}/")[0] == 401
    assert get(f"http://{page['place']}/?token=wrong")[0] == 401


PATHS = ["/", "/status", "/static/page.js", "/metrics", "/livez", "/readyz"]


@pytest.mark.parametrize("path", PATHS)
def test_a_foreign_name_gets_nothing(page: re.Match, path: str) -> None:
    status, text = get(f"http://{page['place']}{path}", Host="evil.example")
    assert (status, "evil.example" in text) == (403, True)
    status, _ = get(f"http://{page['place']}{path}", Origin="http://evil.example")
    assert status == 403


@pytest.mark.parametrize("path", PATHS[:3])
def test_without_the_token_there_is_no_page(page: re.Match, path: str) -> None:
    assert get(f"http://{page['place']}{path}")[0] == 401
    assert get(f"http://{page['place']}{path}", Cookie="dicom_gateway_token=wrong")[0] == 401


def wait_ready(page: re.Match, status: int, reasons: list[str]) -> None:
    wanted = status, {"ready": not reasons, "reasons": reasons}

    def look() -> bool:
        found, text = get(f"http://{page['place']}/readyz")
        return (found, json.loads(text)) == wanted

    procfs.until(look, what=f"/readyz: {wanted}")


def test_alive_and_ready(page: re.Match) -> None:
    assert get(f"http://{page['place']}/livez") == (200, '{"alive":true}')
    wait_ready(page, 200, [])


def test_a_drained_gateway_is_alive_and_not_ready(gateway: Gateway, page: re.Match) -> None:
    wait_ready(page, 200, [])
    assert run_cli("drain", "--data", gateway.data).wait() == 0
    try:
        wait_ready(page, 503, ["the gateway is drained"])
        assert get(f"http://{page['place']}/livez")[0] == 200
    finally:
        assert run_cli("resume", "--data", gateway.data).wait() == 0


def test_what_peers_did_is_in_the_metrics(gateway: Gateway, page: re.Match) -> None:
    host, port = gateway.address
    for _ in range(2):
        done = run_cli("echo", host, port, "--aet", "METER", "--aec", "GATEWAY")
        assert done.wait() == 0, done.report()
    found = procfs.until(
        lambda: (
            (told := metrics(page)).get(
                ("dicom_gateway_requests_total", "0000", "C-ECHO", "GATEWAY", "METER")
            )
            == 2
            and told
        ),
        what="two C-ECHOs in the metrics",
    )
    assert found["dicom_gateway_associations_total", "GATEWAY", "METER", "released"] == 2
    assert found["dicom_gateway_received_bytes_total", "GATEWAY", "METER"] > 0
    assert found["dicom_gateway_process_up", "storage-0"] == 1


def test_a_taken_port_is_told_and_harms_nobody(page: re.Match) -> None:
    port = page["place"].rpartition(":")[2]
    with running(f"[workers.web]\nenabled = true\n[web]\nport = {port}\n") as second:
        status = json.loads(run_cli("status", "--json", "--data", second.data).out.text)
        assert status["state"] == "degraded"
        assert (
            f"web-0: cannot listen at 127.0.0.1:{port}: Address already in use"
            in (status["reasons"])
        )


def test_the_documented_metrics_are_those_that_are_told(page: re.Match) -> None:
    rows = re.findall(r"^\| `(dicom_gateway_\w+)` \| (\w+) \| (.*?) \|", DEPLOY.read_text(), re.M)
    documented = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    _, text = get(f"http://{page['place']}/metrics")
    for family in text_string_to_metric_families(text):
        name = family.name + "_total" * (family.type == "counter")
        kind, labels = documented[name]
        assert kind == family.type
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == labels


@pytest.mark.peer("chromium")
def test_a_browser_shows_state_processes_and_peers(
    gateway: Gateway, page: re.Match, tmp_path: Path
) -> None:
    host, port = gateway.address
    assert run_cli("echo", host, port, "--aet", '<b>CT"1').wait() == 0
    procfs.until(lambda: '<b>CT"1' in str(metrics(page)), what="the peer in the metrics")
    shown, said = dom_of(page["url"], tmp_path)
    assert CONSOLE not in said, said
    assert re.search(r'id="state" class="state good"[^>]*>ok</p>', shown), shown
    for text in ("storage-0", "EVT_C_STORE", '&lt;b&gt;CT"1'):
        assert text in shown
    assert "<b>CT" not in shown
