"""The commands put together, and what every one of them does with an error."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from gateway import __version__
from gateway.cli import config, echo, events, find, get, load, move, serve, status, store, worker
from gateway.cli.common import settings_of
from gateway.errors import ConfigError, GatewayError

GROUP = "dicom_gateway.commands"
"""Entry points of further commands: a typer app or a function, by the name of the command."""


class Commands(TyperGroup):
    """The commands of this program, and those that other packages bring.

    The latter are imported when they are run and not before: none can slow or break the rest.
    """

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        own = super().list_commands(ctx)
        return own + sorted(set(_brought()) - set(own))

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        own = super().get_command(ctx, cmd_name)
        if own is not None or (point := _brought().get(cmd_name)) is None:
            return own
        return _Brought(point)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, _Brought) else command, rest


class _Brought(TyperCommand):
    """Another package's command, as it stands in the list of commands: not imported."""

    def __init__(self, point: EntryPoint) -> None:
        self._point = point
        self._origin = point.dist.name if point.dist else point.value
        super().__init__(point.name, help=f"Brought by {self._origin}.")

    def load(self) -> Any:
        try:
            found = self._point.load()
        except Exception as error:  # whatever another package does when it is imported
            why = f"{type(error).__name__}: {error}"
            raise ConfigError(
                f"the command {self._point.name} of {self._origin} cannot be loaded: {why}"
            ) from error
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False)
            alone.command(self._point.name)(found)
            found = alone
        return typer.main.get_command(found)


def _brought() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


app = typer.Typer(
    name="dicom-gateway",
    cls=Commands,
    help=(
        "A DICOM gateway: takes associations, keeps what it receives safely on disk, "
        "and lets Python workers answer every DIMSE request.\n\n"
        "Start here: `dicom-gateway serve`, then `dicom-gateway echo 127.0.0.1 11112`."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _name, _module in {
    "serve": serve,
    "worker": worker,
    "echo": echo,
    "store": store,
    "find": find,
    "get": get,
    "move": move,
    "load": load,
    "events": events,
    "status": status,
    "config": config,
}.items():
    app.command(_name)(_module.command)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"dicom-gateway {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback deals with it
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print it and leave."),
    ] = False,
) -> None:
    context.obj = settings_of  # how commands of other packages find the settings


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit status. What is wrong is one line on standard error.

    2: something it was given is wrong; 1: it failed.
    """
    try:
        app(arguments, prog_name="dicom-gateway")
    except ConfigError as error:
        print(f"dicom-gateway: {error}", file=sys.stderr)
        return 2
    except GatewayError as error:
        print(f"dicom-gateway: {error}", file=sys.stderr)
        return 1
    return 0
