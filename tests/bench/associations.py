"""Associations set up and released a second: `python -m tests.bench associations`."""

from __future__ import annotations

import argparse
import statistics

from tests.bench import tree
from tests.bench.rows import show, started
from tests.bench.sending import FailedError, Plan, send
from tests.bench.servers import Server, chosen

HEADS = ("server", "at once", "associations/s", "ratio", "p50, ms", "p99, ms", "CPU of each, ms")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench associations", description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--only", default="", metavar="NAME,...", help="servers")
    options = parser.parse_args(arguments)
    servers, absent = chosen(options.only or "pynetdicom,dcmtk,orthanc,gateway-durable,sink")
    # The limit stores nothing here: one of its kinds is enough.
    servers = [server for server in servers if server.name != "sink-sync"]
    rows, base = [], {}
    for at_once in options.at_once:
        found: dict[str, list[list[float]]] = {}
        for _ in range(options.rounds):
            for server in servers:
                found.setdefault(server.name, []).append(_measure(server, at_once, options))
        for server in servers:
            rate, p50, p99, cpu = (
                statistics.median(c) for c in zip(*found[server.name], strict=True)
            )
            base.setdefault(at_once, rate)
            ratio = f"{rate / base[at_once]:.1f}" if base[at_once] else "-"
            cells = (
                f"{rate:.0f}",
                ratio,
                f"{p50 * 1e3:.2f}",
                f"{p99 * 1e3:.2f}",
                f"{cpu * 1e3:.2f}",
            )
            rows.append((server.title, str(at_once), *(cells if rate else ("fails", *"----"))))
    show(f"associations without any operation, {options.rounds} rounds", HEADS, rows)
    for name, reason in absent.items():
        print(f"not measured: {name}: {reason}")


def _measure(server: Server, at_once: int, options: argparse.Namespace) -> list[float]:
    """A second, p50, p99, CPU seconds of each; zeros for a failure."""
    try:
        with started(server) as (running, _):
            before = tree.cpu(running.pid)
            plan = Plan(at_once, options.count, options.seconds, only_associations=True)
            outcome = send(running.address, plan)
            cpu = tree.cpu(running.pid) - before
    except (FailedError, OSError, AssertionError) as error:
        print(f"fails: {server.name}, {at_once} at once: {error}")
        return [0.0] * 4
    return [outcome.rate, outcome.p50, outcome.p99, cpu / max(outcome.acknowledged, 1)]


if __name__ == "__main__":
    main()
