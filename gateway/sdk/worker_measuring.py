"""What a worker process measures; told at each heartbeat while EVT_METRICS is watched."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from gateway import log
from gateway.events import EVT_METRICS
from gateway.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.fabric.worker import Client


class WorkerMeasuring:
    """The metrics of a worker process; its author adds others to `metrics`."""

    def __init__(
        self,
        process: str,
        *,
        in_hand: Callable[[], int],
        failures: Callable[[], int],
        lost: Callable[[], int],
    ) -> None:
        self.metrics = Metrics()
        self._process = process
        self._in_hand = in_hand
        self._failures = failures
        self._lost = lost
        self._unpublished = 0
        self._started = time.time()
        self._lock = threading.Lock()
        self._handlers = self.metrics.histogram(
            "dicom_gateway_handler_seconds",
            "Time of a call of a handler; of a batch handler, for the whole batch.",
            *("process", "event"),
        )
        self.metrics.before_told.append(self._look_around)

    def called(self, event: str, seconds: float) -> None:
        """Count a call of a handler; from any thread."""
        with self._lock:
            self._handlers.observe(seconds, self._process, event)

    def unpublished(self) -> None:
        """Count a notification that left this process in vain; from any thread."""
        with self._lock:
            self._unpublished += 1

    def tell(self, client: Client) -> None:
        """Publish what was measured, through one of the acceptors, if anybody watches."""
        for acceptor in client.acceptors:
            if client.is_watched(acceptor, EVT_METRICS.name):
                client.publish(acceptor, EVT_METRICS.name, self.body())
                return

    def body(self) -> dict[str, Any]:
        """Return the body of the notification."""
        with self._lock:
            told = self.metrics.tell()
        return {"process": self._process, "started": self._started, "metrics": told}

    def _look_around(self) -> None:
        log.measure(self.metrics, self._process)
        self.metrics.counter(
            "dicom_gateway_notifications_lost_total",
            "Notifications that a worker process watched or published, and that were lost.",
            "process",
        ).set(self._unpublished + self._lost(), self._process)
        self.metrics.gauge(
            "dicom_gateway_requests_in_hand", "Requests that a worker process has.", "process"
        ).set(self._in_hand(), self._process)
        self.metrics.counter(
            "dicom_gateway_handler_failures_total",
            "Requests whose handler raised or gave an invalid answer.",
            "process",
        ).set(self._failures(), self._process)
