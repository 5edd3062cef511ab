"""Run a module that measures nothing: `unmeasured_child.py -P -m MODULE NAME`."""

from __future__ import annotations

from typing import Any

from tests.bench.unhurried_child import replace_all, run_module


def _nothing(*_: Any) -> None:
    """Do nothing."""


def measure_nothing() -> None:
    from gateway.acceptor.stages import StageTimes
    from gateway.metrics import Distribution
    from gateway.sdk.worker_measuring import WorkerMeasuring

    replace_all(
        (StageTimes, "finished", _nothing),
        (WorkerMeasuring, "called", _nothing),
        (Distribution, "observe", _nothing),
    )


if __name__ == "__main__":
    run_module(measure_nothing)
