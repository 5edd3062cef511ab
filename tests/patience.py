"""Time limits of tests: generous, and longer on a busy machine.

A wait ends with its event, so only a test that fails waits until the limit. `PATIENCE` is how much
longer things may take than on an idle machine. It is measured when the tests start, unless the
environment has it, and all processes that they start inherit it. Tests multiply the timeouts that
they configure in the program under test by it too.
"""

from __future__ import annotations

import os
from pathlib import Path

_VARIABLE = "GATEWAY_TESTS_PATIENCE"


def crowd() -> float:
    """Return the number of runnable processes for each processor: now or over the last minute."""
    running = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0])
    return max(os.getloadavg()[0], running - 1) / len(os.sched_getaffinity(0))


PATIENCE = float(os.environ.setdefault(_VARIABLE, f"{min(5, 1 + crowd()):.1f}"))

WALL = 60.0 * PATIENCE
"""Seconds to wait for one event."""
