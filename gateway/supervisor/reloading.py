"""A new configuration for a gateway that runs: all of its processes take it, or none does.

Every process checks the settings; workers that are added, or whose table has changed, are started
beside the others. If a process refuses, or a worker does not become ready, the new workers leave
and nothing has changed; a worker that one of them had replaced comes back by itself. Otherwise the
settings get the next revision and are applied; a process that starts in the meantime gets them.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from gateway.errors import ConfigError, GatewayError
from gateway.supervisor import child_specs
from gateway.supervisor.changed_settings import compare
from gateway.supervisor.child_group import STOP_MARGIN, StartFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gateway.settings import Settings
    from gateway.supervisor.changed_settings import ChangedSettings
    from gateway.supervisor.child_group import ChildGroup
    from gateway.supervisor.child_keeper import ChildKeeper, ChildSpec

START_LIMIT = 30.0
"""Seconds within which a worker that a reload starts has to be ready."""

_log = logging.getLogger("gateway.supervisor")


class _Change(NamedTuple):
    """What each process that runs is to have."""

    keeper: ChildKeeper
    spec: ChildSpec


class Processes(Protocol):
    """The children of a gateway."""

    acceptors: ChildGroup
    workers: ChildGroup

    def acceptor_specs(self, settings: Settings, revision: int) -> Iterable[ChildSpec]:
        """Return what the acceptors are to have."""

    async def worker_specs(
        self, settings: Settings, names: Sequence[str], revision: int
    ) -> list[ChildSpec]:
        """Return how to start these workers, each in a generation of its own."""

    def group(self, specs: Iterable[ChildSpec]) -> ChildGroup:
        """Return a group of children that are not started yet."""

    def expect(self, names: Sequence[str]) -> None:
        """Take note of the workers that are configured."""


class Configuration:
    """The settings in force and their revision; `read` returns those that are wanted now."""

    def __init__(self, settings: Settings, read: Callable[[], Settings]) -> None:
        self.settings = settings
        self.revision = 1
        self.lock = asyncio.Lock()
        """Held during the start and each reload."""
        self._read = read

    async def reload(self, processes: Processes) -> dict[str, Any]:
        """Put the settings in force that the file, the environment and the options state now.

        Return what has changed, by name. Raises GatewayError, ConfigError if a setting is wrong;
        then nothing has changed.
        """
        async with self.lock:
            try:
                return await self._reload(processes)
            except GatewayError as error:
                _log.error("reload refused, revision %d stays in force: %s", self.revision, error)
                raise

    async def _reload(self, processes: Processes) -> dict[str, Any]:
        way = compare(self.settings, self._read())
        revision = self.revision + 1
        changes = _changes(processes, way, revision)
        await _check(changes)
        gone = [k for k in processes.workers.keepers if _name_of(k) in way.removed + way.replaced]
        processes.expect(child_specs.enabled(way.settings))
        try:
            names = way.added + way.replaced
            started = await start_workers(processes, way.settings, names, revision)
        except GatewayError:
            processes.expect(child_specs.enabled(self.settings))
            raise
        self.settings, self.revision = way.settings, revision
        for keeper, spec in changes:
            keeper.adopt(spec)
        processes.workers.absorb(started)
        await processes.workers.dismiss(gone, way.settings.gateway.drain_timeout + STOP_MARGIN)
        _tell(way, revision)
        return {
            "revision": revision,
            **{name: list(getattr(way, name)) for name in _TOLD},
        }


_TOLD = ("changed", "waiting", "added", "removed", "replaced")


def _changes(processes: Processes, way: ChangedSettings, revision: int) -> list[_Change]:
    """Return the new settings of each process that goes on."""
    specs = list(processes.acceptor_specs(way.settings, revision))
    changes = [_Change(*pair) for pair in zip(processes.acceptors.keepers, specs, strict=True)]
    for keeper in processes.workers.keepers:
        if _name_of(keeper) not in way.removed + way.replaced:
            settings = child_specs.changed_worker(keeper.spec.settings, way.settings, revision)
            changes.append(_Change(keeper, keeper.spec.with_settings(settings)))
    return changes


async def _check(changes: Iterable[_Change]) -> None:
    """Have every process check its settings; raises ConfigError if one refuses."""
    changes = tuple(changes)
    opinions = await asyncio.gather(*(keeper.check(spec) for keeper, spec in changes))
    for (keeper, _), refused in zip(changes, opinions, strict=True):
        if refused:
            raise ConfigError(f"{keeper.spec.name}: {refused}")


async def start_workers(
    processes: Processes, settings: Settings, names: Sequence[str], revision: int
) -> ChildGroup:
    """Start these workers in a new generation; raises GatewayError if one does not become ready."""
    group = processes.group(await processes.worker_specs(settings, names, revision))
    group.start()
    try:
        await asyncio.wait_for(group.ready(), START_LIMIT)
    except StartFailed as failed:
        await group.leave(STOP_MARGIN, asyncio.Event())
        raise ConfigError(str(failed)) from None
    except TimeoutError:
        texts = [f"{k.spec.name}: {k.text or k.state.value}" for k in group.keepers]
        await group.leave(STOP_MARGIN, asyncio.Event())
        raise GatewayError(f"not ready within {START_LIMIT:g} s: {', '.join(texts)}") from None
    return group


def _name_of(keeper: ChildKeeper) -> str:
    return str(keeper.spec.settings["name"])


def _tell(way: ChangedSettings, revision: int) -> None:
    texts = {name: ", ".join(getattr(way, name)) for name in _TOLD if name != "waiting"}
    what = "; ".join(f"{name} {text}" for name, text in texts.items() if text)
    _log.info("revision=%d in force: %s", revision, what or "no setting has changed")
    if way.waiting:
        _log.warning("not in force before a restart of the gateway: %s", ", ".join(way.waiting))
