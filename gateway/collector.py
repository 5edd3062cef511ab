"""Adds up what the processes of a gateway have measured.

Each process tells its own totals since its start. A total of the gateway is the sum over all
processes, those that have ended included, so that it never falls while this worker runs.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.metrics import COUNTER, GAUGE, HISTOGRAM, Distribution, Metric, read_all

if TYPE_CHECKING:
    from collections.abc import Callable

SILENCE = 5.0
"""Seconds without news after which the gauges of a process are no longer told."""


@dataclass(slots=True)
class _Process:
    started: float
    heard: float
    metrics: list[Metric]


class Collector:
    """The metrics of all processes; `take` and the rest may be called from different threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._processes: dict[str, _Process] = {}
        self._ended: dict[str, Metric] = {}
        """The totals of processes that have ended."""

    def take(self, process: str, started: float, told: list[Any]) -> None:
        """Take what a process told; `started` tells one run of it from the next."""
        metrics = read_all(told)
        with self._lock:
            before = self._processes.get(process)
            if before is not None and before.started != started:
                for metric in before.metrics:
                    if metric.kind != GAUGE:
                        _merge(self._ended, metric)
            self._processes[process] = _Process(started, self._clock(), metrics)

    def metrics(self) -> list[Metric]:
        """Return the sums over all processes, by name."""
        now = self._clock()
        totals: dict[str, Metric] = {}
        with self._lock:
            for metric in self._ended.values():
                _merge(totals, metric)
            for process in self._processes.values():
                is_current = now - process.heard <= SILENCE
                for metric in process.metrics:
                    if metric.kind != GAUGE or is_current:
                        _merge(totals, metric)
        return [totals[name] for name in sorted(totals)]

    def processes(self) -> list[str]:
        """Return the names of the processes that have told something lately."""
        now = self._clock()
        with self._lock:
            return sorted(
                name for name, one in self._processes.items() if now - one.heard <= SILENCE
            )


def _merge(totals: dict[str, Metric], metric: Metric) -> None:
    """Add a metric to the one of its name; one of another kind or other labels is left out."""
    total = totals.get(metric.name)
    if total is None:
        total = totals[metric.name] = Metric(metric.kind, metric.name, metric.text, metric.labels)
    if (total.kind, total.labels) != (metric.kind, metric.labels):
        return
    for labels, value in metric.series.items():
        if metric.kind == HISTOGRAM:
            if isinstance(value, Distribution):
                total.distribution(*labels).merge(value)
        elif metric.kind == COUNTER and not isinstance(value, Distribution):
            total.add(value, *labels)
        else:
            total.set(value, *labels)  # type: ignore[arg-type]
