"""`dicom-gateway route`: say where an instance is sent, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.datasets.instances import identify
from gateway.route_rules import compile_routes
from gateway.sdk import ConfigError, GatewayError
from gateway.shared_options import ConfigOption, DataOption, command_group
from workers.archive import header
from workers.archive.command_options import locate, printable
from workers.forward.provenance import facts_of, peer_facts

if TYPE_CHECKING:
    from gateway.route_rules import CompiledRoute
    from workers.archive.command_options import ArchiveLocation
    from workers.forward.provenance import Facts

app = command_group("Try the routes: where an instance is sent.")


@app.callback()
def _root() -> None:
    """Make `try` a command of its own, although it is the only one."""


@app.command("try")
def try_routes(  # noqa: PLR0913, PLR0917 - the options of a command
    context: typer.Context,
    what: Annotated[
        str, typer.Argument(metavar="UID|FILE", help="A stored instance, or a DICOM file.")
    ],
    calling: Annotated[str, typer.Option(metavar="AET", help="As if this AE had sent it.")] = "",
    called: Annotated[str, typer.Option(metavar="AET", help="As if this AE had been called.")] = "",
    address: Annotated[
        str, typer.Option("--from", metavar="ADDRESS", help="As if it came from this address.")
    ] = "",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Say which routes an instance takes and which it does not, and what decides.

    Nothing is sent, and no hook is called. The exit status is 0 if it takes a route, and 1 if not.
    """
    settings = context.find_root().obj(config, data=data)
    routes = compile_routes(settings.forward.routes)
    if not routes:
        raise ConfigError("there are no [[routes]] in the configuration")
    names = frozenset().union(*(one.names for one in routes))
    facts = _facts(locate(context, config, data), what, names)
    given = {"calling": calling, "called": called, "address": address}
    facts |= {name: value for name, value in given.items() if value}
    matches = [_explain(one, facts) for one in routes]
    raise typer.Exit(0 if any(matches) else 1)


def _facts(archive: ArchiveLocation, what: str, names: frozenset[str]) -> Facts:
    """Return the facts of a file, or of an instance in the archive; raises GatewayError."""
    path = Path(what)
    if path.is_file():
        instance = identify(path)
        try:
            values = header.read(path, instance.offset, instance.transfer_syntax_uid)
        except (OSError, ValueError) as error:
            raise GatewayError(f"{path} cannot be read: {error}") from error
        uids = {"TransferSyntaxUID": instance.transfer_syntax_uid}
        return {**values, **uids, **peer_facts(path)}
    with archive.open_index() as index:
        entry = index.find(what)
        if entry is None:
            raise ConfigError(f"{what} is neither a file nor a stored instance")
        wanted = names | {"StudyInstanceUID", "SeriesInstanceUID"}
        (facts,) = facts_of(index, archive.files(), [entry], wanted)
    return facts


def _explain(one: CompiledRoute, facts: Facts) -> bool:
    """Print whether an instance takes a route, with the values that decide."""
    holds = one.condition.holds(facts)
    values = (f'{name} is "{printable(facts.get(name, ""))}"' for name in sorted(one.names))
    why = ", ".join(values) or "it takes every instance"
    route = one.route
    to = f" to {', '.join(route.destinations)} ({route.mode})" if route.destinations else ""
    hook = f", if {route.hook} agrees" if route.hook else ""
    if route.transform:
        hook += f", transformed by {', '.join(route.transform)}"
    print(f"{one.title}: {f'matches{to}{hook}' if holds else 'does not match'}: {why}")
    return holds
