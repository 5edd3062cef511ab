"""Time by Python function in the children of a gateway: `python -m tests.bench cost --profile`."""

from __future__ import annotations

import os
import pstats
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.scratch import scratch
from tests.bench.sending import FIRST, FailedError, Plan, send, sender
from tests.bench.wrapped import wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHILD = Path(__file__).with_name("profiled_child.py").resolve()
_WARM_UP = 100
_LINES = 45
_LIMIT = 600.0


def child_profiled_to(out: Path) -> list[str]:
    """Return the command that starts a child and writes its profile at its end."""
    return [sys.executable, "-P", str(_CHILD), str(out)]


def print_profiles(names: Sequence[str], size: int, count: int, associations: int) -> None:
    """Print the functions in which each child spends most while `count` instances are stored."""
    with scratch() as place, place.folder() as folder:
        data = place.prepared(size)
        warm_up = Plan(associations, _WARM_UP, _LIMIT, _LIMIT, data, FIRST + count)
        plan = Plan(associations, count, _LIMIT, _LIMIT, data)
        commands = {name: child_profiled_to(folder / f"{name}.profile") for name in names}
        with wrapped(folder, commands) as gateway:
            send(gateway.address, warm_up)
            with sender(gateway.address, plan) as client:
                for pid in gateway.pids.values():
                    os.kill(pid, signal.SIGUSR1)
                outcome = client.run()
            if outcome.reason:
                raise FailedError(outcome.reason)
        for name in names:
            print(f"\n{name}: {count} instances of {size} bytes, {associations} associations")
            pstats.Stats(str(folder / f"{name}.profile")).sort_stats("tottime").print_stats(_LINES)
