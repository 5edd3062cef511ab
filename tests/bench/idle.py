"""The cost of idle associations: `python -m tests.bench idle`."""

from __future__ import annotations

import argparse
import time

from tests.bench import tree
from tests.bench.rows import gateway_of, show
from tests.bench.sending import Plan, sender


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench idle", description=__doc__)
    parser.add_argument("--associations", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args(arguments)
    with gateway_of() as (server, _):
        alone = _share(server.pid, options.seconds)
        before = tree.proportional_of_tree(server.pid)
        with sender(server.address, Plan(options.associations)):
            settled = _share(server.pid, options.seconds)
            after = tree.proportional_of_tree(server.pid)
    each = (after - before) / options.associations
    show(
        f"the gateway's whole process tree over {options.seconds:g} s",
        ("idle associations", "CPU, % of a core", "memory, MB", "memory of each, kB"),
        (
            ("0", f"{alone * 100:.2f}", f"{before / 1e6:.1f}", "-"),
            (
                str(options.associations),
                f"{settled * 100:.2f}",
                f"{after / 1e6:.1f}",
                f"{each / 1e3:.1f}",
            ),
        ),
    )


def _share(pid: int, seconds: float) -> float:
    """Of one core."""
    begun, cpu = time.perf_counter(), tree.cpu(pid)
    time.sleep(seconds)
    return (tree.cpu(pid) - cpu) / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
