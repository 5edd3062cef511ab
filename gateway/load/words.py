"""Numbers and results as people read them; the same words on a terminal and on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.load.plan import ECHO, FIND

if TYPE_CHECKING:
    from gateway.load.plan import Plan
    from gateway.load.result import Result

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"))
_NAMES = {ECHO: "C-ECHO", FIND: "C-FIND"}
SHOWN = (("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9))


def span(seconds: float) -> str:
    """A duration: three digits and a unit."""
    if not seconds:
        return "0"
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}" if seconds < 1000 else f"{seconds:.0f} s"
    return f"{seconds * 1e6:.2g} us"


def number(value: float) -> str:
    """A count or a rate."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def volume(size: float) -> str:
    """A number of bytes."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def kind(plan: Plan) -> str:
    """What the load is, in a line."""
    name = _NAMES.get(plan.operation, "C-STORE")
    text = f"{name}, {plan.associations} association{'s' if plan.associations > 1 else ''}"
    if plan.rate is None:
        return f"{text}, closed loop"
    how = "Poisson" if plan.poisson else "even"
    if plan.rate.steps > 1:
        return f"{text}, open loop, {how}, {plan.rate.first:g} to {plan.rate.last:g} a second"
    return f"{text}, open loop, {how}, {plan.rate.first:g} a second"


def summary(result: Result) -> list[str]:
    """The last lines of a run."""
    totals, latency = result.totals, result.totals.latency
    found = [
        f"{totals.answered:,} answered in {result.seconds:.2f} s: {number(result.rate)} a second"
        + (f", {volume(totals.sent / result.seconds)}/s" if result.seconds and totals.sent else "")
        + f"; {totals.acknowledged:,} acknowledged, {totals.errors:,} errors",
        "latency "
        + ", ".join(f"{name} {span(latency.percentile(percent))}" for name, percent in SHOWN)
        + f", max {span(latency.largest)}",
    ]
    if not latency.count:
        found.pop()
    if totals.setup.count:
        text = f"{totals.associations:,} associations, p50 {span(totals.setup.percentile(50))}"
        found.append(f"{text}, max {span(totals.setup.largest)} to set one up")
    for title in ("statuses", "rejects", "failures"):
        table: dict[str, int] = getattr(totals, title)
        found += [f"{count:,} x {text}" for text, count in sorted(table.items())]
    return [*found, *_judgements(result)]


def _judgements(result: Result) -> list[str]:
    found = []
    if (knee := result.knee) is not None:
        if knee.broken_at is None:
            found.append(f"knee: none up to {number(knee.offered or 0)} a second")
        elif knee.offered is None:
            found.append(f"knee: below {number(knee.broken_at)} a second, the first step")
        else:
            text = f"knee: {number(knee.offered)} a second kept up with"
            found.append(f"{text}, {number(knee.broken_at)} not")
    for one in result.objectives:
        met = "met" if one.is_met(result.totals, result.seconds) else "MISSED"
        measured = one.show(one.measure(result.totals, result.seconds))
        found.append(f"objective {one.text}: {met} ({measured})")
    if (checked := result.verification) is not None:
        found.append(
            f"verified by {checked.by}: {checked.found:,} of {checked.acknowledged:,} acknowledged "
            f"are there, {checked.missing:,} missing, {checked.different:,} different, "
            f"{checked.twice:,} twice"
        )
        found += [f"  {problem}" for problem in checked.problems]
        found += [f"not verified: {checked.failure}"] if checked.failure else []
    found.append(_cost(result))
    if result.is_own_limit:
        found.append("the generator was busy all the time and may be the limit: use --processes")
    return found


def _cost(result: Result) -> str:
    cpu = sum(cost.cpu for cost in result.children)
    each = cpu / result.totals.answered if result.totals.answered else 0.0
    memory = max((cost.peak_memory for cost in result.children), default=0)
    return (
        f"own cost: {cpu:.2f} s of CPU time ({result.cpu_share:.0%} of a core for each process, "
        f"{span(each)} an operation), {volume(memory)} of memory"
    )
