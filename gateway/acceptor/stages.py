"""How long the requests of peers were in each stage: received, waiting for a worker, answered.

The stamps are there for other reasons, except the one of the final response; so a stored instance
costs three numbers, which are put by and counted together.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from gateway.metrics import Distribution, Metrics

    _Times: TypeAlias = tuple[list[float], list[float], list[float]]

_MANY = 256
"""Requests of a service whose durations are counted together."""


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
        self._distributions: dict[str, tuple[Distribution, Distribution, Distribution]] = {}
        self._times: dict[str, _Times] = {}
        """The durations that are not in them yet."""
        metrics.before_told.append(self.settle)

    def finished(self, event: str, began: float, arrived: float, given_at: float) -> None:
        """Count a request whose final response has just been sent; times are the loop's.

        `began`, `arrived`: when its command set and its last fragment came; `given_at`: when a
        worker process was asked, 0.0 if none was.
        """
        times = self._times.get(event) or self._add(event)
        receive, wait, response = times
        receive.append(arrived - began)
        if given_at:
            wait.append(given_at - arrived)
        response.append(time.monotonic() - arrived)
        if len(receive) >= _MANY:
            self.settle()

    def settle(self) -> None:
        """Count what has been put by."""
        for event, times in self._times.items():
            for durations, distribution in zip(times, self._distributions[event], strict=True):
                distribution.observe_all(durations)
                durations.clear()

    def _add(self, event: str) -> _Times:
        service = event.removeprefix("EVT_").replace("_", "-")
        self._distributions[event] = (
            self._receive.distribution(service),
            self._wait.distribution(service),
            self._response.distribution(service),
        )
        found = self._times[event] = ([], [], [])
        return found
