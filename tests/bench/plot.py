"""A comparison as one SVG: a panel for each load, a row for each server, dots on one log scale.

It is read in light and in dark, wherever it is shown: the colours follow the reader's setting, and
the background is its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from gateway.load.chart import Axis
from tests.bench.figures import Case, size_text
from tests.bench.servers import SERVERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.bench.figures import Figures

_LABELS, _PANEL, _GAP, _EDGE = 250, 230, 26, 18
_TOP, _HEAD, _ROW, _FOOT = 78, 26, 19, 40
_STYLE = """
svg{--back:#fff;--text:#1f2328;--soft:#656d76;--grid:#d8dee4;--ours:#0969da;--peer:#7d8590}
@media(prefers-color-scheme:dark){
svg{--back:#0d1117;--text:#e6edf3;--soft:#9198a1;--grid:#2b3138;--ours:#4c9aff;--peer:#8b949e}}
text{font:12px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;fill:var(--text)}
.title{font-size:16px;font-weight:600}.head{font-weight:600}.soft,.tick{fill:var(--soft)}
.tick{font-size:11px;text-anchor:middle}.end{text-anchor:end}.ours{font-weight:600}
line{stroke:var(--grid)}.dot{fill:var(--peer);stroke:var(--peer);stroke-width:1.5}
.dot.ours{fill:var(--ours);stroke:var(--ours)}.dot.sink{fill:var(--back)}
.value{paint-order:stroke;stroke:var(--back);stroke-width:4px}
.fails{fill:var(--soft);font-style:italic}
"""


@dataclass(frozen=True)
class Chart:
    """Whose figures a chart shows, and its words."""

    title: str
    note: str
    clients: tuple[str, ...]
    titles: Mapping[str, str]
    """Of the servers, in the order of the rows."""


STORED = Chart(
    "Stored instances a second",
    "Prepared bytes over loopback; the bare sinks (hollow) are limits.",
    ("prepared",),
    {name: server.title for name, server in SERVERS.items()},
)


def svg(figures: Figures, chart: Chart = STORED) -> str:
    """A block for each client and number of associations; empty panels for what has no figures."""
    cases = [case for client in chart.clients for case in figures.cases(client)]
    sizes = sorted({case.size for case in cases})
    blocks = list(dict.fromkeys((case.client, case.associations) for case in cases))
    blocks.sort(key=lambda block: (chart.clients.index(block[0]), block[1]))
    servers = [name for name in chart.titles if name in figures.servers]
    high = _HEAD + _ROW * len(servers) + _FOOT
    width = _LABELS + max(len(sizes), 1) * (_PANEL + _GAP) - _GAP + _EDGE
    height = _TOP + high * len(blocks)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'width="{width}" height="{height}" aria-label="{escape(chart.title)}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="var(--back)"/>',
        f'<text class="title" x="{_EDGE}" y="30">{escape(chart.title)}</text>',
        f'<text class="soft" x="{_EDGE}" y="50">{escape(_made(figures, chart))}</text>',
    ]
    axes = {size: _axis(figures, [case for case in cases if case.size == size]) for size in sizes}
    for row, (client, count) in enumerate(blocks):
        top = _TOP + row * high
        parts += _labels([chart.titles[name] for name in servers], servers, top)
        for column, size in enumerate(sizes):
            case = Case(client, size, count)
            if case in cases:
                at = _LABELS + column * (_PANEL + _GAP), top
                head = _head(case, is_named=len(chart.clients) > 1)
                parts += _panel(figures, case, servers, axes[size], at, head)
    return "\n".join([*parts, "</svg>\n"])


def _made(figures: Figures, chart: Chart) -> str:
    made = figures.made_with
    return (
        f"On {made.get('cores', '?')} cores, median of {made.get('rounds', '?')} rounds; "
        f"logarithmic scale. {chart.note}"
    )


def _head(case: Case, *, is_named: bool) -> str:
    plural = "s" if case.associations > 1 else ""
    name = f"{case.client}, " if is_named else ""
    return f"{name}{size_text(case.size)}, {case.associations} association{plural}"


def _axis(figures: Figures, cases: list[Case]) -> Axis:
    rates = [figures.rate(case, server) or 0.0 for case in cases for server in figures.servers]
    found = [rate for rate in rates if rate > 0] or [1.0]
    return Axis(min(found) / 2, max(found) * 2, "", _number, logarithmic=True)


def _number(value: float) -> str:
    if value >= 10_000:
        return f"{value / 1000:.0f}k"
    if value >= 1000:
        return f"{value / 1000:.1f}k".replace(".0k", "k")
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _labels(titles: list[str], servers: list[str], top: int) -> list[str]:
    return [
        f'<text class="{_kind(name)}" x="{_EDGE}" y="{_y(top, number) + 4}">{escape(title)}</text>'
        for number, (title, name) in enumerate(zip(titles, servers, strict=True))
    ]


def _kind(server: str) -> str:
    return {"gateway": "ours", "sink": "sink"}.get(server.partition("-")[0], "peer")


def _y(top: int, number: int) -> int:
    return top + _HEAD + _ROW * number + _ROW // 2


def _panel(
    figures: Figures,
    case: Case,
    servers: list[str],
    axis: Axis,
    corner: tuple[int, int],
    head: str,
) -> list[str]:
    left, top = corner
    base = top + _HEAD + _ROW * len(servers)
    parts = [f'<text class="head" x="{left}" y="{top + 16}">{escape(head)}</text>']
    for value in axis.ticks():
        x = left + axis.place(value) * _PANEL
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top + _HEAD}" y2="{base}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{base + 14}">{_number(value)}</text>')
    for number, server in enumerate(servers):
        parts += _dot(figures.rate(case, server), server, axis, (left, _y(top, number)))
    return parts


def _dot(rate: float | None, server: str, axis: Axis, at: tuple[int, int]) -> list[str]:
    left, y = at
    if rate is None:
        return []
    if rate == 0:
        return [f'<text class="value fails" x="{left + 4}" y="{y + 4}">fails</text>']
    place = axis.place(rate)
    x = left + place * _PANEL
    end = place > 0.72
    beside = f'class="value {_kind(server)}"' if not end else f'class="value {_kind(server)} end"'
    text = f'<text {beside} x="{x - 9 if end else x + 9:.1f}"'
    return [
        f'<circle class="dot {_kind(server)}" cx="{x:.1f}" cy="{y}" r="4.5"/>',
        f'{text} y="{y + 4}">{_number(rate)}</text>',
    ]
