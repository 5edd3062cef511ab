"""Whether the gateway lives and is ready, and what its status is as metrics."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from gateway.metrics import Metrics
from gateway.sdk import GatewayError

if TYPE_CHECKING:
    from collections.abc import Callable

PERIOD = 1.0
"""Seconds between two questions to the supervisor."""
STALE = 5.0
"""Seconds after which an answer of the supervisor counts no more."""


class Health:
    """Asks the supervisor for its status in a thread of its own, so that probes never wait.

    `ask` returns what `dicom-gateway status --json` prints, or raises GatewayError.
    """

    def __init__(
        self,
        ask: Callable[[], dict[str, Any]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._answered = -STALE
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)
        self.status: dict[str, Any] = {}
        """The last answer."""
        self.error = "not asked yet"
        """Why there is none at present; empty: there is one."""

    def start(self) -> None:
        """Ask now, so that there is an answer before anybody wants it, and then again and again."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        self._leave.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._leave.wait(PERIOD):
            self.look()

    def look(self) -> None:
        """Ask the supervisor once."""
        try:
            self.status = self._ask()
        except GatewayError as error:
            self.error = str(error)
        else:
            self._answered, self.error = self._clock(), ""

    @property
    def is_alive(self) -> bool:
        """Whether the supervisor has answered lately."""
        return self._clock() - self._answered <= STALE

    def reasons(self) -> list[str]:
        """Return why the gateway cannot accept *and* store at present; empty: it can.

        They name no peer and no patient: probes may be read by anybody.
        """
        if not self.is_alive:
            return [f"the supervisor does not answer: {self.error or 'no answer in time'}"]
        status = self.status
        found = []
        if status.get("state") == "stopping":
            found.append("the gateway is stopping")
        if status.get("drained"):
            found.append("the gateway is drained")
        acceptors = status.get("acceptors", [])
        if not any(one.get("state") == "ready" for one in acceptors):
            found.append("no acceptor is ready")
        if not self._holds("EVT_C_STORE"):
            found.append("no worker answers EVT_C_STORE")
        found += [text for text in status.get("reasons", []) if text.startswith("disk:")]
        index = status.get("index", {})
        if index and index.get("state") != "ok":
            found.append("the index cannot be used")
        return found

    def _holds(self, event: str) -> bool:
        workers = [*self.status.get("workers", []), *self.status.get("others", [])]
        return any(event in one.get("holds", []) and one.get("members") for one in workers)

    def metrics(self) -> Metrics:
        """Return the status as gauges and counters."""
        metrics, status = Metrics(), self.status
        state = metrics.gauge(
            "dicom_gateway_state", "1 for the state of the gateway, 0 for the others.", "state"
        )
        for name in ("ok", "degraded", "stopping"):
            state.set(float(self.is_alive and status.get("state") == name), name)
        metrics.gauge(
            "dicom_gateway_ready", "1 if the gateway can accept and store at present."
        ).set(float(not self.reasons()))
        self._add_processes(metrics)
        self._add_places(metrics)
        return metrics

    def _add_processes(self, metrics: Metrics) -> None:
        up = metrics.gauge("dicom_gateway_process_up", "1 if a process is ready.", "process")
        restarts = metrics.counter(
            "dicom_gateway_process_restarts_total", "Restarts of a process.", "process"
        )
        workers = self.status.get("workers", [])
        processes = [one for worker in workers for one in worker.get("processes", [])]
        for one in [*self.status.get("acceptors", []), *processes]:
            up.set(float(self.is_alive and one["state"] == "ready"), one["name"])
            restarts.set(float(one["restarts"]), one["name"])

    def _add_places(self, metrics: Metrics) -> None:
        disk, spool = self.status.get("disk", {}), self.status.get("spool", {})
        for name, text, value in (
            ("disk_free_bytes", "Free bytes of the data directory's disk.", disk.get("free")),
            ("disk_size_bytes", "Bytes of the data directory's disk.", disk.get("size")),
            ("spool_ready", "Data sets that wait for a worker.", spool.get("ready")),
            ("spool_quarantine", "Data sets in quarantine.", spool.get("quarantine")),
        ):
            if value is not None:
                metrics.gauge(f"dicom_gateway_{name}", text).set(float(value))
        if index := self.status.get("index"):
            up = metrics.gauge("dicom_gateway_index_up", "1 if the index can be used.")
            up.set(float(index.get("state") == "ok"))
            metrics.gauge("dicom_gateway_conflicts", "Instances that were set aside.").set(
                float(index.get("conflicts", 0))
            )
