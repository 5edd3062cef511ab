"""`dicom-gateway serve`: run a gateway."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from gateway.cli.common import ConfigOption, DataOption, announce, settings_of


def command(
    config: ConfigOption = None,
    host: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen at; 0.0.0.0 for all.",
            show_default="127.0.0.1",
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(metavar="PORT", help="0: any free one.", show_default="11112")
    ] = None,
    ae_title: Annotated[
        str | None,
        typer.Option(metavar="TITLE", help="This gateway's AE title.", show_default="GATEWAY"),
    ] = None,
    data: DataOption = None,
    acceptors: Annotated[
        int | None,
        typer.Option(metavar="N", help="Processes that accept associations.", show_default="1"),
    ] = None,
) -> None:
    """Run a gateway until it is told to leave (Ctrl-C or SIGTERM).

    Prints one line once it is ready. Received instances are kept in the data directory. Options
    win over the environment (DICOM_GATEWAY_TABLE__SETTING), and that over the file.
    """
    from gateway import log, supervisor

    settings = settings_of(
        config, host=host, port=port, ae_title=ae_title, data=data, acceptors=acceptors
    )
    log.setup(settings.log, "supervisor")
    raise typer.Exit(asyncio.run(supervisor.serve(settings, announce)))
