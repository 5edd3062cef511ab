"""The durations of a request's stages, from the stamps it carries."""

from __future__ import annotations

import time

from gateway.acceptor.stages import StageTimes
from gateway.events import EVT_C_FIND, EVT_C_STORE, InterventionEvent
from gateway.metrics import Distribution, Metrics


def finished(times: StageTimes, event: InterventionEvent, *, waited: float = 0.0) -> None:
    arrived = time.monotonic() - 3
    times.finished(event.name, arrived - 10, arrived, waited and arrived + waited)


def counted(metrics: Metrics) -> dict[tuple[str, str], tuple[int, int]]:
    metrics.tell()
    return {
        (metric.name.split("_")[2], service): (value.count, round(value.total))
        for metric in metrics
        for (service,), value in metric.series.items()
        if isinstance(value, Distribution)
    }


def test_a_request_that_a_worker_answered() -> None:
    metrics = Metrics()
    times = StageTimes(metrics)
    finished(times, EVT_C_STORE, waited=2.0)
    finished(times, EVT_C_STORE, waited=1.0)
    finished(times, EVT_C_FIND, waited=1.0)
    assert counted(metrics) == {
        ("receive", "C-STORE"): (2, 20),
        ("wait", "C-STORE"): (2, 3),
        ("response", "C-STORE"): (2, 6),
        ("receive", "C-FIND"): (1, 10),
        ("wait", "C-FIND"): (1, 1),
        ("response", "C-FIND"): (1, 3),
    }


def test_a_request_that_reached_no_worker_waited_for_none() -> None:
    metrics = Metrics()
    times = StageTimes(metrics)
    finished(times, EVT_C_STORE)
    finished(times, EVT_C_STORE)
    assert counted(metrics)["wait", "C-STORE"] == (0, 0)
    assert counted(metrics)["response", "C-STORE"] == (2, 6)


def test_many_requests_are_counted_before_anybody_asks() -> None:
    metrics = Metrics()
    times = StageTimes(metrics)
    for _ in range(1000):
        finished(times, EVT_C_STORE, waited=1.0)
    receive = next(metric for metric in metrics if metric.name == "dicom_gateway_receive_seconds")
    assert receive.distribution("C-STORE").count > 500
    assert counted(metrics)["receive", "C-STORE"] == (1000, 10_000)
