"""`dicom-gateway top`: what a running gateway does, renewed every second, in a terminal."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.common import settings_of
from gateway.cli.watching import watcher
from gateway.collector import Collector
from gateway.events import EVT_METRICS
from gateway.metrics import Distribution
from gateway.requestor.status_text import printable
from gateway.shared_options import ConfigOption, DataOption

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import RenderableType
    from rich.table import Table

    from gateway.fabric import Notification
    from gateway.metrics import Metric

NAME = "dicom-gateway top"
"""The name of its leases."""
PERIOD = 1.0
SPAN = 5
"""Seconds over which a rate is taken: each process tells its totals at its own moment."""
PEERS = 10
"""Peers that are shown, those with most traffic first."""
_TOTALS = {
    "instances": "dicom_gateway_instances_received_total",
    "requests": "dicom_gateway_requests_total",
    "received": "dicom_gateway_received_bytes_total",
    "sent": "dicom_gateway_sent_bytes_total",
}
_HANDLERS = "dicom_gateway_handler_seconds"
_UNITS = ("B", "kB", "MB", "GB", "TB")

Totals = dict[tuple[str, str], dict[str, float]]
"""The totals of each pair of calling and called AE title."""


def command(
    data: DataOption = None,
    config: ConfigOption = None,
    once: Annotated[
        bool, typer.Option("--once", help="Print it once, after some seconds, and leave.")
    ] = False,
) -> None:
    """Show what a running gateway does, renewed every second, until Ctrl-C.

    State and what is wrong, rates, processes, and the peers with most traffic. The exit status is 0
    after Ctrl-C, and 1 if no gateway runs or it has left. If standard output is not a terminal, it
    is printed once.
    """
    settings = settings_of(config, data=data)
    place, collector = Path(settings.gateway.data), Collector()

    def take(notification: Notification) -> None:
        body = notification.body
        collector.take(str(body["process"]), float(body["started"]), list(body["metrics"]))

    client = watcher(place, settings.fabric, NAME, [EVT_METRICS.name], on_notification=take)
    client.start()
    try:
        _show(place, collector, once=once or not sys.stdout.isatty())
    except KeyboardInterrupt:
        return
    finally:
        client.stop()


def _show(place: Path, collector: Collector, *, once: bool) -> None:
    from rich.console import Console
    from rich.live import Live

    from gateway.supervisor import ask_running

    look, leave = Look(), threading.Event()
    if once:
        look.take(collector.metrics(), time.monotonic())
        leave.wait(2 * PERIOD)
        look.take(collector.metrics(), time.monotonic())
        Console().print(look.screen(ask_running(place, "status")))
        return
    with Live(screen=True, auto_refresh=False) as live:
        while True:
            look.take(collector.metrics(), time.monotonic())
            live.update(look.screen(ask_running(place, "status")), refresh=True)
            leave.wait(PERIOD)


class Look:
    """The last totals, from which rates are taken."""

    def __init__(self) -> None:
        self._earlier: list[tuple[float, Totals]] = []
        self._handlers = Distribution()

    def take(self, metrics: Iterable[Metric], now: float) -> None:
        """Take the metrics of all processes; `now` is in seconds."""
        by_name = {metric.name: metric for metric in metrics}
        self._earlier = [*self._earlier[-SPAN:], (now, _totals(by_name))]
        handlers = by_name.get(_HANDLERS)
        self._handlers = Distribution()
        for value in handlers.series.values() if handlers is not None else ():
            if isinstance(value, Distribution):
                self._handlers.merge(value)

    def rates(self) -> Totals:
        """Return the rates a second of each peer."""
        (begun, before), (now, totals) = self._earlier[0], self._earlier[-1]
        passed = max(now - begun, 1e-9)
        return {
            peer: {
                name: max(0.0, number - before.get(peer, {}).get(name, 0.0)) / passed
                for name, number in values.items()
            }
            for peer, values in totals.items()
        }

    def screen(self, status: dict[str, Any]) -> RenderableType:
        """Return what is shown, with the answer of the supervisor."""
        from rich.console import Group

        return Group(*self._lines(status), _processes(status), self._peers())

    def _lines(self, status: dict[str, Any]) -> Iterator[RenderableType]:
        from rich.text import Text

        color = {"ok": "bold green", "degraded": "bold yellow"}.get(status["state"], "bold red")
        host, port = status["address"]
        drained = ", drained" if status.get("drained") else ""
        head = f"  {status['ae_title']} at {host}:{port}, success means {status['durability']}"
        yield Text.assemble((f"{status['state']}{drained}", color), printable(head))
        for reason in status["reasons"]:
            yield Text(f"  {printable(reason)}", style="yellow")
        total = dict.fromkeys(_TOTALS, 0.0)
        for rates in self.rates().values():
            total = {name: total[name] + rates[name] for name in total}
        yield Text(
            f"associations {status['associations']}, connections {status['connections']}, "
            f"in flight {status['in_flight']}; a second: {total['instances']:.1f} instances, "
            f"{total['requests']:.1f} requests, {size(total['received'])} received, "
            f"{size(total['sent'])} sent"
        )
        disk, spool, timed = status["disk"], status["spool"], self._handlers
        free = f"disk {size(disk['free'])} free; " if "free" in disk else ""
        handlers = (
            f"; handlers: half below {timed.quantile(0.5) * 1000:.1f} ms, "
            f"99 % below {timed.quantile(0.99) * 1000:.1f} ms"
            if timed.count
            else ""
        )
        yield Text(f"{free}spool {spool['ready']}, quarantine {spool['quarantine']}{handlers}")

    def _peers(self) -> RenderableType:
        table = _table("Calling AE title", "Called")
        for name in ("Instances", "Requests", "Received", "Sent"):
            table.add_column(name + "/s", justify="right")
        table.add_column("Instances", justify="right")
        rates = self.rates()
        busiest = sorted(rates, key=lambda peer: (-rates[peer]["received"], peer))
        for peer in busiest[:PEERS]:
            now, total = rates[peer], self._earlier[-1][1][peer]
            _add_row(
                table,
                *(printable(title) or "-" for title in peer),
                *(f"{now['instances']:.1f}", f"{now['requests']:.1f}"),
                *(size(now["received"]), size(now["sent"]), f"{total['instances']:,.0f}"),
            )
        if len(busiest) > PEERS:
            table.caption = f"and {len(busiest) - PEERS} more"
        return table


def _totals(by_name: dict[str, Metric]) -> Totals:
    found: Totals = {}
    for name, metric in _TOTALS.items():
        for labels, value in by_name[metric].series.items() if metric in by_name else ():
            if not isinstance(value, Distribution):
                peer = found.setdefault((labels[0], labels[1]), dict.fromkeys(_TOTALS, 0.0))
                peer[name] += value
    return found


def _processes(status: dict[str, Any]) -> RenderableType:
    table = _table("Process", "State")
    for name in ("PID", "Restarts", "In hand"):
        table.add_column(name, justify="right")
    table.add_column("Last end or exception")
    workers = [one for worker in status["workers"] for one in worker["processes"]]
    for one in [*status["acceptors"], *workers]:
        _add_row(
            table,
            *(one["name"], one["state"], str(one["pid"] or "-"), str(one["restarts"])),
            str(one.get("in_hand", one.get("in_flight", "-"))),
            printable(one.get("last_exception") or one.get("last_end") or ""),
        )
    return table


def _table(*names: str) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", title_justify="left")
    for name in names:
        table.add_column(name, no_wrap=True)
    return table


def _add_row(table: Table, *cells: str) -> None:
    """Add a row of texts, which are not markup."""
    from rich.text import Text

    table.add_row(*map(Text, cells))


def size(number: float) -> str:
    """Return bytes in a fitting unit, as `31.5 MB`."""
    unit = 0
    while number >= 1000 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.1f} {_UNITS[unit]}" if unit else f"{number:.0f} B"
