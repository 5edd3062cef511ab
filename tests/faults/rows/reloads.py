"""Reloads under load."""

from __future__ import annotations

from tests.faults.reloads import run
from tests.faults.row import Row

ROWS = [
    Row(
        "reload",
        "P1 P8",
        "reloads under load, with other certificates, rules, limits and workers each time",
        lambda options: run(options.reloads),
    )
]
