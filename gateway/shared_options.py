"""Options that commands share, of this program and of workers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

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

QueuedNumbers = Annotated[
    list[int] | None, typer.Argument(metavar="[NUMBER]...", help="As listed.")
]
QueuedFor = Annotated[str, typer.Option("--to", metavar="NAME", help="For this destination.")]
AllQueued = Annotated[bool, typer.Option("--all", help="Everything, if nothing else is said.")]


def queued_in(states: Sequence[str]) -> Any:
    """Return the option `--state` of a queue whose entries have these states."""
    text = f"{', '.join(states[:-1])} or {states[-1]}"

    def check(state: str) -> str:
        if state not in ("", *states):
            raise typer.BadParameter(f"it must be {text}")
        return state

    return typer.Option("--state", metavar="STATE", help=f"{text}.", callback=check)
