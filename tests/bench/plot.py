"""A comparison as one SVG: a panel for each load, a row for each server, dots on one log scale.

It is read in light and in dark, wherever it is shown: the colours follow the reader's setting, and
the background is its own.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from gateway.load.chart import Axis
from tests.bench.figures import size_text
from tests.bench.servers import SERVERS

if TYPE_CHECKING:
    from tests.bench.figures import Case, Figures

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


def svg(figures: Figures, client: str = "prepared") -> str:
    """The figures of one client; empty panels where nothing was measured."""
    cases = figures.cases(client)
    sizes = sorted({case.size for case in cases})
    counts = sorted({case.associations for case in cases})
    servers = [name for name in SERVERS if name in figures.servers]
    block = _HEAD + _ROW * len(servers) + _FOOT
    width = _LABELS + max(len(sizes), 1) * (_PANEL + _GAP) - _GAP + _EDGE
    height = _TOP + block * len(counts)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'width="{width}" height="{height}" aria-label="Stored instances a second">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="var(--back)"/>',
        f'<text class="title" x="{_EDGE}" y="30">Stored instances a second</text>',
        f'<text class="soft" x="{_EDGE}" y="50">{escape(_made(figures))}</text>',
    ]
    axes = {size: _axis(figures, [case for case in cases if case.size == size]) for size in sizes}
    for row, count in enumerate(counts):
        top = _TOP + row * block
        parts += _labels(servers, top)
        for column, size in enumerate(sizes):
            left = _LABELS + column * (_PANEL + _GAP)
            case = next((c for c in cases if (c.size, c.associations) == (size, count)), None)
            if case is not None:
                parts += _panel(figures, case, servers, axes[size], (left, top))
    return "\n".join([*parts, "</svg>\n"])


def _made(figures: Figures) -> str:
    made = figures.made_with
    return (
        f"Prepared bytes over loopback on {made.get('cores', '?')} cores, median of "
        f"{made.get('rounds', '?')} rounds; logarithmic scale. The bare sinks (hollow) are limits."
    )


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


def _labels(servers: list[str], top: int) -> list[str]:
    return [
        f'<text class="{_kind(name)}" x="{_EDGE}" y="{_y(top, number) + 4}">'
        f"{escape(SERVERS[name].title)}</text>"
        for number, name in enumerate(servers)
    ]


def _kind(server: str) -> str:
    return {"gateway": "ours", "sink": "sink"}.get(server.partition("-")[0], "peer")


def _y(top: int, number: int) -> int:
    return top + _HEAD + _ROW * number + _ROW // 2


def _panel(
    figures: Figures, case: Case, servers: list[str], axis: Axis, corner: tuple[int, int]
) -> list[str]:
    left, top = corner
    base = top + _HEAD + _ROW * len(servers)
    plural = "s" if case.associations > 1 else ""
    head = f"{size_text(case.size)}, {case.associations} association{plural}"
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
