"""`dicom-gateway serve`: run a gateway."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.common import (
    announce,
    settings_of,
)
from gateway.shared_options import ConfigOption, DataOption

if TYPE_CHECKING:
    from gateway.settings import Settings


def command(
    config: ConfigOption = None,
    host: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on; 0.0.0.0 for all interfaces.",
            show_default="127.0.0.1",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", help="Port to listen on; 0: any free port.", show_default="11112"
        ),
    ] = None,
    ae_title: Annotated[
        str | None,
        typer.Option(metavar="AET", help="AE title of the gateway.", show_default="GATEWAY"),
    ] = None,
    data: DataOption = None,
    acceptors: Annotated[
        str | None,
        typer.Option(
            metavar="N", help="Processes that accept associations, or auto.", show_default="1"
        ),
    ] = None,
) -> None:
    """Run a gateway until Ctrl-C or SIGTERM.

    It prints one line when it is ready. Received instances are stored in the data directory.
    SIGHUP and `dicom-gateway reload` put a changed configuration in force.
    Options override environment variables (DICOM_GATEWAY_TABLE__SETTING), and these override the
    file.
    """
    from gateway import log, supervisor
    from gateway.config import check_tls_files

    def read() -> Settings:
        settings = settings_of(
            config, host=host, port=port, ae_title=ae_title, data=data, acceptors=acceptors
        )
        check_tls_files(settings, config)
        return settings

    settings = read()
    log.setup(settings.log, "supervisor")
    raise typer.Exit(asyncio.run(supervisor.serve(settings, announce, read=read)))
