"""Run a module that takes its time: `unhurried_child.py -P -m MODULE NAME`.

Below valgrind a process is some fifty times slower. What ends after so many milliseconds would end
after less work there, and what happens once a second would happen for fewer requests: what is
counted would be the cost of another way of working, which depends on the speed of the machine.
"""

from __future__ import annotations

import runpy
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_SLOWER = 50.0


def replace_all(*replaced: tuple[Any, str, Any]) -> None:
    """Replace attributes: (owner, name, double)."""
    for owner, name, double in replaced:
        if not hasattr(owner, name):
            raise AttributeError(f"{owner} has no {name}: this double is out of date")
        setattr(owner, name, double)


def run_module(prepare: Callable[[], None]) -> None:
    """Do as the interpreter would with these arguments, after `prepare`."""
    safe_path, option, module, *rest = sys.argv[1:]
    if (safe_path, option) != ("-P", "-m"):
        raise SystemExit(f"not -P -m: {sys.argv[1:]}")
    prepare()
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def take_time() -> None:
    """Stretch what ends or happens after a time."""
    from gateway.acceptor import c_get, measuring, read_ahead
    from gateway.association import transport, turns
    from gateway.sdk import executor
    from gateway.sdk.move import progress, store_queue
    from workers.archive import batch_writer, in_batches

    sys.setswitchinterval(sys.getswitchinterval() * _SLOWER)
    for module, name in (
        (c_get, "MOMENT"),
        (measuring, "INTERVAL"),
        (measuring, "PROBE"),
        (read_ahead, "SLOW"),
        (transport, "TURN"),
        (turns, "ALL_TURNS"),
        (executor, "SHORT"),
        (progress, "MOMENT"),
        (store_queue, "SLOW"),
        (batch_writer, "_SLOW"),
        (in_batches, "SECONDS"),
    ):
        setattr(module, name, getattr(module, name) * _SLOWER)


if __name__ == "__main__":
    run_module(take_time)
