"""Stored instances a second with and without the index: `python -m tests.bench with-index`."""

from __future__ import annotations

import argparse
import os
import statistics
from pathlib import Path

from tests.bench.rows import gateway_of
from tests.bench.sending import measure
from tests.peers.workers import STORAGE_OFF

PLAIN = f'{STORAGE_OFF}[workers.plain]\nworker = "tests.bench.plain_storage:worker"\n'
CONFIGS = {"with the index": "", "without": PLAIN}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench with-index", description=__doc__)
    parser.add_argument("--associations", type=int, default=10)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--size", type=int, default=512 * 1024)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    figures: dict[str, list[float]] = {name: [] for name in CONFIGS}
    for _ in range(options.rounds):
        for name, config in CONFIGS.items():
            with gateway_of(config) as (server, place):
                data = place.prepared(options.size)
                rate = measure(server.address, options.associations, options.count, data)
            figures[name].append(rate)
    medians = {name: statistics.median(rates) for name, rates in figures.items()}
    for name, rates in figures.items():
        print(f"{name}: {medians[name]:.0f}/s (from {min(rates):.0f} to {max(rates):.0f})")
    print(f"ratio {medians['with the index'] / medians['without']:.2f}")


if __name__ == "__main__":
    main()
