"""Growing pauses between attempts."""

from __future__ import annotations

import random

JITTER = 0.1
"""The share by which pauses vary, so that hosts do not come all at once."""


def pause_after(failures: int, first: float, longest: float) -> float:
    """Return the pause after so many failures in a row, from 1, varied by a tenth."""
    exponent = min(failures - 1, 60)
    return min(first * 2.0**exponent, longest) * random.uniform(1 - JITTER, 1 + JITTER)
