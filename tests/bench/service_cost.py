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
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.bench import callgrind, normalized, retrieve
from tests.bench.archives import sources
from tests.bench.profiled import child_profiled_to
from tests.bench.rows import show
from tests.bench.scratch import scratch
from tests.bench.sending import FailedError, Plan, send
from tests.bench.servers import Running, sink
from tests.bench.wrapped import wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.bench.scratch import Scratch

ACCEPTOR, QUERY, RETRIEVE = "acceptor-0", "query-0", "retrieve-0"
NORMALIZED = f"{normalized.NAME}-0"
_LINES = 45
_FEW = 20
_CHECKOUT = str(Path(__file__).parents[2])


class Service(NamedTuple):
    """What is measured: its worker, how large the instances are, and how many there are."""

    worker: str
    size: int
    count: int
    associations: int = 1


_TRANSCODING = " transcoding"
"""What names of services end with that are measured with `[archive] transcode`, though nothing has
to be transcoded: they have the budgets of those without it."""
SERVICES = {
    "C-ECHO": Service("", 0, 2000),
    "C-FIND": Service(QUERY, 1024, 1000),
    "C-GET": Service(RETRIEVE, 8 * 1024, 500),
    "C-MOVE": Service(RETRIEVE, 8 * 1024, 500),
    f"C-GET{_TRANSCODING}": Service(RETRIEVE, 8 * 1024, 500),
    f"C-MOVE{_TRANSCODING}": Service(RETRIEVE, 8 * 1024, 500),
    **dict.fromkeys(normalized.OPERATIONS, Service(NORMALIZED, 0, 300)),
}
BUDGETS = {
    ("C-ECHO", ACCEPTOR): 198_000,
    ("C-FIND", ACCEPTOR): 60_000,
    ("C-FIND", QUERY): 75_000,
    ("C-GET", ACCEPTOR): 185_000,
    ("C-GET", RETRIEVE): 110_000,
    ("C-MOVE", ACCEPTOR): 40_000,
    ("C-MOVE", RETRIEVE): 310_000,
    ("N-GET", ACCEPTOR): 552_000,
    ("N-GET", NORMALIZED): 268_000,
    ("N-SET", ACCEPTOR): 583_000,
    ("N-SET", NORMALIZED): 279_000,
    ("N-ACTION", ACCEPTOR): 569_000,
    ("N-ACTION", NORMALIZED): 269_000,
    ("N-CREATE", ACCEPTOR): 580_000,
    ("N-CREATE", NORMALIZED): 279_000,
    ("N-DELETE", ACCEPTOR): 483_000,
    ("N-DELETE", NORMALIZED): 257_000,
}
"""Instructions at most, by the service and the process."""
BUDGETS |= {
    (f"{name}{_TRANSCODING}", process): budget
    for (name, process), budget in BUDGETS.items()
    if f"{name}{_TRANSCODING}" in SERVICES
}
SLICE = ("C-FIND", "C-GET", "C-MOVE")
"""What is counted in a slice."""
SLICE_ROOM = 1.1
"""What a slice may be above its budget: it matters how many answers come together."""


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
    if name in normalized.OPERATIONS:
        normalized.perform(address, name, _FEW, retrieve.LIMIT)
        yield lambda: normalized.perform(address, name, service.count, retrieve.LIMIT)
        return
    study = retrieve.stored(server, place.prepared(service.size), service.count)
    with place.folder() as folder:
        _take(server, name, study, folder)
        yield lambda: _take(server, name, study, folder)


def _echo(address: tuple[str, int], count: int) -> None:
    send(address, Plan(1, count, limit=retrieve.LIMIT))


def _take(server: Running, name: str, study: str, folder: Path) -> None:
    service = SERVICES[name]
    with retrieve.take(
        server, name.removesuffix(_TRANSCODING), study, service.associations, folder
    ) as client:
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
                sources(_CHECKOUT),
                place.folder() as folder,
                callgrind.counting(
                    folder, names_of(service), config=_config(name, destination)
                ) as one,
                performing(name, one.gateway.address, place) as perform,
                one.counted() as totals,
            ):
                perform()
            number = service.count * service.associations
            found |= {(name, process): total / number for process, total in totals.items()}
    return found


def _config(name: str, destination: Running) -> str:
    host, port = destination.address
    here = f'[destinations.HERE]\nhost = "{host}"\nport = {port}\n'
    if name.endswith(_TRANSCODING):
        here += "[archive]\ntranscode = true\n"
    return here + (normalized.CONFIG if name in normalized.OPERATIONS else "")


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
            with place.folder() as folder, sources(_CHECKOUT):
                commands = {one: child_profiled_to(folder / f"{one}.profile") for one in names}
                with (
                    wrapped(folder, commands, _config(name, destination)) as gateway,
                    performing(name, gateway.address, place) as perform,
                ):
                    for pid in gateway.pids.values():
                        os.kill(pid, signal.SIGUSR1)
                    perform()
                for one in names:
                    print(f"\n{name}: {one}")
                    stats = pstats.Stats(str(folder / f"{one}.profile"), stream=sys.stdout)
                    stats.sort_stats("tottime").print_stats(_LINES)
