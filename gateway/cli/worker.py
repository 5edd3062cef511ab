"""`dicom-gateway worker`: run a worker beside a gateway."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.common import announce, settings_of
from gateway.cli.options import with_options
from gateway.shared_options import ConfigOption, DataOption


@dataclass(frozen=True, kw_only=True)
class GatewayElsewhere:
    """A gateway on another host."""

    connect: Annotated[str | None, typer.Option("--connect", metavar="tcp://HOST:PORT")] = None
    """The gateway is on another host, where this is its [fabric] listen; --data is then a directory
    of the worker's own."""
    server_key: Annotated[str | None, typer.Option("--server-key", metavar="KEY")] = None
    """Its public key, which 'dicom-gateway keys show' prints there."""
    key_file: Annotated[str | None, typer.Option("--key-file", metavar="FILE")] = None
    """The worker's own key, which 'dicom-gateway keys new FILE' makes."""


@with_options(GatewayElsewhere, "elsewhere")
def command(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:WORKER",
            help="A Worker in a module (also of the current directory), or the name of an "
            "installed worker.",
        ),
    ],
    processes: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=256, help="Processes to run it in.", show_default="1"),
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
    *,
    elsewhere: GatewayElsewhere,
) -> None:
    """Run a worker beside a running gateway until Ctrl-C or SIGTERM.

    It prints one line when it is registered. Only one worker may answer an event: if another
    holds it, this one is refused, with the name of the holder on standard error. A worker with the
    name of a running one replaces it, without a lost request, until it leaves.

    The exit status is 0 if it was asked to leave, 1 if it failed, 2 if a setting is wrong or
    another worker holds the event, and 4 if a newer worker of the same name took over.
    """
    from gateway import log, supervisor
    from gateway.sdk.loading import load

    settings = settings_of(config, {"fabric": asdict(elsewhere)}, data=data)
    sys.path.insert(0, str(Path.cwd()))
    name = load(target).name
    plan = supervisor.prepare(settings, Path(settings.gateway.data), name, target, processes)
    log.setup(settings.log, "launcher")
    raise typer.Exit(asyncio.run(supervisor.launch(plan, settings, announce)))
