"""A child process of a load: `python -m gateway.load.child`, started by the coordinator.

It opens its associations, reports that it is ready, reads the start time from the descriptor `go`,
runs the load, and reports during the run and at its end.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import sys

from gateway.errors import GatewayError
from gateway.load.load_engine import Engine
from gateway.load.load_operations import templates_of
from gateway.load.load_plan import START_LENGTH, STORE, Plan
from gateway.process import EXIT_CONFIG, EXIT_FAILED, Inherited, inherit

_NOTES = 20
"""Remarks on files that are reported, because the size of a report is limited."""


async def _run(plan: Plan, inherited: Inherited) -> int:
    templates, notes = templates_of(plan) if plan.operation == STORE else ([], [])
    engine = Engine(plan, templates, inherited.report)
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, engine.stop)
    is_open = await engine.open()
    engine.recorder.flush(inherited.report)
    if (more := len(notes) - _NOTES) > 0:
        notes = [*notes[:_NOTES], f"and {more} more"]
    inherited.report(ready=True, open=is_open, notes=notes if plan.process == 0 else [])
    line = await asyncio.to_thread(os.read, inherited.fds["go"], START_LENGTH)
    if not line.strip():  # the parent is gone, or there is no association
        return EXIT_FAILED
    gc.collect()
    gc.freeze()
    before = resource.getrusage(resource.RUSAGE_SELF)
    await engine.run(float(line))
    after = resource.getrusage(resource.RUSAGE_SELF)
    inherited.report(
        done=True,
        failure=engine.failure,
        user=after.ru_utime - before.ru_utime,
        system=after.ru_stime - before.ru_stime,
        peak_memory=after.ru_maxrss * 1024,
    )
    return 0


def main() -> int:
    """Run the load that the parent describes; return the exit status."""
    inherited = inherit()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        return asyncio.run(_run(Plan.from_map(inherited.settings), inherited))
    except GatewayError as error:
        inherited.report(error=str(error))
        return EXIT_CONFIG


if __name__ == "__main__":
    sys.exit(main())
