"""The tables of the comparisons in README.md of this folder, and the charts beside them.

`python -m tests.bench document` measures both comparisons, of receiving and of giving back, and
writes all of them anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import bar, plot
from tests.bench.archives import TITLES
from tests.bench.bar import CT
from tests.bench.figures import Case
from tests.bench.servers import SERVERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.clients import Measured
    from tests.bench.figures import Figures

CLIENT = "prepared"
"""The client whose figures are shown."""
_CHECKOUT = Path(__file__).parents[2]
_SHOWN = Case(CLIENT, CT, 10)
"""The load of which the README at the top tells."""


_PEERS, _RETRIEVE = "peers", "retrieve"


def write(figures: Figures, checkout: Path = _CHECKOUT) -> None:
    """Replace what stands between the marks of receiving in both README.md, and its chart."""
    bench = checkout / "tests/bench"
    (bench / "figures/peers.svg").write_text(plot.svg(figures))
    _put(bench / "README.md", _PEERS, _tables(figures))
    if figures.median(_SHOWN, "gateway-durable") is not None:
        _put(checkout / "README.md", _PEERS, _summary(figures))


def write_retrieved(figures: Figures, checkout: Path = _CHECKOUT) -> None:
    """Replace what stands between the marks of giving back, and its chart."""
    bench = checkout / "tests/bench"
    chart = plot.Chart(
        "Instances given back a second",
        f"{figures.made_with.get('count', '?')} instances over loopback; C-FIND: matches.",
        tuple(figures.clients),
        TITLES,
    )
    (bench / "figures/retrieve.svg").write_text(plot.svg(figures, chart))
    _put(bench / "README.md", _RETRIEVE, _retrieved(figures))


def _put(document: Path, name: str, text: str) -> None:
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = document.read_text().partition(begin)
    _, also_found, after = rest.partition(end)
    if not (found and also_found):
        raise ValueError(f"{document} has no {begin} ... {end}")
    document.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def _summary(figures: Figures) -> str:
    def shown(server: str) -> str:
        return _cell(figures.median(_SHOWN, server), lambda one: _number(one.rate))

    cores = figures.made_with.get("cores", "?")
    return (
        f"C-STORE of 512 KB on 10 associations, loopback, {cores} cores, instances a second:\n"
        f"pynetdicom {shown('pynetdicom')}, Orthanc {shown('orthanc')}, DCMTK {shown('dcmtk')} "
        "(which syncs nothing), the gateway\n"
        f"{shown('gateway-durable')} durable and {shown('gateway-written')} written."
    )


def _retrieved(figures: Figures) -> str:
    made = figures.made_with
    heads = ["", *(TITLES[name] for name in figures.servers), "to the faster peer", "CPU", ""]
    rows = [heads, ["---"] * len(heads)]
    for case in (case for client in figures.clients for case in figures.cases(client)):
        cells = [
            _cell(
                figures.median(case, name),
                lambda one: f"{_number(one.rate)} ({one.server_cpu * 1e3:.3g})",
            )
            for name in figures.servers
        ]
        rows.append([f"{case.client} {case.title}", *cells, *bar.judge_retrieval(figures, case)])
    return (
        f"{made.get('cores', '?')} cores, one run, medians of {made.get('rounds', '?')} rounds, a"
        f" study of {made.get('count', '?')} instances, {made.get('acceptors', '?')} acceptors and"
        " retrieve workers. Instances (C-FIND: matches) a second, in brackets the server's CPU for"
        " each in ms; CPU is to dcmqrscp:\n\n"
    ) + _rows(rows)


def _tables(figures: Figures) -> str:
    made = figures.made_with
    return "\n\n".join(
        (
            f"{made.get('cores', '?')} cores, one run, medians of {made.get('rounds', '?')} "
            "rounds, prepared bytes. Stored instances a second:",
            _table(figures, lambda one: _number(one.rate)),
            "The server's CPU for an instance, in ms:",
            _table(figures, lambda one: f"{one.server_cpu * 1e3:.3g}"),
        )
    )


def _table(figures: Figures, cell: Callable[[Measured], str]) -> str:
    cases = figures.cases(CLIENT)
    rows = [["server", *(case.title for case in cases)], ["---"] * (len(cases) + 1)]
    for server in figures.servers:
        cells = [_cell(figures.median(case, server), cell) for case in cases]
        title = SERVERS[server].title
        is_ours = server in bar.SINKS
        rows.append([f"**{title}**" if is_ours else title, *cells])
    return _rows(rows)


def _rows(rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(measured: Measured | None, cell: Callable[[Measured], str]) -> str:
    if measured is None:
        return "-"
    return "fails" if measured.reason else cell(measured)


def _number(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}"
