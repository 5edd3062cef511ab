"""Metrics in the text formats of Prometheus and OpenMetrics."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import (
    Metric as Family,
)
from prometheus_client.exposition import choose_encoder

from gateway.metrics import COUNTER, HISTOGRAM, Distribution

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.registry import CollectorRegistry

    from gateway.metrics import Metric


class _Families:
    """What an encoder of `prometheus_client` asks of a registry: the families."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Family]:
        return map(family, self._metrics)


def encode(metrics: Iterable[Metric], accept: str) -> tuple[bytes, str]:
    """Return metrics in the format that an `Accept` header asks for, and its content type."""
    encoder, content_type = choose_encoder(accept)
    registry: CollectorRegistry = _Families(metrics)  # type: ignore[assignment]
    return encoder(registry), content_type


def family(metric: Metric) -> Family:
    """Return a metric as `prometheus_client` has it."""
    if metric.kind == HISTOGRAM:
        histogram = HistogramMetricFamily(metric.name, metric.text, labels=metric.labels)
        for labels, value in metric.series.items():
            if isinstance(value, Distribution):
                histogram.add_metric(list(labels), _buckets(value), value.total)
        return histogram
    made = CounterMetricFamily if metric.kind == COUNTER else GaugeMetricFamily
    simple = made(metric.name, metric.text, labels=metric.labels)
    for labels, value in metric.series.items():
        if not isinstance(value, Distribution):
            simple.add_metric(list(labels), value)
    return simple


def _buckets(distribution: Distribution) -> list[tuple[str, float]]:
    return [
        ("+Inf" if math.isinf(bound) else repr(bound), float(count))
        for bound, count in distribution.cumulative()
    ]
