"""Options of commands that work on a queue: instances for destinations, or messages of steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

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
