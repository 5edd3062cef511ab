"""Objectives of a load, as in `--slo "p99<250ms,errors<0.1%"`."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.errors import ConfigError
from gateway.load.arguments import duration

if TYPE_CHECKING:
    from gateway.load.tally import Tally

_TERM = re.compile(r"([a-z]+[0-9.]*)\s*(<=|>=|<|>)\s*([0-9.]+)\s*(us|ms|s|m|%|/s)?")
_PERCENTILE = re.compile(r"p([0-9]{1,2}(?:\.[0-9]+)?)")
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_LATENCIES = ("max", "mean")


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective: a metric, a comparison and a limit."""

    text: str
    metric: str
    comparison: str
    limit: float
    """Seconds, operations a second, or a fraction."""

    def measure(self, tally: Tally, seconds: float) -> float:
        """Return the value of the metric."""
        if self.metric == "errors":
            return tally.errors / tally.ended if tally.ended else 1.0
        if self.metric == "rate":
            return tally.answered / seconds if seconds else 0.0
        if self.metric == "max":
            return tally.latency.largest
        if self.metric == "mean":
            return tally.latency.mean
        return tally.latency.percentile(float(self.metric[1:]))

    def is_met(self, tally: Tally, seconds: float) -> bool:
        """Return whether the objective is met; one of latency is not if nothing was measured."""
        if self.metric not in ("errors", "rate") and not tally.latency.count:
            return False
        return bool(_COMPARE[self.comparison](self.measure(tally, seconds), self.limit))

    def show(self, value: float) -> str:
        """Return a value of this metric as text."""
        if self.metric == "errors":
            return f"{value:.3%}"
        return f"{value:.1f}/s" if self.metric == "rate" else f"{value * 1000:.2f} ms"


def parse(text: str) -> tuple[Objective, ...]:
    """Parse objectives separated by commas; raises ConfigError."""
    return tuple(_term(part.strip()) for part in text.split(",") if part.strip())


def _term(text: str) -> Objective:
    match = _TERM.fullmatch(text)
    if match is None:
        how = "write p99<250ms, errors<0.1% or rate>100"
        raise ConfigError(f"{text!r} is not a valid objective: {how}")
    metric, comparison, number, unit = match.groups()
    try:
        return Objective(text, metric, comparison, _limit(metric, number, unit or ""))
    except ValueError:
        raise ConfigError(f"{text!r}: {number!r} is not a number") from None


def _limit(metric: str, number: str, unit: str) -> float:
    if metric == "errors":
        if unit not in ("", "%"):
            raise ConfigError(f"errors must be compared with a percentage, not {number}{unit}")
        return float(number) / (100 if unit else 1)
    if metric == "rate":
        if unit not in ("", "/s"):
            raise ConfigError(f"rate must be compared with operations a second, not {number}{unit}")
        return float(number)
    if metric not in _LATENCIES and not _PERCENTILE.fullmatch(metric):
        known = "p50, p99, p99.9, ..., max, mean, errors, rate"
        raise ConfigError(f"{metric!r} is not a known metric: {known}")
    if unit not in ("us", "ms", "s", "m"):
        how = f"must be compared with a duration such as 250ms, not {number}{unit}"
        raise ConfigError(f"{metric} {how}")
    return duration(f"{float(number):f}{unit}")
