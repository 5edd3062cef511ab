"""A user's worker beside a gateway that runs: started, kept alive, told to leave."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.errors import ConfigError
from gateway.process import EXIT_FAILED, EXIT_SUPERSEDED
from gateway.settings import WorkerTable
from gateway.supervisor import parts as roles
from gateway.supervisor.crew import START_LIMIT, STOP_MARGIN, Crew, StartFailed, Why
from gateway.supervisor.parts import Launch, Parts
from gateway.supervisor.signals import Signals, first_of
from gateway.supervisor.site import look, run_directory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.settings import Settings


def prepare(
    settings: Settings, data: Path, name: str, target: str, processes: int | None
) -> Launch:
    """How the worker is started beside the gateway at `data`; raises ConfigError if none is there.

    A table `[workers.NAME]` of the configuration holds for it, but for what is given here.
    """
    running = look(data)
    if running is None:
        raise ConfigError(
            f"no gateway runs on {data}: start one with `dicom-gateway serve --data {data}`, "
            f"or name its directory with --data"
        )
    table = settings.workers.get(name, WorkerTable())
    table = replace(table, worker=target, processes=processes or table.processes)
    durable = running.durability == "durable"
    return Launch(name, table, 0, run_directory(data), data.absolute(), durable)


async def launch(
    plan: Launch, settings: Settings, announce: Callable[[str], None], parts: Parts = roles.PARTS
) -> int:
    """Run a worker until it is told to leave; the exit status.

    `announce` is called with one line as soon as every member is registered. Raises ConfigError,
    in one line, if the worker cannot start or another one holds its events.
    """
    generation = await asyncio.to_thread(parts.generation, plan.run_dir, plan.name, settings.fabric)
    plan = replace(plan, generation=generation)
    crew = Crew(roles.members(plan, settings, parts), lambda: None)
    with Signals() as signals:
        try:
            crew.start()
            if not await signals.unless_told(crew.ready(START_LIMIT)):
                return 0
            announce(
                f"dicom-gateway worker {plan.name} ready: processes {plan.table.processes}, "
                f"generation {generation}, gateway at {plan.data}"
            )
            ending = await first_of(signals.leave, crew.failure(needed=True))
        except StartFailed as failed:
            raise failed.as_error() from None
        finally:
            await crew.leave(settings.gateway.drain_timeout + STOP_MARGIN, signals.hurry)
    if ending is None:
        return 0
    if ending.why is Why.FINAL and ending.status != EXIT_SUPERSEDED:
        raise ConfigError(str(ending))
    return EXIT_SUPERSEDED if ending.status == EXIT_SUPERSEDED else EXIT_FAILED
