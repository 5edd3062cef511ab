"""How long a test waits for what must come: long, and longer on a machine that is busy.

A wait ends with its event, so only a test that fails waits to the end. `PATIENCE` is how many times
longer things may take here than on a machine that does nothing else. It is measured when the tests
start, or taken from the environment, and inherited by every process that they start. Timeouts that
a test gives to the program under test are multiplied by it too.
"""

from __future__ import annotations

import os
from pathlib import Path

_VARIABLE = "GATEWAY_TESTS_PATIENCE"


def crowd() -> float:
    """Processes that want a processor, for each processor: now, or over the last minute."""
    running = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0])
    return max(os.getloadavg()[0], running - 1) / len(os.sched_getaffinity(0))


PATIENCE = float(os.environ.setdefault(_VARIABLE, f"{min(5, 1 + crowd()):.1f}"))

WALL = 60.0 * PATIENCE
"""Seconds for one event."""
