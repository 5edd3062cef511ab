"""A comparison as tables in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from tests.bench import bar
from tests.bench.clients import CLIENTS
from tests.bench.servers import SERVERS

if TYPE_CHECKING:
    from tests.bench.clients import Measured
    from tests.bench.figures import Case, Figures

BASE = "pynetdicom"
WIDTH = 170


def show(figures: Figures) -> None:
    console = Console(width=WIDTH)
    for client in figures.clients:
        console.print(_rates(figures, client))
        console.print(_costs(figures, client))
        share = figures.client_share(client)
        console.print(f"The client itself took at most {share:.2f} of a core.\n")
    for (client, server, case), reason in _failures(figures).items():
        console.print(
            f"fails: {server}, {CLIENTS[client].title}, {case}: {reason}", highlight=False
        )
    verdicts = bar.judge(figures.rate)
    if verdicts:
        console.print(_bar(verdicts))
    for server, reason in figures.made_with.get("absent", {}).items():
        console.print(f"not measured: {server}: {reason}", highlight=False)


def _failures(figures: Figures) -> dict[tuple[str, str, str], str]:
    return {
        (client, server, case.title): measured.reason
        for client in figures.clients
        for case in figures.cases(client)
        for server in figures.servers
        if (measured := figures.median(case, server)) is not None and measured.reason
    }


def _table(figures: Figures, client: str, title: str, caption: str) -> Table:
    table = Table(title=title, caption=caption, caption_justify="left")
    table.add_column("server", no_wrap=True)
    for case in figures.cases(client):
        table.add_column(case.title, justify="right")
    return table


def _rates(figures: Figures, client: str) -> Table:
    made = figures.made_with
    title = (
        f"{CLIENTS[client].title}: instances a second, "
        f"median of {made.get('rounds', '?')} rounds on {made.get('cores', '?')} cores"
    )
    table = _table(figures, client, title, f"ratios to {BASE}; bytes of pixels x associations")
    for server in figures.servers:
        cells = [_rate(figures, case, server) for case in figures.cases(client)]
        table.add_row(SERVERS[server].title, *cells)
    return table


def _rate(figures: Figures, case: Case, server: str) -> str:
    measured, base = figures.median(case, server), figures.rate(case, BASE)
    if measured is None:
        return "-"
    if measured.reason:
        return "fails"
    ratio = f" {_rounded(measured.rate / base)}x" if base else ""
    return f"{_rounded(measured.rate)}{ratio}"


def _rounded(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}" if value < 10 else f"{value:.3g}"


def _costs(figures: Figures, client: str) -> Table:
    title = (
        f"{CLIENTS[client].title}: the server's CPU for an instance in ms, its peak memory in MB"
    )
    caption = "of its whole process tree; pages that processes share count once"
    table = _table(figures, client, title, caption)
    for server in figures.servers:
        cells = [_cost(figures.median(case, server)) for case in figures.cases(client)]
        table.add_row(SERVERS[server].title, *cells)
    return table


def _cost(measured: Measured | None) -> str:
    if measured is None or measured.reason:
        return "-"
    memory = f" {measured.memory / 1e6:.0f}" if measured.memory else ""
    return f"{measured.server_cpu * 1e3:.3g}{memory}"


def _bar(verdicts: list[bar.Verdict]) -> Table:
    met = sum(one.reached for one in verdicts)
    caption = f"*: where more would be asked, {bar.CAP} of the bare sink of the same kind"
    table = Table(title=f"the bar: {met} of {len(verdicts)}", caption=caption)
    for name in ("ours", "theirs", "client", "load", "asked", "measured", "of the sink", ""):
        right = name in ("asked", "measured", "of the sink")
        table.add_column(name, justify="right" if right else "left")
    for one in verdicts:
        asked = "it fails" if one.asked is None else f"{one.asked:.2g}x{'*' if one.capped else ''}"
        table.add_row(
            one.term.ours,
            one.term.theirs,
            one.term.client,
            one.case.title,
            asked,
            "-" if one.ratio is None else f"{_rounded(one.ratio)}x",
            "-" if one.of_sink is None else f"{one.of_sink:.2f}",
            "reached" if one.reached else "not reached",
        )
    return table
