"""The start times of operations in an open loop: given by the clock, whatever the peer does."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from gateway.load.load_plan import share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.load.load_plan import Plan


def arrivals(plan: Plan) -> Iterator[float]:
    """Yield the start times of this process's operations: seconds from the start, ascending.

    With even intervals the processes take turns. With Poisson arrivals the intervals are
    exponential, and the sum of the processes' arrivals is Poisson again.
    """
    left = -1 if plan.count is None else share(plan.count, plan.processes, plan.process)
    for moment in _moments(plan):
        if left == 0:
            return
        left -= 1
        yield moment


def _moments(plan: Plan) -> Iterator[float]:
    assert plan.rate is not None
    draw = random.Random(plan.seed * 1000 + plan.process)
    # The time to the next operation, as a number of mean intervals of this process.
    ahead = draw.expovariate(1.0) if plan.poisson else plan.process / plan.processes
    for begin, end, rate in plan.rate.spans():
        own = rate / plan.processes
        moment = begin + ahead / own
        while moment < end:
            yield moment
            moment += draw.expovariate(own) if plan.poisson else 1 / own
        ahead = (moment - end) * own
