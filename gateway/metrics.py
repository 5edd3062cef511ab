"""Counters, gauges and histograms of one process, and the form in which they leave it.

A process counts for as long as it runs, and tells its totals while something watches EVT_METRICS;
so a lost message loses nothing, and nobody else has to remember what was told before. The names
follow Prometheus' conventions: a unit at the end, `_total` for what only grows.

Durations are counted in buckets that are half a power of two wide, from 15 microseconds to 64
seconds: a histogram is two or three cheap operations for each duration, and at most 45 numbers.
"""

from __future__ import annotations

import math
from collections import Counter
from math import frexp
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MOST_SERIES = 500
"""Combinations of labels that one metric has; what comes later is counted under `OTHER`."""
OTHER = "other"
"""The labels of everything beyond `MOST_SERIES`: peers choose AE titles, not how much we keep."""

_TINY = 1e-9
"""Counts for no time at all, which has no exponent."""
_SMALLEST, _LARGEST = -31, 13
"""The buckets, by twice the binary exponent: up to 2**-15.5, and above 2**6 seconds."""


def bucket_of(seconds: float) -> int:
    """Return the bucket of a duration: two for each power of two."""
    mantissa, exponent = frexp(seconds or _TINY)
    bucket = 2 * exponent + (mantissa >= 0.75)
    if _SMALLEST <= bucket <= _LARGEST:  # mostly
        return bucket
    return min(max(bucket, _SMALLEST), _LARGEST)


def upper_bound(bucket: int) -> float:
    """Return the duration below which all of a bucket are, in seconds."""
    if bucket >= _LARGEST:
        return math.inf
    exponent, half = divmod(bucket, 2)
    return math.ldexp(1.0 if half else 0.75, exponent)


BOUNDS = tuple(upper_bound(bucket) for bucket in range(_SMALLEST, _LARGEST + 1))
"""The upper bounds of all buckets, in seconds; the last one is infinite."""


class Distribution:
    """How many durations fell into each bucket, and their sum."""

    __slots__ = ("buckets", "count", "total")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.count = 0
        self.total = 0.0
        """The sum of all durations, in seconds."""

    def observe(self, seconds: float) -> None:
        """Count a duration."""
        bucket = bucket_of(seconds)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        self.count += 1
        self.total += seconds

    def observe_all(self, durations: Sequence[float]) -> None:
        """Count many durations, at a fraction of what `observe` takes for each."""
        halves = [frexp(seconds or _TINY) for seconds in durations]
        found = Counter([2 * exponent + (mantissa >= 0.75) for mantissa, exponent in halves])
        for bucket, number in found.items():
            within = min(max(bucket, _SMALLEST), _LARGEST)
            self.buckets[within] = self.buckets.get(within, 0) + number
        self.count += len(durations)
        self.total += sum(durations)

    def merge(self, other: Distribution) -> None:
        """Add the counts of another distribution."""
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count
        self.count += other.count
        self.total += other.total

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """Yield (upper bound, number of durations up to it) of all buckets, in order."""
        seen = 0
        for bucket, bound in enumerate(BOUNDS, _SMALLEST):
            seen += self.buckets.get(bucket, 0)
            yield bound, seen

    def quantile(self, share: float) -> float:
        """Return the bound below which this share (0 to 1) of the durations is; 0.0 for none."""
        for bound, seen in self.cumulative():
            if seen and seen >= share * self.count:
                return min(bound, BOUNDS[-2])
        return 0.0


