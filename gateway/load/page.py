"""The report as one self-contained HTML page."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.load import result_text
from gateway.load.chart import Axis, Series, bars, lines
from gateway.load.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.load.result import LoadResult

_STYLE = Path(__file__).with_name("page.css")
_BLUE, _ORANGE, _RED, _GREEN = "#3b82c4", "#e08a1e", "#d33f49", "#2f9e6e"
_BARS = 60


def page(result: LoadResult) -> str:
    """Return the whole page."""
    plan = result.plan
    title = f"Load on {plan.host}:{plan.port}"
    when = datetime.fromtimestamp(result.started, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{escape(result_text.kind(plan))} &middot; {when}</p>',
        f"<pre>{escape(result.command)}</pre>",
        f'<p class="bad">Stopped early: {escape(result.failure)}</p>' if result.failure else "",
        _tiles(result),
        *_charts(result),
        *_tables(result),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>\n{_STYLE.read_text()}</style></head>\n"
        "<body>" + "\n".join(part for part in body if part) + "</body></html>\n"
    )


def _tiles(result: LoadResult) -> str:
    totals = result.totals
    word, is_good = result_text.verdict(result)
    tiles = [
        ("verdict", f'<span class="{"good" if is_good else "bad"}">{escape(word)}</span>'),
        ("answered a second", result_text.number(result.rate)),
        ("MB/s", result_text.number(result.bytes_a_second / 1e6)),
        ("answered", f"{totals.answered:,}"),
        ("acknowledged", f"{totals.acknowledged:,}"),
        ("errors", f"{totals.errors:,}"),
        ("unfinished", f"{max(result.in_flight, 0):,}"),
        *((name, result_text.span(totals.latency.percentile(p))) for name, p in result_text.SHOWN),
        ("max", result_text.span(totals.latency.largest)),
    ]
    return '<div class="tiles">{}</div>'.format(
        "".join(f"<div><b>{value}</b>{name}</div>" for name, value in tiles)
    )


def _charts(result: LoadResult) -> list[str]:
    if not result.totals.latency.count:
        return ["<p>No responses: there is nothing to draw.</p>"]
    return [
        "<h2>Latency over time</h2>",
        _latency(result),
        '<p class="soft">From when an operation should have started; logarithmic scale.</p>',
        "<h2>Offered and achieved load</h2>",
        _load(result),
        "<h2>Errors and unfinished operations</h2>",
        _troubles(result),
        '<p class="soft">Errors in each interval; unfinished: in flight, or due and not started, '
        "at its end.</p>",
        "<h2>Distribution of latency</h2>",
        _distribution(result.totals),
        *_knee(result),
    ]


def _time(result: LoadResult) -> Axis:
    end = (max(result.slices) + 1) * result.slice_width
    return Axis(0.0, end, "seconds from the start", lambda value: f"{value:g}")


def _latency(result: LoadResult) -> str:
    width = result.slice_width
    answered = [(i, t) for i, t in sorted(result.slices.items()) if t.latency.count]
    values = [t.latency.percentile(50) for _, t in answered]
    low = min(value for value in values if value >= 0) or 1e-6
    high = max(t.latency.largest for _, t in answered)
    y = Axis(low * 0.7, max(high * 1.3, low * 2), "latency", result_text.span, logarithmic=True)
    kinds = (("max", 100.0, _RED), ("p99", 99.0, _ORANGE), ("p50", 50.0, _BLUE))
    series = [
        Series(
            name,
            colour,
            [((i + 0.5) * width, max(t.latency.percentile(p), 1e-6)) for i, t in answered],
            is_broad=name == "max",
        )
        for name, p, colour in kinds
    ]
    return lines(_time(result), y, series)


def _rates(result: LoadResult, name: str) -> list[tuple[float, float]]:
    """Return the numbers a second of a count, at the middle of each slice."""
    width, end = result.slice_width, result.seconds
    # The last slice may be cut short: a small part of one says nothing about a rate.
    spans = [(i, min(width, end - i * width)) for i in range(max(result.slices) + 1)]
    whole = [(i, span) for i, span in spans if span > width / 4] or [(0, max(end, 1e-3))]
    return [
        ((i + 0.5) * width, getattr(result.slices.get(i, Tally()), name) / span)
        for i, span in whole
    ]


def _load(result: LoadResult) -> str:
    kinds = (("offered", _ORANGE), ("answered", _BLUE))
    series = [
        Series(name, colour, _rates(result, name), name == "offered") for name, colour in kinds
    ]
    return _numbers(result, "a second", series)


def _troubles(result: LoadResult) -> str:
    width = result.slice_width
    unfinished = [((i + 1) * width, float(n)) for i, n in enumerate(result.unfinished())]
    errors = [
        ((i + 1) * width, float(result.slices.get(i, Tally()).errors))
        for i in range(len(unfinished))
    ]
    series = [Series("unfinished", _ORANGE, unfinished), Series("errors", _RED, errors)]
    return _numbers(result, "operations", series)


def _numbers(result: LoadResult, label: str, series: Sequence[Series]) -> str:
    high = max(value for one in series for _, value in one.points)
    return lines(_time(result), Axis(0.0, high * 1.1 or 1.0, label, result_text.number), series)


def _distribution(totals: Tally) -> str:
    """Draw buckets of equal width on a logarithmic axis, so that the tail can be seen."""
    histogram = totals.latency
    low, high = max(histogram.smallest, 1e-6) * 0.9, max(histogram.largest, 2e-6) * 1.1
    x = Axis(low, high, "latency", result_text.span, logarithmic=True)
    counts = [0] * _BARS
    for middle, count in histogram.rows():
        counts[min(int(x.place(middle) * _BARS), _BARS - 1)] += count
    edges = [low * (high / low) ** (i / _BARS) for i in range(_BARS + 1)]
    rows = [(edges[i], edges[i + 1], float(count)) for i, count in enumerate(counts) if count]
    y = Axis(0.5, max(counts) * 1.3, "operations", result_text.number, logarithmic=True)
    return bars(x, y, rows, _GREEN)


def _knee(result: LoadResult) -> list[str]:
    knee, rate = result.knee, result.plan.rate
    if knee is None or rate is None:
        return []
    rows = []
    for index, planned in enumerate(rate.step_rates()):
        tally = result.steps.get(index)
        if tally is None:
            continue
        rows.append(
            (
                result_text.number(planned),
                result_text.number(tally.offered / result.step_width),
                result_text.number(tally.answered / result.step_width),
                result_text.span(tally.latency.percentile(50)),
                result_text.span(tally.latency.percentile(99)),
                f"{tally.errors:,}",
            )
        )
    found = "none" if knee.offered is None else f"{result_text.number(knee.offered)} a second"
    heads = ("planned a second", "offered", "achieved", "p50", "p99", "errors")
    title = "<h2>Ramp</h2>"
    text = f"<p>The highest step that the peer kept up with: <b>{found}</b>.</p>"
    return [title, text, _table(heads, rows)]


def _tables(result: LoadResult) -> Iterable[str]:
    totals = result.totals
    tables = (
        ("Statuses", totals.statuses),
        ("Rejected associations", totals.rejects),
        ("Other failures", totals.failures),
    )
    for title, table in tables:
        yield f"<h2>{title}</h2>"
        rows = [(text, f"{count:,}") for text, count in sorted(table.items(), key=lambda x: -x[1])]
        yield _table(("what", "times"), rows) if rows else '<p class="soft">None.</p>'
    yield "<h2>Summary</h2>"
    yield f"<pre>{escape(chr(10).join(result_text.summary(result)))}</pre>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
