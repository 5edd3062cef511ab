"""What several commands share: the options that name the settings, and how they are loaded."""

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
        help="A TOML file of settings; deploy/gateway.toml states them all.",
    ),
]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The gateway's data directory.",
        show_default="./gateway-data",
    ),
]


def settings_of(config: Path | None, **gateway: Any) -> Settings:
    """The effective settings; `gateway` are the options that stand for `[gateway]` settings."""
    from gateway.config import load

    options: dict[tuple[str, ...], Any] = {
        ("gateway", name): value for name, value in gateway.items()
    }
    return load(config, environment=os.environ, options=options)


def announce(line: str) -> None:
    """Tell whoever waits on standard output that it is up; nobody may be there."""
    with suppress(OSError):
        print(line, flush=True)
