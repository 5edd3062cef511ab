"""Charts as SVG, without scripts, fonts or requests, for a self-contained page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDTH, HEIGHT = 860, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 12, 34
_TICKS = 5
_FEWEST = 3
"""Ticks of a logarithmic axis: with fewer, values could not be read from it."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]
    is_broad: bool = False
    """Drawn as a broad pale line, so that another one with the same values can be seen on it."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values and the format of its labels."""

    low: float
    high: float
    label: str
    show: Callable[[float], str]
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Return the position of a value on the axis, from 0 to 1."""
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(max(value, self.low))
        return min(max((value - low) / (high - low), 0.0), 1.0) if high > low else 0.0

    def ticks(self) -> list[float]:
        """Return the values at which lines are drawn."""
        if self.logarithmic:
            for factors in ((1,), (1, 2, 5)):
                if len(values := self._of_decades(factors)) >= _FEWEST:
                    return values
        step = nice_step((self.high - self.low) / _TICKS)
        first = math.ceil(self.low / step)
        return [step * i for i in range(first, int(self.high / step) + 1)]

    def _of_decades(self, factors: Sequence[int]) -> list[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        values = [f * 10.0**decade for decade in range(first, last + 1) for f in factors]
        return [value for value in values if self.low <= value <= self.high]


def nice_step(step: float) -> float:
    """Return 1, 2 or 5 times a power of ten, at least `step`."""
    if step <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * 0.999)


def lines(x: Axis, y: Axis, series: Sequence[Series]) -> str:
    """Return a line chart with its legend."""
    shapes = []
    for one in series:
        path = " ".join(f"{_x(x, at):.1f},{_y(y, value):.1f}" for at, value in one.points)
        broad = ' class="broad"' if one.is_broad else ""
        shapes.append(f'<polyline{broad} points="{path}" stroke="{one.colour}"/>')
        if len(one.points) <= 40:
            shapes += [
                f'<circle cx="{_x(x, at):.1f}" cy="{_y(y, value):.1f}" r="2" fill="{one.colour}"/>'
                for at, value in one.points
            ]
    return _chart(x, y, shapes, series)


def bars(x: Axis, y: Axis, rows: Sequence[tuple[float, float, float]], colour: str) -> str:
    """Return a bar chart of (from, to, value) rows."""
    base = HEIGHT - _BOTTOM
    shapes = []
    for low, high, value in rows:
        left, top = _x(x, low), _y(y, value)
        width = max(_x(x, high) - left - 0.5, 0.5)
        shapes.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" '
            f'height="{max(base - top, 0):.1f}" fill="{colour}"/>'
        )
    return _chart(x, y, shapes, ())


def _x(axis: Axis, value: float) -> float:
    return _LEFT + axis.place(value) * (WIDTH - _LEFT - _RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - _BOTTOM - axis.place(value) * (HEIGHT - _TOP - _BOTTOM)


def _chart(x: Axis, y: Axis, shapes: Sequence[str], series: Sequence[Series]) -> str:
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(y.label)} over {escape(x.label)}">'
    ]
    for value in y.ticks():
        at = _y(y, value)
        parts.append(f'<line class="g" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text class="r" x="{_LEFT - 6}" y="{at + 4:.1f}">{y.show(value)}</text>')
    for value in x.ticks():
        at = _x(x, value)
        parts.append(f'<text class="m" x="{at:.1f}" y="{HEIGHT - 18}">{x.show(value)}</text>')
    middle = (_LEFT + WIDTH) / 2
    parts.append(f'<text class="m" x="{middle}" y="{HEIGHT - 3}">{escape(x.label)}</text>')
    parts += [*shapes, "</svg>"]
    legend = "".join(
        f'<span><i style="background:{one.colour}"></i>{escape(one.name)}</span>' for one in series
    )
    return f'{"".join(parts)}<p class="legend">{legend}</p>'
