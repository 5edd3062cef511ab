"""Instructions of each service but C-STORE: `python -m tests.bench cost --services`.

An instance of a C-GET or C-MOVE, a match of a C-FIND, an operation of the others. Counted are the
acceptor and the worker that answers.
"""

from __future__ import annotations

import os
import pstats
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tests.bench import callgrind, retrieve
from tests.bench.profiled import child_profiled_to
from tests.bench.rows import show
from tests.bench.scratch import scratch
from tests.bench.sending import FailedError, Plan, send
from tests.bench.servers import Running, sink
from tests.bench.wrapped import wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.bench.scratch import Scratch

ACCEPTOR, QUERY, RETRIEVE = "acceptor-0", "query-0", "retrieve-0"
_LINES = 45


class Service(NamedTuple):
    """What is measured: its worker, how large the instances are, and how many there are."""

    worker: str
    size: int
    count: int
    associations: int = 1


SERVICES = {
    "C-ECHO": Service("", 0, 2000),
    "C-FIND": Service(QUERY, 1024, 500),
    "C-GET": Service(RETRIEVE, 8 * 1024, 500),
    "C-MOVE": Service(RETRIEVE, 8 * 1024, 500),
}
BUDGETS: dict[tuple[str, str], int] = {}
"""Instructions at most, by the service and the process."""


def names_of(service: Service) -> list[str]:
    """Return the processes that are counted."""
    return [ACCEPTOR, service.worker] if service.worker else [ACCEPTOR]


@contextmanager
def performing(name: str, address: tuple[str, int], place: Scratch) -> Iterator[Callable[[], None]]:
    """Yield a function that performs a service as often as it is counted; warmed up."""
    service, server = SERVICES[name], Running(address, 0)
    if name == "C-ECHO":
        send(address, Plan(1, 100))
        yield lambda: _echo(address, service.count)
        return
    study = retrieve.stored(server, place.prepared(service.size), service.count)
    with place.folder() as folder:
        _take(server, name, study, folder)
        yield lambda: _take(server, name, study, folder)


def _echo(address: tuple[str, int], count: int) -> None:
    send(address, Plan(1, count, limit=retrieve.LIMIT))


def _take(server: Running, name: str, study: str, folder: Path) -> None:
    service = SERVICES[name]
    with retrieve.take(server, name, study, service.associations, folder) as client:
        outcome = client.run()
    if outcome.reason or outcome.acknowledged != service.count * service.associations:
        raise FailedError(f"{name}: {outcome.acknowledged} {outcome.reason}")


def costs(chosen: Sequence[str]) -> dict[tuple[str, str], float]:
    """Return the instructions by service and process."""
    found = {}
    with scratch() as place, place.folder() as empty, sink("--discard")(empty) as destination:
        for name in chosen:
            service = SERVICES[name]
            with (
                place.folder() as folder,
                callgrind.counting(folder, names_of(service), config=_config(destination)) as one,
                performing(name, one.gateway.address, place) as perform,
                one.counted() as totals,
            ):
                perform()
            number = service.count * service.associations
            found |= {(name, process): total / number for process, total in totals.items()}
    return found


def _config(destination: Running) -> str:
    host, port = destination.address
    return f'[destinations.HERE]\nhost = "{host}"\nport = {port}\n'


def print_costs(chosen: Sequence[str], scale: float) -> bool:
    """Print the instructions beside the budgets; return whether one is over its budget."""
    rows, is_over = [], False
    for (name, process), instructions in costs(chosen).items():
        budget = BUDGETS.get((name, process), float("inf")) * scale
        over = instructions > budget
        is_over |= over
        verdict = "over" if over else "within"
        rows.append((f"{name}, {process}", f"{instructions:,.0f}", f"{budget:,.0f}", verdict))
    title = f"Instructions an instance, match or operation; budgets scaled by {scale:.3f}"
    show(title, ("service and process", "instructions", "budget", ""), rows)
    return is_over


def print_profiles(chosen: Sequence[str]) -> None:
    """Print the functions in which the processes spend most."""
    with scratch() as place, place.folder() as empty, sink("--discard")(empty) as destination:
        for name in chosen:
            names = names_of(SERVICES[name])
            with place.folder() as folder:
                commands = {one: child_profiled_to(folder / f"{one}.profile") for one in names}
                with (
                    wrapped(folder, commands, _config(destination)) as gateway,
                    performing(name, gateway.address, place) as perform,
                ):
                    for pid in gateway.pids.values():
                        os.kill(pid, signal.SIGUSR1)
                    perform()
                for one in names:
                    print(f"\n{name}: {one}")
                    stats = pstats.Stats(str(folder / f"{one}.profile"), stream=sys.stdout)
                    stats.sort_stats("tottime").print_stats(_LINES)
