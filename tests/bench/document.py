"""The tables of a comparison in README.md of this folder, and the chart beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import bar, plot
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
_BEGIN, _END = "<!-- peers: begin -->", "<!-- peers: end -->"
_SHOWN = Case(CLIENT, CT, 10)
"""The load of which the README at the top tells."""


def write(figures: Figures, checkout: Path = _CHECKOUT) -> None:
    """Replace what stands between the marks in both README.md, and the chart."""
    bench = checkout / "tests/bench"
    (bench / "figures/peers.svg").write_text(plot.svg(figures))
    _put(bench / "README.md", _tables(figures))
    if figures.median(_SHOWN, "gateway-durable") is not None:
        _put(checkout / "README.md", _summary(figures))


def _put(document: Path, text: str) -> None:
    before, _, rest = document.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    document.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{after}")


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
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(measured: Measured | None, cell: Callable[[Measured], str]) -> str:
    if measured is None:
        return "-"
    return "fails" if measured.reason else cell(measured)


def _number(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}"
