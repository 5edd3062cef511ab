"""`dicom-gateway worker`: run a worker of one's own beside a gateway."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.common import ConfigOption, DataOption, announce, settings_of


def command(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:WORKER",
            help="A Worker in a module (also of this directory), or an installed one's name.",
        ),
    ],
    processes: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=256, help="Processes that share its work.", show_default="1"
        ),
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Run a worker of your own beside a running gateway.

    It runs until it is told to leave (Ctrl-C or SIGTERM). Prints one line once it is registered.
    Only one worker may answer an event: if another holds it, this one is refused, and the line on
    standard error names the holder. Start a newer version of a running worker, and it takes over
    without a lost request.
    """
    from gateway import log, supervisor
    from gateway.sdk.loading import load

    settings = settings_of(config, data=data)
    sys.path.insert(0, str(Path.cwd()))
    name = load(target).name
    plan = supervisor.prepare(settings, Path(settings.gateway.data), name, target, processes)
    log.setup(settings.log, "launcher")
    raise typer.Exit(asyncio.run(supervisor.launch(plan, settings, announce)))
