"""How long the requests of peers were in each stage: received, waiting for a worker, answered.

The stamps are there for other reasons, except the one of the final response; so a stored instance
costs three entries in a histogram.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.metrics import Distribution, Metrics


class StageTimes:
    """The distributions of all requests that a worker answers, by service."""

    def __init__(self, metrics: Metrics) -> None:
        self._receive = metrics.histogram(
            "dicom_gateway_receive_seconds",
            "Time from a request's command set to its last fragment.",
            "service",
        )
        self._wait = metrics.histogram(
            "dicom_gateway_wait_seconds",
            "Time from a request's last fragment until a worker process was asked.",
            "service",
        )
        self._response = metrics.histogram(
            "dicom_gateway_response_seconds",
            "Time from a request's last fragment to its final response.",
            "service",
        )
        self._by_event: dict[str, tuple[Distribution, Distribution, Distribution]] = {}

    def finished(self, event: str, began: float, arrived: float, given_at: float) -> None:
        """Count a request whose final response has just been sent; times are the loop's.

        `began`, `arrived`: when its command set and its last fragment came; `given_at`: when a
        worker process was asked, 0.0 if none was.
        """
        receive, wait, response = self._by_event.get(event) or self._add(event)
        receive.observe(arrived - began)
        if given_at:
            wait.observe(given_at - arrived)
        response.observe(time.monotonic() - arrived)

    def _add(self, event: str) -> tuple[Distribution, Distribution, Distribution]:
        service = event.removeprefix("EVT_").replace("_", "-")
        found = self._by_event[event] = (
            self._receive.distribution(service),
            self._wait.distribution(service),
            self._response.distribution(service),
        )
        return found
