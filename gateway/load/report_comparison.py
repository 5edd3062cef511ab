"""Two reports of a load side by side: their figures, ratios, and in what the loads differ."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gateway.errors import ConfigError
from gateway.load import result_text
from gateway.load.result import FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_OTHERWISE = ("root", "seed", "host", "port", "aet", "aec")
"""Settings of a plan that say which peer it was and which instances, not what was done."""


def read(path: Path) -> dict[str, Any]:
    """Return the report in a file that `load --json` wrote; raises ConfigError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ConfigError(f"{path} is not a report of `dicom-gateway load --json` ({FORMAT})")
    return document


def rows(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return name, both values and their ratio for each figure; no ratio where one is 0."""
    found = []
    for name, measure, show in _FIGURES:
        old, new = measure(before), measure(after)
        if old or new:
            ratio = f"{new / old:.2f} x" if old and new else ""
            found.append((name, show(old), show(new), ratio))
    return found


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return in what the loads themselves differ, which makes a comparison doubtful."""
    old, new = before["plan"], after["plan"]
    found = [
        f"{name}: {old.get(name)} before, {new.get(name)} after"
        for name in sorted({*old, *new} - {*_OTHERWISE})
        if old.get(name) != new.get(name)
    ]
    hosts = [f"{one['host']['system']}, Python {one['host']['python']}" for one in (before, after)]
    if hosts[0] != hosts[1]:
        found.append(f"system: {hosts[0]} before, {hosts[1]} after")
    for word, one in (("before", before), ("after", after)):
        if one["generator"]["may_be_the_limit"]:
            found.append(f"{word}: the generator was busy all the time and may be the limit")
    return found


def _latency(name: str) -> Callable[[dict[str, Any]], float]:
    return lambda report: report["totals"]["latency"]["percentiles"][name] or 0.0


_FIGURES: tuple[tuple[str, Callable[[dict[str, Any]], float], Callable[[float], str]], ...] = (
    ("answered a second", lambda report: report["rate"], result_text.number),
    ("MB/s", lambda report: report["bytes_per_second"] / 1e6, result_text.number),
    ("answered", lambda report: report["totals"]["answered"], result_text.number),
    ("errors", lambda report: report["totals"]["errors"], result_text.number),
    ("p50", _latency("50"), result_text.span),
    ("p90", _latency("90"), result_text.span),
    ("p99", _latency("99"), result_text.span),
    ("p99.9", _latency("99.9"), result_text.span),
    ("max", lambda report: report["totals"]["latency"]["max"], result_text.span),
    ("knee", lambda report: (report["ramp"] or {}).get("knee") or 0.0, result_text.number),
    (
        "CPU of the generator",
        lambda report: report["generator"]["cpu_per_operation"] or 0.0,
        result_text.span,
    ),
)
"""What is compared; CPU is that of one operation."""
