"""Rates by second and minute, and the senders: learned from totals, kept over a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.metrics import Metrics
from workers.web.rates import MINUTES, NAMES, SECONDS, Rates
from workers.web.senders import MOST, SHORTEST, Senders

if TYPE_CHECKING:
    from pathlib import Path

BEGUN = 1_800_000_000.0


class Measured:
    """Totals as processes tell them."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self._instances = self.metrics.counter(
            "dicom_gateway_instances_received_total", "", "calling", "called"
        )
        self._open = self.metrics.gauge("dicom_gateway_associations_open", "", "process")
        self._handlers = self.metrics.histogram("dicom_gateway_handler_seconds", "", "event")

    def stored(self, number: int, calling: str = "CT") -> None:
        self._instances.add(number, calling, "GATEWAY")
        self._open.set(2.0, "acceptor-0")
        self._handlers.observe(0.003, "EVT_C_STORE")


def test_a_rate_is_that_of_the_last_seconds(tmp_path: Path) -> None:
    rates, measured = Rates(tmp_path / "rates.json"), Measured()
    for second in range(20):
        measured.stored(10 if second < 10 else 40)
        rates.look(list(measured.metrics), BEGUN + second)
    last = rates.last()
    assert (last["instances"], last["associations"]) == (pytest.approx(40), 2)
    assert 0.002 < last["median"] < 0.005
    rates.look(list(measured.metrics), BEGUN + 30)
    for second in range(31, 40):
        rates.look(list(measured.metrics), BEGUN + second)
    assert rates.last()["median"] is None, "nothing was handled"


def test_the_rings_are_bounded_and_kept_over_a_restart(tmp_path: Path) -> None:
    rates, measured = Rates(tmp_path / "web" / "rates.json"), Measured()
    for second in range(SECONDS + 120):
        measured.stored(1)
        rates.look(list(measured.metrics), BEGUN + second)
    assert len(rates.points("quarter")) == SECONDS
    (minute, *_) = rates.points("day")
    assert (len(minute), minute[1]) == (len(NAMES), pytest.approx(1.0))
    rates.write()
    again = Rates(tmp_path / "web" / "rates.json")
    again.read()
    assert again.points("day") == rates.points("day")
    assert again.points("quarter") == rates.points("quarter")
    assert rates.minutes.maxlen == MINUTES


@pytest.mark.parametrize("text", ["", "[]", '{"seconds": [[1]]}', '{"seconds": 1, "minutes": []}'])
def test_a_file_that_is_not_valid_is_ignored(tmp_path: Path, text: str) -> None:
    (tmp_path / "rates.json").write_text(text)
    rates = Rates(tmp_path / "rates.json")
    rates.read()
    assert rates.points("quarter") == []
    senders = Senders(tmp_path / "rates.json")
    senders.read()
    assert senders.rows(0) == []


def test_a_sender_is_silent_when_its_pause_is_unusual(tmp_path: Path) -> None:
    senders, measured = Senders(tmp_path / "senders.json"), Measured()
    now = BEGUN
    senders.look(list(measured.metrics), now)
    for pause in (1, 1, SHORTEST, 1):
        now += pause
        measured.stored(1)
        senders.look(list(measured.metrics), now)
    senders.ended("CT", "10.0.0.1")
    senders.ended("NOBODY", "10.0.0.2")
    (row,) = senders.rows(now + 1)
    assert (row["calling"], row["instances"], row["longest"]) == ("CT", 4, SHORTEST)
    assert (row["addresses"], row["silent"]) == (["10.0.0.1"], False)
    assert not senders.rows(now + 2 * SHORTEST)[0]["silent"]
    assert senders.rows(now + 2 * SHORTEST + 1)[0]["silent"]
    senders.write()
    again = Senders(tmp_path / "senders.json")
    again.read()
    assert again.rows(now)[0]["last"] == now


def test_senders_are_bounded(tmp_path: Path) -> None:
    senders = Senders(tmp_path / "senders.json")
    metrics = Metrics()
    counter = metrics.counter("dicom_gateway_instances_received_total", "", "calling", "called")
    for number in range(MOST + 20):
        counter.series[f"AE{number}", "G"] = 1.0
    senders.look(list(metrics), BEGUN)
    assert len(senders.rows(BEGUN)) == MOST
