"""C-ECHO on one association while others store: `python -m tests.bench echo`.

What an operation waits for that has nothing to wait for: the work of others in the same process.
Shown are round trips, and the same net of the time in which the acceptor's main thread or the
client were ready to run and got no core (the second number of /proc/PID/schedstat): that is for
want of cores, not for the work of others.
"""

from __future__ import annotations

import argparse
import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.bench.clients import warm
from tests.bench.figures import size_of, size_text
from tests.bench.rows import gateway_of, show
from tests.bench.sending import FIRST, Plan, sender
from tests.peers import procfs, wire
from tests.peers.raw import RawPeer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.servers import Running

_MANY = 1_000_000
_MARGIN = 1.0
"""Seconds for which it is stored longer than the echoes take."""


@dataclass
class RoundTrips:
    """Seconds of C-ECHOs, in order of time: whole, and net of waits for a core."""

    whole: list[float] = field(default_factory=list)
    net: list[float] = field(default_factory=list)

    def cells(self) -> tuple[str, ...]:
        times = (
            *(quantile(self.whole, part) for part in (0.5, 0.99)),
            *(quantile(self.net, part) for part in (0.5, 0.99)),
            max(self.net),
        )
        return (str(len(self.whole)), *(f"{one * 1e3:.2f}" for one in times))


def quantile(times: list[float], part: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * part))]


def echoes(server: Running, seconds: float) -> RoundTrips:
    """C-ECHOs one after the other, for that many seconds."""
    acceptor = procfs.find_child(server.pid, "acceptor-0")
    assert acceptor is not None
    found = RoundTrips()
    with ExitStack() as stack:
        peer = stack.enter_context(RawPeer(server.address))
        peer.associate(wire.context(1))
        waited = [_waited(stack, name) for name in (str(acceptor), "thread-self")]
        over = time.monotonic() + seconds
        while time.monotonic() < over:
            before = sum(one() for one in waited)
            began = time.perf_counter()
            peer.echo()
            took = time.perf_counter() - began
            found.whole.append(took)
            found.net.append(max(0.0, took - (sum(one() for one in waited) - before)))
        peer.release()
    return found


def _waited(stack: ExitStack, name: str) -> Callable[[], float]:
    """Return a function: the seconds for which a main thread has waited for a core so far."""
    descriptor = os.open(f"/proc/{name}/schedstat", os.O_RDONLY)
    stack.callback(os.close, descriptor)
    return lambda: int(os.pread(descriptor, 64, 0).split()[1]) / 1e9


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench echo", description=__doc__)
    parser.add_argument("--associations", type=int, default=25, help="that store")
    parser.add_argument("--size", type=size_of, default=512 * 1024)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args(arguments)
    rows = []
    for durability in ("durable", "written"):
        with gateway_of(f'[gateway]\ndurability = "{durability}"\n') as (server, place):
            data = place.prepared(options.size)
            first = FIRST + warm(server, data)
            idle = echoes(server, options.seconds)
            # It stores for longer than the echoes take, and on both sides of them.
            seconds = options.seconds + _MARGIN
            plan = Plan(options.associations, _MANY, seconds, data=data, first=first)
            with sender(server.address, plan) as stores:
                stores.begin()
                busy = echoes(server, options.seconds)
                stored = stores.outcome()
        rows.append((f"{durability}, idle", *idle.cells(), "", "-"))
        ratio = quantile(busy.net, 0.99) / quantile(idle.net, 0.99)
        busy_title = f"{durability}, {options.associations} store {size_text(options.size)}"
        rows.append((busy_title, *busy.cells(), f"{ratio:.1f}", f"{stored.rate:.0f}"))
    heads = ("gateway", "echoes", "p50, ms", "p99", "net p50", "net p99", "net longest")
    title = "C-ECHO, one after the other on one association; net of waits for a core"
    show(title, (*heads, "p99 to idle", "stored/s"), rows)


if __name__ == "__main__":
    main()
