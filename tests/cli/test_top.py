"""`dicom-gateway top`: rates from totals, hostile titles, and one look at a running gateway."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from gateway.cli.top import PEERS, Look, size
from gateway.metrics import Metrics
from tests.conftest import running
from tests.peers.process import run_cli
from tests.peers.raw import echo_ok


@pytest.fixture(scope="module")
def gateway():
    with running() as one:
        yield one


STATUS: dict[str, Any] = {
    "state": "degraded",
    "reasons": ["disk: nearly full"],
    "ae_title": "GATEWAY",
    "address": ["127.0.0.1", 104],
    "durability": "durable",
    "associations": 3,
    "connections": 4,
    "in_flight": 1,
    "disk": {"free": 5_000_000},
    "spool": {"ready": 0, "quarantine": 2},
    "acceptors": [{"name": "acceptor-0", "state": "ready", "pid": 7, "restarts": 0}],
    "workers": [{"processes": [{"name": "w-0", "state": "waiting", "pid": None, "restarts": 2}]}],
}


def shown(look: Look) -> str:
    console = Console(width=120, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        console.print(look.screen(STATUS))
    return captured.get()


def test_rates_are_differences_of_totals() -> None:
    metrics, look = Metrics(), Look()
    names = "calling", "called"
    instances = metrics.counter("dicom_gateway_instances_received_total", "", *names)
    received = metrics.counter("dicom_gateway_received_bytes_total", "", *names)
    metrics.histogram("dicom_gateway_handler_seconds", "", "event").observe(0.004, "EVT_C_STORE")
    for second in range(10):
        instances.add(20, "CT", "GATEWAY")
        received.add(2_000_000, "CT", "GATEWAY")
        look.take(metrics, second)
    assert look.rates()["CT", "GATEWAY"] == {
        "instances": 20,
        "requests": 0,
        "received": 2_000_000,
        "sent": 0,
    }
    text = shown(look)
    for wanted in ("degraded", "disk: nearly full", "2.0 MB", "20.0 instances", "quarantine 2"):
        assert wanted in text


def test_titles_cannot_write_to_the_terminal_and_are_bounded() -> None:
    metrics, look = Metrics(), Look()
    sent = metrics.counter("dicom_gateway_sent_bytes_total", "", "calling", "called")
    for number in range(PEERS + 4):
        sent.add(1, f"\x1b[31mX{number:02}[red]", "GATEWAY")
    look.take(metrics, 0.0)
    text = shown(look)
    assert "\x1b" not in text
    assert "[red]" in text
    assert "and 4 more" in text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (31.5e6, "31.5 MB")]
)
def test_sizes(number: float, text: str) -> None:
    assert size(number) == text


def test_one_look_at_a_running_gateway(gateway) -> None:
    assert echo_ok(gateway.address)
    done = run_cli("top", "--data", gateway.data)
    assert done.wait() == 0, done.report()
    for wanted in ("GATEWAY at", "acceptor-0", "storage-0", "RAWPEER"):
        assert wanted in done.out.text


def test_no_gateway(tmp_path) -> None:
    done = run_cli("top", "--data", tmp_path)
    assert done.wait() == 1
    assert "no gateway runs" in done.err.text