class Metric:
    """One metric with a number, or a distribution, for each combination of its labels' values."""

    def __init__(self, kind: str, name: str, text: str, labels: tuple[str, ...]) -> None:
        self.kind = kind
        """counter, gauge or histogram."""
        self.name = name
        self.text = text
        self.labels = labels
        self.series: dict[tuple[str, ...], float | Distribution] = {}

    def add(self, amount: float, *labels: str) -> None:
        """Add to a counter."""
        key = self._key(labels)
        self.series[key] = self.series.get(key, 0) + amount  # type: ignore[operator]

    def set(self, value: float, *labels: str) -> None:
        """Set a gauge, or a counter that something else counts."""
        self.series[self._key(labels)] = value

    def distribution(self, *labels: str) -> Distribution:
        """Return a histogram's distribution, for callers that keep it."""
        key = self._key(labels)
        found = self.series.get(key)
        if not isinstance(found, Distribution):
            found = self.series[key] = Distribution()
        return found

    def observe(self, seconds: float, *labels: str) -> None:
        """Count a duration in a histogram."""
        self.distribution(*labels).observe(seconds)

    def _key(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        if labels in self.series or len(self.series) < MOST_SERIES:
            return labels
        return (OTHER,) * len(labels)

    def to_list(self) -> list[Any]:
        """Return the metric as values that msgpack can carry; see `from_list`."""
        series = [
            [*labels, value]
            if not isinstance(value, Distribution)
            else [*labels, value.count, value.total, sorted(value.buckets.items())]
            for labels, value in self.series.items()
        ]
        return [self.kind, self.name, self.text, list(self.labels), series]

    @classmethod
    def from_list(cls, told: Any) -> Metric:
        """Return what `to_list` made; raises ValueError, TypeError or KeyError for anything else.

        The number of series is bounded again, because a process of another version may tell more.
        """
        kind, name, text, labels, series = told
        metric = cls(_one_of(KINDS, kind), str(name), str(text), tuple(map(str, labels)))
        width = len(metric.labels)
        for row in series[:MOST_SERIES]:
            key = tuple(map(str, row[:width]))
            if kind == HISTOGRAM:
                count, total, buckets = row[width:]
                found = metric.distribution(*key)
                found.count, found.total = int(count), float(total)
                found.buckets = {int(bucket): int(number) for bucket, number in buckets}
            else:
                (value,) = row[width:]
                metric.series[key] = float(value)
        return metric


COUNTER, GAUGE, HISTOGRAM = KINDS = ("counter", "gauge", "histogram")


def _one_of(kinds: tuple[str, ...], kind: object) -> str:
    if kind not in kinds:
        raise ValueError(f"a metric is a {', '.join(kinds)}, not {kind!r}")
    return str(kind)


class Metrics:
    """The metrics of a process, by name.

    `before_told` are functions that set what is only known when somebody asks, such as gauges.
    """

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}
        self.before_told: list[Callable[[], None]] = []

    def counter(self, name: str, text: str, *labels: str) -> Metric:
        """Return the counter of this name, which is made the first time."""
        return self._metric(COUNTER, name, text, labels)

    def gauge(self, name: str, text: str, *labels: str) -> Metric:
        """Return the gauge of this name, which is made the first time."""
        return self._metric(GAUGE, name, text, labels)

    def histogram(self, name: str, text: str, *labels: str) -> Metric:
        """Return the histogram of this name, of durations in seconds, made the first time."""
        return self._metric(HISTOGRAM, name, text, labels)

    def _metric(self, kind: str, name: str, text: str, labels: tuple[str, ...]) -> Metric:
        found = self._metrics.get(name)
        if found is None:
            found = self._metrics[name] = Metric(kind, name, text, labels)
        elif (found.kind, found.labels) != (kind, labels):
            raise ValueError(f"{name} is a {found.kind} with the labels {found.labels}")
        return found

    def tell(self) -> list[list[Any]]:
        """Return all metrics as values that msgpack can carry."""
        for refresh in self.before_told:
            refresh()
        return [metric.to_list() for metric in tuple(self._metrics.values())]

    def __iter__(self) -> Iterator[Metric]:
        return iter(tuple(self._metrics.values()))


def read_all(told: Iterable[Any]) -> list[Metric]:
    """Return the metrics that a process told, without those that are not valid."""
    found = []
    for one in told:
        try:
            found.append(Metric.from_list(one))
        except (ValueError, TypeError, KeyError):
            continue
    return found
