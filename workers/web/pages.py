"""The page for operators: its files, and the figures that it asks for every second."""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from gateway.metrics import Distribution

if TYPE_CHECKING:
    from starlette.requests import Request

    from gateway.metrics import Metric
    from workers.web.collector import Collector
    from workers.web.health import Health

STATIC = Path(__file__).with_name("static")
FILES = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
MOST_PEERS = 100
"""Peers that are shown, those with most traffic first."""

_TOTALS = {
    "instances": "dicom_gateway_instances_received_total",
    "requests": "dicom_gateway_requests_total",
    "received": "dicom_gateway_received_bytes_total",
    "sent": "dicom_gateway_sent_bytes_total",
}


def routes(collector: Collector, health: Health) -> list[Route]:
    """Return the routes of the page."""

    async def index(_: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in FILES:
            return Response("there is no such file\n", 404)
        return FileResponse(STATIC / name, media_type=FILES[name])

    async def status(_: Request) -> Response:
        body = figures(collector.metrics(), health)
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    return [
        Route("/", index),
        Route("/static/{name}", file),
        Route("/status", status),
    ]


def figures(metrics: list[Metric], health: Health) -> dict[str, Any]:
    """Return what the page shows; the token of its own address is left out."""
    by_name = {metric.name: metric for metric in metrics}
    peers = _peers(by_name)
    peers.sort(key=lambda peer: (-peer["received"] - peer["sent"], peer["calling"], peer["called"]))
    return {
        "time": time.monotonic(),
        "alive": health.is_alive,
        "reasons": health.reasons(),
        "status": _without_addresses(health.status),
        "totals": {name: _sum(by_name.get(metric)) for name, metric in _TOTALS.items()},
        "peers": peers[:MOST_PEERS],
        "more": max(0, len(peers) - MOST_PEERS),
    }


def _sum(metric: Metric | None) -> float:
    return sum(_numbers(metric).values())


def _numbers(metric: Metric | None) -> dict[tuple[str, ...], float]:
    if metric is None:
        return {}
    return {k: v for k, v in metric.series.items() if not isinstance(v, Distribution)}


def _peers(by_name: dict[str, Metric]) -> list[dict[str, Any]]:
    """Return the totals of each pair of calling and called AE title."""
    found: dict[tuple[str, str], dict[str, Any]] = defaultdict(
        lambda: dict.fromkeys((*_TOTALS, "failed"), 0.0)
    )
    for name, metric in _TOTALS.items():
        for (calling, called, *rest), number in _numbers(by_name.get(metric)).items():
            peer = found[calling, called]
            peer[name] += number
            if name == "requests" and rest[-1][:1] not in ("0", "B"):
                peer["failed"] += number
    return [{"calling": k[0], "called": k[1], **peer} for k, peer in found.items()]


def _without_addresses(status: dict[str, Any]) -> dict[str, Any]:
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
