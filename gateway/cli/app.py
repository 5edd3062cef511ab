"""The command line application: all commands, and the exit status of an error."""

from __future__ import annotations

import ast
import sys
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

from gateway import __version__
from gateway.cli import (
    compare,
    config,
    drain,
    echo,
    events,
    fabric_keys,
    find,
    get,
    load,
    move,
    record,
    reload,
    replay,
    restart,
    resume,
    serve,
    status,
    store,
    top,
    try_policy,
    worker,
)
from gateway.cli.common import settings_of
from gateway.errors import ConfigError, GatewayError

GROUP = "dicom_gateway.commands"
"""The group of entry points for commands of other packages.

Each is a typer app or a function; the name of the entry point is the name of the command.
"""


_WHOLE = 1000
"""More characters than the first sentence of any command has."""


class Commands(TyperGroup):
    """The commands of this program and of other packages.

    A command of another package is imported when it is run and not before, so that it can neither
    slow down nor break the others.
    """

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        own = super().list_commands(ctx)
        return own + sorted(set(_plugins()) - set(own))

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        own = super().get_command(ctx, cmd_name)
        if own is not None or (point := _plugins().get(cmd_name)) is None:
            return own
        return _Plugin(point)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, _Plugin) else command, rest


class _Plugin(TyperCommand):
    """A command of another package, not yet imported."""

    def __init__(self, point: EntryPoint) -> None:
        self._point = point
        self._origin = point.dist.name if point.dist else point.value
        told = _summary(point.module)
        super().__init__(point.name, help=told or f"Command of {self._origin}.")

    def load(self) -> Any:
        try:
            found = self._point.load()
        except Exception as error:  # importing another package can raise anything
            why = f"{type(error).__name__}: {error}"
            raise ConfigError(
                f"command {self._point.name} of {self._origin} cannot be imported: {why}"
            ) from error
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False, rich_markup_mode=None)
            alone.command(self._point.name)(found)
            found = alone
        return typer.main.get_command(found)


def _summary(module: str) -> str:
    """Return what the first line of a module says of its command, without importing it."""
    try:
        spec = find_spec(module)
        text = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
        first = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    except (ImportError, OSError, SyntaxError, ValueError):
        return ""
    told = first.partition(": ")[2]
    return told[:1].upper() + told[1:]


def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _choices(argument: Any, ctx: Any) -> str | None:
    """Return the choices of an argument, which stand behind its name in help texts."""
    is_choice = argument.type_descriptor.is_choice
    return str(argument.display_type(ctx)) if is_choice else None


def _format_commands(group: TyperGroup, ctx: Any, formatter: Any) -> None:
    """List the commands of a group with the whole first sentence of each."""
    found = [(name, group.get_command(ctx, name)) for name in group.list_commands(ctx)]
    rows = [(name, one.get_short_help_str(_WHOLE)) for name, one in found if one and not one.hidden]
    if rows:
        with formatter.section("Commands"):
            formatter.write_dl(rows)


# Typer cuts a summary where the line ends, in the middle of a sentence.
TyperGroup.format_commands = _format_commands  # type: ignore[method-assign,assignment]
# Typer shows the Python type there, as <str>, which tells a user nothing.
TyperArgument.display_type_rich = _choices  # type: ignore[method-assign,assignment]


app = typer.Typer(
    name="dicom-gateway",
    cls=Commands,
    help=(
        "A DICOM gateway: accepts associations, stores instances durably on disk, "
        "and lets Python workers answer every DIMSE request.\n\n"
        "Start here: `dicom-gateway serve`, then `dicom-gateway echo 127.0.0.1 11112`."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
_OPERATION = (events, status, top, drain, resume, reload, restart, config)
for _module in (serve, worker, echo, store, find, get, move, load, compare, replay, *_OPERATION):
    app.command(_module.__name__.rpartition(".")[2])(_module.command)
app.add_typer(try_policy.command, name="policy")
app.add_typer(record.app, name="record")
app.add_typer(fabric_keys.app, name="keys")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"dicom-gateway {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - handled by its callback
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    context.obj = settings_of  # for commands of other packages


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status; an error is one line on standard error.

    The status is 2 for a wrong option or setting, and 1 for any other failure.
    """
    try:
        app(arguments, prog_name="dicom-gateway")
    except ConfigError as error:
        print(f"dicom-gateway: {error}", file=sys.stderr)
        return 2
    except GatewayError as error:
        print(f"dicom-gateway: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.filename is None:  # not a file or directory that a user has named
            raise
        print(f"dicom-gateway: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0
