"""The children of a supervisor: the module that each runs, and its settings."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.destination_settings import FILES
from gateway.errors import ConfigError
from gateway.settings import (
    WORKER_TABLES,
    AcceptorSettings,
    Destination,
    FabricSettings,
    Settings,
    TlsSettings,
    WorkerSettings,
    WorkerTable,
    to_map,
)
from gateway.supervisor.child_keeper import ChildSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.supervisor.remembered_workers import RememberedWorkers


def next_generation(run_dir: Path, name: str, settings: FabricSettings) -> int:
    """Ask the acceptors for the next generation of a worker name.

    The fabric is imported here because `status` and other commands do without it.
    """
    from gateway.fabric.worker import generation

    return generation.next_generation(run_dir, name, settings)


@dataclass(frozen=True, slots=True)
class ChildModules:
    """The modules that children run, and the function that returns a generation."""

    acceptor: str = "gateway.acceptor"
    worker: str = "gateway.sdk.runner"
    generation: Callable[[Path, str, FabricSettings], int] = next_generation


MODULES = ChildModules()

MISSED = 3
"""Heartbeats that a worker may miss."""


@dataclass(frozen=True, slots=True)
class WorkerLaunch:
    """The way to start a worker: all members have one generation, which they keep on restart."""

    name: str
    table: WorkerTable
    generation: int
    run_dir: Path
    data: Path
    durable: bool
    revision: int = 1
    connects: bool = False
    """Whether it connects to the gateway that `[fabric] connect` names, not to this one."""


def acceptor_count(setting: int | str, cores: int) -> int:
    """Return how many acceptors to start on a machine with so many usable cores.

    An acceptor that receives all it can keeps one core busy, and the workers that answer it nearly
    another one; on two cores a second acceptor makes both slower (`python -m tests.bench
    acceptors`). More than eight were never measured.
    """
    if isinstance(setting, str):
        return max(1, min(cores // 2, 8))
    return setting


@cache
def _usable_cores() -> int:
    """Return the cores that this process may use, or all of them where that is not known.

    A reload must find the same number of acceptors.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def acceptors(
    settings: Settings,
    modules: ChildModules,
    data: Path,
    listen: int,
    workers: RememberedWorkers,
    revision: int = 1,
) -> Iterator[ChildSpec]:
    """Yield the acceptors, which share the descriptor `listen` of the listening socket.

    What one of them reports of the workers is told to each that starts later.
    """
    expect = enabled(settings)
    number = acceptor_count(settings.gateway.acceptors, _usable_cores())
    for index in range(number):
        acceptor = AcceptorSettings(
            index=index,
            ae_title=settings.gateway.ae_title,
            run_dir=str(data / "run"),
            spool_dir=str(data / "spool"),
            data_dir=str(data),
            revision=revision,
            expect=expect,
            drain_timeout=settings.gateway.drain_timeout,
            durable=is_durable(settings),
            tls=_tls(settings.tls),
            acceptors=number,
            balancers=settings.gateway.balancers,
            association=settings.association,
            limits=settings.limits,
            policy=settings.policy,
            spool=settings.spool,
            fabric=_fabric(settings.fabric),
            log=settings.log,
        )
        yield ChildSpec(
            acceptor.name,
            modules.acceptor,
            to_map(acceptor),
            {"listen": listen},
            late_settings=lambda: {"remembered": workers.remembered()},
            on_report=workers.take,
        )


def _tls(settings: TlsSettings) -> TlsSettings:
    """Return absolute paths; raises ConfigError for a key or CA without a certificate."""
    if not settings.certificate and (settings.key or settings.ca):
        raise ConfigError("tls.certificate is empty: tls.key and tls.ca need it")

    return replace(
        settings,
        certificate=_absolute(settings.certificate),
        key=_absolute(settings.key),
        ca=_absolute(settings.ca),
    )


def _destinations(settings: Settings) -> dict[str, Destination]:
    return {
        name: replace(
            one, **dict[str, Any]((file, _absolute(getattr(one, file))) for file in FILES)
        )
        for name, one in settings.destinations.items()
    }


def _fabric(settings: FabricSettings, *, connects: bool = False) -> FabricSettings:
    """Return absolute paths; the workers that a gateway starts are always its own."""
    return replace(
        settings if connects else settings.here(),
        keys=_absolute(settings.keys),
        key_file=_absolute(settings.key_file),
        shared_spool=_absolute(settings.shared_spool),
    )


def _absolute(path: str) -> str:
    return str(Path(path).absolute()) if path else ""


def members(launch: WorkerLaunch, settings: Settings, modules: ChildModules) -> Iterator[ChildSpec]:
    """Yield the processes of a worker.

    MODULE:ATTRIBUTE is searched for in the working directory first, because it is the user's own.
    """
    table = launch.table
    target = table.worker or launch.name
    for member in range(table.processes):
        worker = WorkerSettings(
            name=launch.name,
            target=target,
            member=member,
            generation=launch.generation,
            run_dir=str(launch.run_dir),
            data_dir=str(launch.data),
            revision=launch.revision,
            path=(str(Path.cwd()),) if ":" in target else (),
            concurrency=table.concurrency,
            durable=launch.durable,
            drain_timeout=settings.gateway.drain_timeout,
            options=_options(table, target, settings),
            destinations=_destinations(settings),
            tls=_tls(settings.tls),
            association=settings.association,
            fabric=_fabric(settings.fabric, connects=launch.connects),
            log=settings.log,
        )
        yield ChildSpec(f"{launch.name}-{member}", modules.worker, to_map(worker))


def changed_worker(process: dict[str, Any], settings: Settings, revision: int) -> dict[str, Any]:
    """Return the settings of a process of a worker that goes on with another configuration.

    Its own table is as before, or it would be replaced.
    """
    table = settings.workers[process["name"]]
    return {
        **process,
        "options": _options(table, process["target"], settings),
        "revision": revision,
        "drain_timeout": settings.gateway.drain_timeout,
        "destinations": {name: to_map(one) for name, one in _destinations(settings).items()},
        "tls": to_map(_tls(settings.tls)),
        "association": to_map(settings.association),
        "log": to_map(settings.log),
    }


def _options(table: WorkerTable, target: str, settings: Settings) -> dict[str, Any]:
    """Return the options of a worker; an installed one gets the stock workers' tables as well."""
    if ":" in target:
        return table.options
    tables = {name: to_map(getattr(settings, name)) for name in WORKER_TABLES}
    tables["archive"]["holder"] = settings.archive.holder or settings.gateway.ae_title
    return {**tables, **table.options}


def enabled(settings: Settings) -> tuple[str, ...]:
    """Return the names of the workers that the configuration has run."""
    return tuple(name for name, table in settings.workers.items() if table.enabled)


def is_durable(settings: Settings) -> bool:
    return settings.gateway.durability == "durable"


def hang_limit(settings: Settings) -> float:
    """Return the seconds of silence after which a child is replaced; 0: never.

    Workers report at each heartbeat, so that it has to be longer than some of these.
    """
    limit = settings.gateway.hang_timeout
    return max(limit, MISSED * settings.fabric.heartbeat) if limit else 0.0
