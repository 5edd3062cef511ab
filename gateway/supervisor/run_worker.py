"""Run a worker of the user beside a gateway: `dicom-gateway worker`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.errors import ConfigError
from gateway.process import EXIT_FAILED, EXIT_SUPERSEDED
from gateway.settings import WorkerTable
from gateway.supervisor import child_specs
from gateway.supervisor.child_group import STOP_MARGIN, ChildGroup, StartFailed
from gateway.supervisor.child_keeper import ChildEndReason
from gateway.supervisor.child_specs import ChildModules, WorkerLaunch
from gateway.supervisor.data_directory import find_running, not_running, run_directory
from gateway.supervisor.signals import Signals, first_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.settings import Settings


def prepare(
    settings: Settings, data: Path, name: str, target: str, processes: int | None
) -> WorkerLaunch:
    """Return how to start the worker beside the gateway at `data`.

    `target` and `processes` override the table `[workers.NAME]` of the configuration. If that names
    a gateway on another host, `data` is the worker's own. Raises ConfigError if no gateway runs
    there.
    """
    table = settings.workers.get(name, WorkerTable())
    table = replace(table, worker=target, processes=processes or table.processes)
    durable = child_specs.is_durable(settings)
    if settings.fabric.connect:
        _make_own(data)
    elif (running := find_running(data)) is not None:
        durable = running.durability == "durable"
    else:
        raise ConfigError(not_running(data))
    connects = bool(settings.fabric.connect)
    place = run_directory(data), data.absolute()
    return WorkerLaunch(name, table, 0, *place, durable, connects=connects)


def _make_own(data: Path) -> None:
    """Make the data directory of a worker whose gateway is on another host."""
    if find_running(data) is not None:
        raise ConfigError(
            f"{data} belongs to a gateway that runs there: a worker of another gateway needs a"
            " directory of its own, --data DIR"
        )
    try:
        run_directory(data).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make {data}: {error.strerror}") from None


async def launch(
    plan: WorkerLaunch,
    settings: Settings,
    announce: Callable[[str], None],
    modules: ChildModules = child_specs.MODULES,
) -> int:
    """Run a worker until SIGTERM or SIGINT; return the exit status.

    `announce` is called with one line as soon as every member is registered. Raises ConfigError
    if the worker cannot start or another one holds its events.
    """
    generation = await asyncio.to_thread(
        modules.generation, plan.run_dir, plan.name, settings.fabric
    )
    plan = replace(plan, generation=generation)
    members = ChildGroup(
        child_specs.members(plan, settings, modules),
        lambda: None,
        hang_timeout=child_specs.hang_limit(settings),
    )
    with Signals() as signals:
        try:
            members.start()
            if not await signals.unless_told(members.ready()):
                return 0
            announce(
                f"dicom-gateway worker {plan.name} ready: processes {plan.table.processes}, "
                f"generation {generation}, gateway at {settings.fabric.connect or plan.data}"
            )
            ending = await first_of(signals.leave, members.failure(needed=True))
        except StartFailed as failed:
            raise failed.as_error() from None
        finally:
            await members.leave(settings.gateway.drain_timeout + STOP_MARGIN, signals.hurry)
    if ending is None:
        return 0
    if ending.reason is ChildEndReason.FINAL and ending.status != EXIT_SUPERSEDED:
        raise ConfigError(str(ending))
    return EXIT_SUPERSEDED if ending.status == EXIT_SUPERSEDED else EXIT_FAILED
