"""Instructions that acceptor and storage worker execute for an instance: `tests.bench cost`.

Exits with status 1 if one of them is above its budget, or in a slice more than 5 % above. A budget
is stated for the interpreter on which it was measured; under another one it is scaled by what a
fixed loop takes in the same run.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.bench import callgrind, service_cost, unhurried_child, unlimited_child
from tests.bench.figures import size_of, size_text
from tests.bench.profiled import print_profiles
from tests.bench.rows import show
from tests.bench.scratch import scratch
from tests.bench.sending import FIRST, FailedError, Plan, send, sender

if TYPE_CHECKING:
    from tests.bench.callgrind import Counter
    from tests.bench.scratch import Scratch

ACCEPTOR, STORAGE = "acceptor-0", "storage-0"
BUDGETS = {
    (8 * 1024, ACCEPTOR): 220_000,
    (8 * 1024, STORAGE): 370_000,
    (512 * 1024, ACCEPTOR): 760_000,
    (512 * 1024, STORAGE): 570_000,
}
"""Instructions an instance at most, by the size of its pixels."""

REFERENCE = 3974.2
"""Instructions of a turn of the fixed loop where the budgets were stated: CPython 3.11.7."""

ASSOCIATIONS = 10
_WARM_UP = 100
_COUNTS = {8 * 1024: 2000, 512 * 1024: 500}
_SLICE = 500
_SLICE_ROOM = 1.05
"""What a slice may be above its budget: so few instances cost up to 3 % more or less."""
_PROFILED = 5000
_LIMIT = 600.0
_COMPARED, _ROUNDS = 500, 2
"""Instances of a run, and runs with and without limits in turn."""
_MOST = 1.02
"""What the limits of peers may cost."""


@dataclass(frozen=True)
class Cost:
    """The instructions that one process executed for each instance, and the limit."""

    size: int
    process: str
    instructions: float
    budget: float

    @property
    def is_over(self) -> bool:
        return self.instructions > self.budget


def main(arguments: list[str] | None = None) -> None:
    options = _options(arguments)
    if options.services is not None:
        _services(options)
        return
    if options.profile:
        print_profiles(
            [ACCEPTOR, STORAGE], _sizes(options)[0], options.count or _PROFILED, ASSOCIATIONS
        )
        return
    callgrind.check()
    if options.limits:
        compare_limits(_sizes(options)[0], options.count or _COMPARED)
        return
    with scratch() as place:
        turn = callgrind.instructions_of_a_turn(place.path)
        costs = [
            cost
            for size in _sizes(options)
            for cost in _measure(place, size, options.count or _count(options, size), turn)
        ]
    if options.slice:
        costs = [replace(cost, budget=cost.budget * _SLICE_ROOM) for cost in costs]
    _print(costs, turn)
    if any(cost.is_over for cost in costs):
        sys.exit(1)


def _services(options: argparse.Namespace) -> None:
    default = service_cost.SLICE if options.slice else tuple(service_cost.SERVICES)
    chosen = options.services.split(",") if options.services else default
    if options.profile:
        service_cost.print_profiles(chosen)
        return
    callgrind.check()
    with scratch() as place:
        scale = callgrind.instructions_of_a_turn(place.path) / REFERENCE
    scale *= service_cost.SLICE_ROOM if options.slice else 1
    if service_cost.print_costs(chosen, scale):
        sys.exit(1)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench cost", description=__doc__)
    parser.add_argument("--slice", action="store_true", help="8 KB only, and fewer instances")
    parser.add_argument("--sizes", default="8k,512k", help="of the pixels; default: 8k,512k")
    parser.add_argument("--count", type=int, help="instances that are counted, of each size")
    parser.add_argument(
        "--services",
        nargs="?",
        const="",
        help="of these services, such as C-GET,C-FIND, in place of C-STORE; default: all others",
    )
    parser.add_argument(
        "--limits",
        action="store_true",
        help="what the limits of peers cost: with and without them, of the first size only",
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="time by Python function in place of instructions, of the first size only",
    )
    return parser.parse_args(arguments)


def _sizes(options: argparse.Namespace) -> list[int]:
    return [8 * 1024] if options.slice else [size_of(text) for text in options.sizes.split(",")]


def _count(options: argparse.Namespace, size: int) -> int:
    return _SLICE if options.slice else _COUNTS.get(size, _SLICE)


def _measure(place: Scratch, size: int, count: int, turn: float) -> list[Cost]:
    with place.folder() as folder, callgrind.counting(folder, [ACCEPTOR, STORAGE]) as counter:
        totals = _store(counter, Plan(ASSOCIATIONS, count, _LIMIT, _LIMIT, place.prepared(size)))
    scale = turn / REFERENCE
    return [
        Cost(size, name, total / count, BUDGETS.get((size, name), float("inf")) * scale)
        for name, total in totals.items()
    ]


def _store(counter: Counter, plan: Plan) -> dict[str, int]:
    """Instructions of each process for the plan's instances, on associations that are open."""
    address = counter.gateway.address
    warm_up = Plan(ASSOCIATIONS, _WARM_UP, _LIMIT, _LIMIT, plan.data, FIRST + plan.count)
    send(address, warm_up)
    with sender(address, plan) as client:
        with counter.counted() as totals:
            outcome = client.run()
        if outcome.reason or outcome.acknowledged != plan.count:
            raise FailedError(outcome.reason)
    return totals


def compare_limits(size: int, count: int) -> None:
    """Print the instructions an instance with the limits and without; exit with 1 above 2 %."""
    totals: dict[tuple[str, bool], int] = defaultdict(int)
    with scratch() as place:
        for limited in (True, False) * _ROUNDS:
            script = (unhurried_child if limited else unlimited_child).__file__
            with (
                place.folder() as folder,
                callgrind.counting(folder, [ACCEPTOR, STORAGE], script) as counter,
            ):
                plan = Plan(ASSOCIATIONS, count, _LIMIT, _LIMIT, place.prepared(size))
                for name, total in _store(counter, plan).items():
                    totals[name, limited] += total
    names = ACCEPTOR, STORAGE
    both = [sum(totals[name, limited] for name in names) for limited in (True, False)]
    rows = [_compared(name, totals[name, True], totals[name, False], count) for name in names]
    rows.append(_compared("both", *both, count))
    show(
        f"Instructions an instance, {size_text(size)} x{ASSOCIATIONS}",
        ("process", "with limits", "without", "more"),
        rows,
    )
    if both[0] > both[1] * _MOST:
        sys.exit(1)


def _compared(name: str, with_limits: int, bare: int, count: int) -> tuple[str, str, str, str]:
    instances = count * _ROUNDS
    more = with_limits / bare - 1
    return name, f"{with_limits / instances:,.0f}", f"{bare / instances:,.0f}", f"{more:+.1%}"


def _print(costs: list[Cost], turn: float) -> None:
    rows = [
        (
            f"{cost.process}, {size_text(cost.size)} x{ASSOCIATIONS}",
            f"{cost.instructions:,.0f}",
            f"{cost.budget:,.0f}",
            "over" if cost.is_over else "within",
        )
        for cost in costs
    ]
    title = f"Instructions an instance; budgets scaled by {turn / REFERENCE:.3f}"
    show(title, ("process and load", "instructions", "budget", ""), rows)
