"""Rates of the last 15 minutes, second by second, and of 24 hours, minute by minute.

They are kept in a small file, so that a restart of this worker or of the gateway leaves no more
than a gap.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from gateway.metrics import Distribution
from workers.web.small_files import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gateway.metrics import Metric

SECONDS, MINUTES = 900, 1440
"""Points that are kept of each second, and of each minute."""
TOTALS = {
    "instances": "dicom_gateway_instances_received_total",
    "requests": "dicom_gateway_requests_total",
    "received": "dicom_gateway_received_bytes_total",
    "sent": "dicom_gateway_sent_bytes_total",
}
GAUGES = {
    "associations": "dicom_gateway_associations_open",
    "in_flight": "dicom_gateway_requests_in_flight",
}
LATENCIES = {"median": 0.5, "p99": 0.99}
NAMES = ("time", *TOTALS, *GAUGES, *LATENCIES)
"""The values of a point: seconds since 1970, four rates a second, two numbers, two in seconds."""
_DURATIONS = "dicom_gateway_handler_seconds"
_SPAN = 5
"""Seconds over which a rate is taken: each process tells its totals at its own moment."""

Point = list[float | None]


class Rates:
    """Takes the metrics once a second and keeps the rates; safe for several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._earlier: deque[tuple[float, dict[str, float], Distribution]] = deque(maxlen=_SPAN + 1)
        self.seconds: deque[Point] = deque(maxlen=SECONDS)
        self.minutes: deque[Point] = deque(maxlen=MINUTES)
        self._minute: list[Point] = []

    def look(self, metrics: Iterable[Metric], now: float) -> None:
        """Add a point for the time `now`, in seconds since 1970."""
        by_name = {metric.name: metric for metric in metrics}
        totals = {name: total_of(by_name.get(metric)) for name, metric in TOTALS.items()}
        durations = _durations(by_name.get(_DURATIONS))
        with self._lock:
            self._earlier.append((now, totals, durations))
            before, earlier, lasted = self._earlier[0]
            passed = now - before
            if passed <= 0:
                return
            recent = _difference(durations, lasted)
            point: Point = [now]
            point += [max(0.0, totals[name] - earlier[name]) / passed for name in TOTALS]
            point += [total_of(by_name.get(metric)) for metric in GAUGES.values()]
            point += [recent.quantile(q) if recent.count else None for q in LATENCIES.values()]
            self.seconds.append(point)
            self._add_to_minute(point)

    def _add_to_minute(self, point: Point) -> None:
        begun = self._minute and self._minute[0][0]
        if begun and int(begun // 60) != int((point[0] or 0) // 60):
            self.minutes.append(_mean(self._minute))
            self._minute = []
        self._minute.append(point)

    def points(self, span: str) -> list[Point]:
        """Return the points of `day`, or else of the last 15 minutes, oldest first."""
        with self._lock:
            return list(self.minutes if span == "day" else self.seconds)

    def last(self) -> dict[str, float | None]:
        """Return the latest point by names; empty before there is one."""
        with self._lock:
            return dict(zip(NAMES, self.seconds[-1], strict=True)) if self.seconds else {}

    def read(self) -> None:
        """Take what an earlier process has written; a file that is not valid is ignored."""
        try:
            told = json.loads(self._path.read_text())
            seconds, minutes = (_valid(told[name]) for name in ("seconds", "minutes"))
        except (OSError, ValueError, KeyError, TypeError):
            return
        with self._lock:
            self.seconds.extend(seconds)
            self.minutes.extend(minutes)

    def write(self) -> None:
        """Write what is kept, in place of what was written before; raises OSError."""
        with self._lock:
            text = json.dumps({"seconds": list(self.seconds), "minutes": list(self.minutes)})
        replace_file(self._path, text)


def total_of(metric: Metric | None) -> float:
    """Return the sum over all labels; 0 if there is no such metric."""
    values = metric.series.values() if metric is not None else ()
    return sum(value for value in values if not isinstance(value, Distribution))


def _durations(metric: Metric | None) -> Distribution:
    merged = Distribution()
    for value in metric.series.values() if metric is not None else ():
        if isinstance(value, Distribution):
            merged.merge(value)
    return merged


def _difference(later: Distribution, earlier: Distribution) -> Distribution:
    found = Distribution()
    for bucket, count in later.buckets.items():
        if (more := count - earlier.buckets.get(bucket, 0)) > 0:
            found.buckets[bucket] = more
            found.count += more
    return found


def _mean(points: list[Point]) -> Point:
    """Return the mean of each value over the points that have one."""
    columns = [[value for value in column if value is not None] for column in zip(*points)]  # noqa: B905 - alike
    return [sum(column) / len(column) if column else None for column in columns]


def _valid(points: Any) -> list[Point]:
    return [
        [None if value is None else float(value) for value in point]
        for point in points
        if len(point) == len(NAMES)
    ]
