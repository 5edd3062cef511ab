"""The progress of a load: a live table on a terminal, lines of text elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeAlias

from gateway.load import result_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console, Group
    from rich.live import Live

    from gateway.load.result import LoadResult

_RECENT = 4
"""The number of latest slices from which the present rate is computed."""


def recent_rate(result: LoadResult) -> float:
    """Return the responses a second in the last slices."""
    last = int((time.monotonic() - result.start) / result.slice_width)
    slices = range(max(last - _RECENT, 0), last)
    if not result.start or not slices:
        return result.rate
    answered = sum(result.slices[i].answered for i in slices if i in result.slices)
    return answered / (len(slices) * result.slice_width)


def columns(result: LoadResult) -> dict[str, str]:
    """Return the values that are shown, by their headings."""
    totals = result.totals
    return {
        "answered": f"{totals.answered:,}",
        "a second": result_text.number(recent_rate(result)),
        **{name: result_text.span(totals.latency.percentile(p)) for name, p in result_text.SHOWN},
        "max": result_text.span(totals.latency.largest),
        "in flight": f"{max(result.in_flight, 0):,}",
        "errors": f"{totals.errors:,}",
    }


class Lines:
    """Prints a line every `every` seconds."""

    def __init__(self, print_line: Callable[[str], None], every: float) -> None:
        self._print_line = print_line
        self._every = every
        self._next = every

    def update(self, result: LoadResult) -> None:
        elapsed = time.monotonic() - result.start if result.start else 0.0
        if elapsed < self._next:
            return
        self._next += self._every * (1 + (elapsed - self._next) // self._every)
        answered, rate, *rest = columns(result).items()
        parts = [f"{elapsed:.1f} s", " ".join(answered), f"{rate[1]}/s", *map(" ".join, rest)]
        self._print_line("  ".join(parts))

    def close(self) -> None:
        """Do nothing: lines stay."""


class Screen:
    """Shows a table, redrawn twice a second."""

    def __init__(self, console: Console, result: LoadResult) -> None:
        from rich.live import Live

        self._result = result
        self._live: Live = Live(
            console=console, refresh_per_second=2, transient=True, get_renderable=self._draw
        )
        self._live.start()

    def update(self, result: LoadResult) -> None:
        self._result = result

    def close(self) -> None:
        """Remove the table."""
        self._live.stop()

    def _draw(self) -> Group:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        result, totals = self._result, self._result.totals
        elapsed = max(time.monotonic() - result.start, 0.0) if result.start else 0.0
        table = Table(title=result_text.kind(result.plan), title_justify="left", expand=False)
        values = {"s": f"{elapsed:.0f}", **columns(result)}
        for heading in values:
            red = heading == "errors" and totals.errors
            table.add_column(heading, justify="right", style="red" if red else "")
        table.add_row(*values.values())
        texts = [
            Text(f"{count:>9,} x {text}", no_wrap=True, overflow="ellipsis")
            for kind in (totals.statuses, totals.rejects, totals.failures)
            for text, count in sorted(kind.items())[:8]
        ]
        done = self._done(elapsed)
        bar = [ProgressBar(total=1.0, completed=done, width=60)] if done is not None else []
        return Group(table, *texts, *bar)

    def _done(self, elapsed: float) -> float | None:
        plan, totals = self._result.plan, self._result.totals
        shares = []
        if plan.duration:
            shares.append(elapsed / plan.duration)
        if plan.count:
            shares.append((totals.answered + totals.unanswered) / plan.count)
        return min(max(shares), 1.0) if shares else None


Display: TypeAlias = Lines | Screen
"""Shows the progress of a load."""
