"""Options that commands share, of this program and of workers."""

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
