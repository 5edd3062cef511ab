"""What the children are: their modules, and the settings each is handed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.errors import ConfigError
from gateway.settings import (
    AcceptorSettings,
    FabricSettings,
    Settings,
    TlsSettings,
    WorkerSettings,
    WorkerTable,
    to_map,
)
from gateway.supervisor.crew import Post

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def next_generation(run_dir: Path, name: str, settings: FabricSettings) -> int:
    """Ask the acceptors; the fabric is imported here so that it loads only in who needs it."""
    from gateway.fabric.worker import generation

    return generation.next_generation(run_dir, name, settings)


@dataclass(frozen=True, slots=True)
class Parts:
    """The modules that are started, and who knows generations."""

    acceptor: str = "gateway.acceptor"
    worker: str = "gateway.sdk.runner"
    generation: Callable[[Path, str, FabricSettings], int] = next_generation


PARTS = Parts()


@dataclass(frozen=True, slots=True)
class Launch:
    """One worker name as it is started: its members share name and generation over restarts."""

    name: str
    table: WorkerTable
    generation: int
    run_dir: Path
    data: Path
    durable: bool


def acceptors(settings: Settings, parts: Parts, data: Path, listen: int) -> Iterator[Post]:
    """The acceptors of one port."""
    expect = tuple(name for name, table in settings.workers.items() if table.enabled)
    for index in range(settings.gateway.acceptors):
        acceptor = AcceptorSettings(
            index=index,
            ae_title=settings.gateway.ae_title,
            run_dir=str(data / "run"),
            spool_dir=str(data / "spool"),
            data_dir=str(data),
            expect=expect,
            drain_timeout=settings.gateway.drain_timeout,
            durable=is_durable(settings),
            tls=_tls(settings.tls),
            association=settings.association,
            policy=settings.policy,
            spool=settings.spool,
            fabric=settings.fabric,
            log=settings.log,
        )
        yield Post(acceptor.name, parts.acceptor, to_map(acceptor), {"listen": listen})


def _tls(settings: TlsSettings) -> TlsSettings:
    """Paths that hold wherever a process is; raises ConfigError for half of TLS."""
    if not settings.certificate and (settings.key or settings.ca):
        raise ConfigError("tls.certificate is empty, but not tls.key and tls.ca: TLS needs it")

    def absolute(path: str) -> str:
        return str(Path(path).absolute()) if path else ""

    return replace(
        settings,
        certificate=absolute(settings.certificate),
        key=absolute(settings.key),
        ca=absolute(settings.ca),
    )


def members(launch: Launch, settings: Settings, parts: Parts) -> Iterator[Post]:
    """The processes of one worker.

    A worker that is named as MODULE:ATTRIBUTE is the user's own, and looked for in the working
    directory first.
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
            path=(str(Path.cwd()),) if ":" in target else (),
            concurrency=table.concurrency,
            durable=launch.durable,
            drain_timeout=settings.gateway.drain_timeout,
            options=_options(table, target, settings),
            destinations=settings.destinations,
            fabric=settings.fabric,
            log=settings.log,
        )
        yield Post(f"{launch.name}-{member}", parts.worker, to_map(worker))


def _options(table: WorkerTable, target: str, settings: Settings) -> dict[str, Any]:
    """A worker's own table; those that are installed find the archive's beside it."""
    if ":" in target:
        return table.options
    archive = to_map(settings.archive)
    archive["holder"] = archive["holder"] or settings.gateway.ae_title
    return {"archive": archive, **table.options}


def is_durable(settings: Settings) -> bool:
    return settings.gateway.durability == "durable"
