"""The options for the configuration, which several commands share, and how it is loaded."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gateway.settings import Settings

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


def settings_of(config: Path | None, **gateway: Any) -> Settings:
    """Return the effective settings; `gateway` are options that override `[gateway]` settings."""
    from gateway.config import load

    options: dict[tuple[str, ...], Any] = {
        ("gateway", name): value for name, value in gateway.items()
    }
    return load(config, environment=os.environ, options=options)


def announce(line: str) -> None:
    """Print the line that says that the program is ready; standard output may be closed."""
    with suppress(OSError):
        print(line, flush=True)
