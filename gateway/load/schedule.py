"""When operations should start, in an open loop: by the clock, whatever the peer does."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from gateway.load.plan import share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.load.plan import Plan


def arrivals(plan: Plan) -> Iterator[float]:
    """Seconds from the start, ascending: this process's part of the load.

    Even: the processes take turns. Poisson: intervals are exponential, and the sum of the
    processes' arrivals is Poisson again.
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
    # How many more operations of this process would have been due before its next one.
    ahead = draw.expovariate(1.0) if plan.poisson else plan.process / plan.processes
    for begin, end, rate in plan.rate.spans():
        own = rate / plan.processes
        moment = begin + ahead / own
        while moment < end:
            yield moment
            moment += draw.expovariate(own) if plan.poisson else 1 / own
        ahead = (moment - end) * own
