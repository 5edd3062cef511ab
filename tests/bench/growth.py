"""The growth of cost with associations and with objects: `python -m tests.bench growth`.

A straight line is wished for: CPU of an instance that does not depend on the number of
associations, CPU of a megabyte that falls to a floor, and memory that depends on neither.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tests.bench import tree
from tests.bench.clients import warm
from tests.bench.figures import size_of, size_text
from tests.bench.rows import gateway_of, show
from tests.bench.scratch import settle
from tests.bench.sending import FIRST, FailedError, Plan, sender
from tests.peers import procfs

if TYPE_CHECKING:
    from tests.bench.scratch import Scratch
    from tests.bench.servers import Running

_VOLUME = 1_000_000_000
_MOST = 3000
_LONG = 300.0


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench growth", description=__doc__)
    parser.add_argument("--associations", default="1,10,100,1000")
    parser.add_argument("--sizes", default="1k,10k,100k,1m,10m,100m,1g")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    options = parser.parse_args(arguments)
    heads = ("load", "instances/s", "CPU of each, ms", "CPU of a MB, ms", "acceptor's peak, MB")
    with gateway_of() as (server, place):
        rows = [
            _row(server, place, int(count), 8 * 1024, options.seconds)
            for count in options.associations.split(",")
        ]
        show("8 KB on more and more associations; CPU of the whole process tree", heads, rows)
    with gateway_of() as (server, place):
        rows = [
            _row(server, place, 4, size_of(size), options.seconds)
            for size in options.sizes.split(",")
        ]
        show("larger and larger objects on 4 associations", heads, rows)


_first = FIRST


def _row(
    server: Running, place: Scratch, associations: int, size: int, seconds: float
) -> tuple[str, ...]:
    global _first
    data = place.prepared(size)
    if _first == FIRST:
        _first += warm(server, data)
    count = max(associations, min(_MOST, _VOLUME // size))
    acceptor = procfs.find_child(server.pid, "acceptor-0")
    assert acceptor is not None, "there is no acceptor"
    settle()
    plan = Plan(associations, count, seconds, _LONG, data, _first)
    title = f"{size_text(size)} x{associations}"
    try:
        with sender(server.address, plan) as client:
            procfs.reset_peak(acceptor)
            before = tree.cpu(server.pid)
            outcome = client.run()
            cpu = tree.cpu(server.pid) - before
            peak = procfs.memory(acceptor, "VmHWM")
    except FailedError as failed:
        return (title, f"fails: {failed}", "-", "-", "-")
    if outcome.reason or not outcome.acknowledged:
        return (title, f"fails: {outcome.reason}", "-", "-", "-")
    _first += count
    each = cpu / outcome.acknowledged * 1e3
    return (
        title,
        f"{outcome.rate:.1f}",
        f"{each:.3g}",
        f"{each / (size / 1e6):.3g}",
        f"{peak / 1e6:.1f}",
    )


if __name__ == "__main__":
    main()
