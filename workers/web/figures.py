"""Figures that the pages take from the metrics of all processes."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from gateway.metrics import Distribution
from workers.web.rates import TOTALS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.metrics import Metric

MOST_PEERS = 100
"""Peers that are shown, those with most traffic first."""
_DELAY = "dicom_gateway_event_loop_delay_seconds"


def peers(metrics: Iterable[Metric]) -> tuple[list[dict[str, Any]], int]:
    """Return the totals of the pairs of calling and called AE title, and how many are left out."""
    found: dict[tuple[str, str], dict[str, Any]] = defaultdict(
        lambda: dict.fromkeys((*TOTALS, "failed"), 0.0)
    )
    by_name = {metric.name: metric for metric in metrics}
    for name, metric in TOTALS.items():
        for (calling, called, *rest), number in _numbers(by_name.get(metric)).items():
            peer = found[calling, called]
            peer[name] += number
            if name == "requests" and rest[-1][:1] not in ("0", "B"):
                peer["failed"] += number
    rows = [{"calling": k[0], "called": k[1], **peer} for k, peer in found.items()]
    rows.sort(key=lambda peer: (-peer["received"] - peer["sent"], peer["calling"], peer["called"]))
    return rows[:MOST_PEERS], max(0, len(rows) - MOST_PEERS)


def loop_delays(metrics: Iterable[Metric]) -> dict[str, dict[str, float]]:
    """Return how late the event loop of each acceptor was, in seconds."""
    delays = next((metric for metric in metrics if metric.name == _DELAY), None)
    return {
        labels[0]: {"median": value.quantile(0.5), "p99": value.quantile(0.99)}
        for labels, value in (delays.series.items() if delays is not None else ())
        if isinstance(value, Distribution)
    }


def without_addresses(status: dict[str, Any]) -> dict[str, Any]:
    """Return a status without the addresses of pages, which contain the token."""
    workers = [
        {
            **worker,
            "processes": [
                {key: value for key, value in one.items() if key not in ("page", "probes")}
                for one in worker.get("processes", [])
            ],
        }
        for worker in status.get("workers", [])
    ]
    return {**status, "workers": workers}


def _numbers(metric: Metric | None) -> dict[tuple[str, ...], float]:
    if metric is None:
        return {}
    return {k: v for k, v in metric.series.items() if not isinstance(v, Distribution)}
