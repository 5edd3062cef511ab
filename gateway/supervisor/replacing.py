"""Processes that are replaced because an operator asks for it.

A *restart* ends a process and starts it again; of a worker's processes one after the other. What a
worker has in hand is finished first, and new requests wait meanwhile; an acceptor's associations
are finished or aborted within `drain_timeout`. A *swap* starts a new generation of a worker beside
the old one, as a reload does with a worker whose table has changed: no request waits.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from gateway.errors import GatewayError
from gateway.supervisor import child_specs
from gateway.supervisor.changed_settings import HAS_A_PORT
from gateway.supervisor.child_group import STOP_MARGIN
from gateway.supervisor.reloading import start_workers

if TYPE_CHECKING:
    from gateway.supervisor.child_keeper import ChildKeeper
    from gateway.supervisor.reloading import Configuration, Processes

_log = logging.getLogger("gateway.supervisor")


async def replace(
    processes: Processes, configuration: Configuration, asked: dict[str, Any]
) -> dict[str, Any]:
    """Do the `restart` or `swap` that a client of the control socket asks for; return its answer.

    `done` are the names of the processes that are ready again; `error` is why it cannot be done.
    """
    name, is_swap = str(asked.get("name", "")), asked.get("do") == "swap"
    _log.warning("%s of %r is asked for", "swap" if is_swap else "restart", name)
    async with configuration.lock:
        try:
            if is_swap:
                return {"done": await _swap(processes, configuration, name)}
            limit = configuration.settings.gateway.drain_timeout + STOP_MARGIN
            return {"done": await _restart(processes, name, limit)}
        except GatewayError as error:
            _log.warning("%r was not replaced: %s", name, error)
            return {"error": str(error)}


async def _restart(processes: Processes, name: str, limit: float) -> list[str]:
    everything = (*processes.acceptors.keepers, *processes.workers.keepers)
    found = [one for one in everything if name in (one.spec.name, worker_of(one))]
    if not found:
        names = ", ".join(one.spec.name for one in everything)
        raise GatewayError(f"there is no process or worker {name!r}; there are {names}")
    for keeper in found:
        await keeper.restart(limit)
    return [one.spec.name for one in found]


async def _swap(processes: Processes, configuration: Configuration, name: str) -> list[str]:
    settings = configuration.settings
    names = [one for one in child_specs.enabled(settings) if one != HAS_A_PORT]
    if name == HAS_A_PORT:
        raise GatewayError(f"{name} keeps its port until it has left: restart it")
    if name not in names:
        raise GatewayError(f"there is no worker {name!r}; there are {', '.join(names)}")
    old = [one for one in processes.workers.keepers if worker_of(one) == name]
    started = await start_workers(processes, settings, (name,), configuration.revision)
    done = [one.spec.name for one in started.keepers]
    processes.workers.absorb(started)
    await processes.workers.dismiss(old, settings.gateway.drain_timeout + STOP_MARGIN)
    return done


def worker_of(keeper: ChildKeeper) -> str | None:
    """Return the name of the worker that a process belongs to; None: it is an acceptor."""
    return keeper.spec.settings.get("name")
