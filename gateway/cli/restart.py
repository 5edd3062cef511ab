"""`dicom-gateway restart`: end a process of the running gateway and start it again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.common import settings_of
from gateway.shared_options import ConfigOption, DataOption


def command(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A worker, as storage, or a process, as storage-0."),
    ],
    swap: Annotated[
        bool,
        typer.Option("--swap", help="Start a new generation of the worker before the old leaves."),
    ] = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """End a worker or process of a running gateway, and start it again.

    A worker finishes what it has in hand, and new requests wait meanwhile; its processes are
    restarted one after the other. With --swap nothing waits. An acceptor finishes its associations
    within drain_timeout, and aborts the rest. It returns when all are ready again.
    """
    from gateway.control_client import REPLACE_LIMIT
    from gateway.errors import GatewayError
    from gateway.supervisor import ask_running

    place = Path(settings_of(config, data=data).gateway.data)
    told = ask_running(place, "swap" if swap else "restart", REPLACE_LIMIT, name=name)
    if "error" in told:
        raise GatewayError(told["error"])
    print(f"ready again: {', '.join(told['done'])}")
