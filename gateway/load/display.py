"""A load while it runs: a live table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from gateway.load import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console, Group
    from rich.live import Live

    from gateway.load.result import Result

_RECENT = 4
"""Slices that the present rate is taken from."""


class Display(Protocol):
    """Where progress is shown."""

    def update(self, result: Result) -> None: ...

    def close(self) -> None: ...


def recent_rate(result: Result) -> float:
    """Answers a second, of late."""
    last = int((time.monotonic() - result.start) / result.slice_width)
    slices = range(max(last - _RECENT, 0), last)
    if not result.start or not slices:
        return result.rate
    answered = sum(result.slices[i].answered for i in slices if i in result.slices)
    return answered / (len(slices) * result.slice_width)


class Lines:
    """One line each `every` seconds."""

    def __init__(self, tell: Callable[[str], None], every: float) -> None:
        self._tell = tell
        self._every = every
        self._next = every

    def update(self, result: Result) -> None:
        elapsed = time.monotonic() - result.start if result.start else 0.0
        if elapsed < self._next:
            return
        self._next += self._every * (1 + (elapsed - self._next) // self._every)
        totals = result.totals
        parts = [
            f"{elapsed:.1f} s",
            f"answered {totals.answered:,}",
            f"{words.number(recent_rate(result))}/s",
            *(
                f"{name} {words.span(totals.latency.percentile(percent))}"
                for name, percent in words.SHOWN
            ),
            f"max {words.span(totals.latency.largest)}",
            f"in flight {max(result.in_flight, 0):,}",
            f"errors {totals.errors:,}",
        ]
        self._tell("  ".join(parts))

    def close(self) -> None:
        """Nothing is left on the screen."""


class Screen:
    """A table that is drawn anew twice a second."""

    def __init__(self, console: Console, result: Result) -> None:
        from rich.live import Live

        self._result = result
        self._live: Live = Live(
            console=console, refresh_per_second=2, transient=True, get_renderable=self._draw
        )
        self._live.start()

    def update(self, result: Result) -> None:
        self._result = result

    def close(self) -> None:
        """Give the terminal back."""
        self._live.stop()

    def _draw(self) -> Group:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        result, totals = self._result, self._result.totals
        elapsed = max(time.monotonic() - result.start, 0.0) if result.start else 0.0
        table = Table(title=words.kind(result.plan), title_justify="left", expand=False)
        for heading in ("s", "answered", "a second", *(n for n, _ in words.SHOWN), "max"):
            table.add_column(heading, justify="right")
        table.add_column("in flight", justify="right")
        table.add_column("errors", justify="right", style="red" if totals.errors else "")
        table.add_row(
            f"{elapsed:.0f}",
            f"{totals.answered:,}",
            words.number(recent_rate(result)),
            *(words.span(totals.latency.percentile(p)) for _, p in words.SHOWN),
            words.span(totals.latency.largest),
            f"{max(result.in_flight, 0):,}",
            f"{totals.errors:,}",
        )
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
