"""What commands share, of this program and of workers: options, and how they are grouped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar="DICOM_GATEWAY_CONFIG",
        help="Configuration file (TOML); deploy/gateway.toml documents every setting.",
    ),
]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Data directory of the gateway.",
        show_default="./gateway-data",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]


def command_group(help_text: str) -> typer.Typer:
    """Return a group of commands, such as `dicom-gateway archive`, that are added to it."""
    return typer.Typer(
        help=help_text, no_args_is_help=True, rich_markup_mode=None, add_completion=False
    )
