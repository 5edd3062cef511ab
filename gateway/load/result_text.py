"""Results as text, for the terminal and for the HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.load.load_plan import ECHO, FIND
from gateway.load.result import EXIT_MISSED, EXIT_OK

if TYPE_CHECKING:
    from gateway.load.load_plan import Plan
    from gateway.load.result import LoadResult

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"))
_NAMES = {ECHO: "C-ECHO", FIND: "C-FIND"}
SHOWN = (("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9))


def span(seconds: float) -> str:
    """Return a duration with three digits and a unit."""
    if not seconds:
        return "0"
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}" if seconds < 1000 else f"{seconds:.0f} s"
    return f"{seconds * 1e6:.2g} us"


def number(value: float) -> str:
    """Return a count or a rate."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def volume(size: float) -> str:
    """Return a number of bytes with a unit: `512 bytes`, `1.5 MB`."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def verdict(result: LoadResult) -> tuple[str, bool]:
    """Return what came of a load in a few words, and whether that is good."""
    status = result.status
    if result.failure:
        return "stopped early", False
    if result.is_interrupted:
        return "interrupted", status == EXIT_OK
    if status == EXIT_MISSED:
        return "objective missed", False
    if status != EXIT_OK:
        return "failed", False
    return ("objectives met" if result.objectives else "passed"), True


def kind(plan: Plan) -> str:
    """Return a description of the load in one line."""
    name = _NAMES.get(plan.operation, "C-STORE")
    text = f"{name}, {plan.associations} association{'s' if plan.associations > 1 else ''}"
    if plan.rate is None:
        return f"{text}, closed loop"
    how = "Poisson" if plan.poisson else "even"
    if plan.rate.steps > 1:
        return f"{text}, open loop, {how}, {plan.rate.first:g} to {plan.rate.last:g} a second"
    return f"{text}, open loop, {how}, {plan.rate.first:g} a second"


def summary(result: LoadResult) -> list[str]:
    """Return the lines that are printed at the end of a run."""
    totals, latency = result.totals, result.totals.latency
    found = [
        f"{totals.answered:,} answered in {result.seconds:.2f} s: {number(result.rate)} a second"
        + (f", {volume(result.bytes_a_second)}/s" if totals.sent else "")
        + f"; {totals.acknowledged:,} acknowledged, {totals.errors:,} errors",
        "latency "
        + ", ".join(f"{name} {span(latency.percentile(percent))}" for name, percent in SHOWN)
        + f", max {span(latency.largest)}",
    ]
    if not latency.count:
        found.pop()
    if totals.setup.count:
        text = f"{totals.associations:,} associations, established in p50"
        setup = f"{span(totals.setup.percentile(50))}, max {span(totals.setup.largest)}"
        found.append(f"{text} {setup}")
    for title in ("statuses", "rejects", "failures"):
        table: dict[str, int] = getattr(totals, title)
        found += [f"{count:,} x {text}" for text, count in sorted(table.items())]
    return [*found, *_knee(result), *_judgements(result), *_cost(result)]


def _knee(result: LoadResult) -> list[str]:
    knee = result.knee
    if knee is None:
        return []
    if knee.broken_at is None:
        return [f"ramp: the peer kept up with all steps, to {number(knee.offered or 0)} a second"]
    if knee.offered is None:
        return [f"ramp: the peer did not keep up with {number(knee.broken_at)} a second, the first"]
    text = f"ramp: the peer kept up with {number(knee.offered)} a second"
    return [f"{text}, but not with {number(knee.broken_at)}"]


def _judgements(result: LoadResult) -> list[str]:
    found = []
    for one in result.objectives:
        met = "met" if one.is_met(result.totals, result.seconds) else "MISSED"
        measured = one.show(one.measure(result.totals, result.seconds))
        found.append(f"objective {one.text}: {met} ({measured})")
    if (checked := result.verification) is not None:
        found.append(
            f"verified by {checked.by}: {checked.found:,} of {checked.acknowledged:,} acknowledged "
            f"instances found, {checked.missing:,} missing, {checked.different:,} different, "
            f"{checked.twice:,} more than once"
        )
        found += [f"  {problem}" for problem in checked.problems]
        found += [f"not verified: {checked.failure}"] if checked.failure else []
    if (cleaned := result.cleanup) is not None:
        found.append(f"cleanup: {cleaned.removed:,} instances removed")
        found += [f"not cleaned up: {cleaned.failure}"] if cleaned.failure else []
    return found


def _cost(result: LoadResult) -> list[str]:
    cpu = sum(cost.cpu for cost in result.children)
    each = cpu / result.totals.answered if result.totals.answered else 0.0
    memory = max((cost.peak_memory for cost in result.children), default=0)
    text = (
        f"cost of the generator: {cpu:.2f} s of CPU time ({result.cpu_share:.0%} of a core for "
        f"each process, {span(each)} an operation), {volume(memory)} of memory"
    )
    if not result.is_own_limit:
        return [text]
    return [text, "the generator was busy all the time and may be the limit: use more --processes"]
