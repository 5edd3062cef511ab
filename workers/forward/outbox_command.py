"""`dicom-gateway outbox`: what waits for destinations, and what an operator does with it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway import control_client
from gateway.sdk import ConfigError, GatewayError
from gateway.shared_options import ConfigOption, DataOption, JsonOption, command_group
from workers.archive.command_options import locate, print_json, printable
from workers.archive.outbox_control import OutboxControl
from workers.archive.outbox_rows import STATES, QueuedInstance, QueueState, Selection
from workers.archive.queue_options import AllQueued, QueuedFor, QueuedNumbers, queued_in
from workers.archive.upkeep import matching
from workers.forward.forward_outbox import ForwardOutbox
from workers.forward.provenance import facts_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gateway.settings import ForwardRoute
    from workers.archive.index import Index, IndexEntry
    from workers.archive.stored_files import StoredFiles

app = command_group("What is to be sent to destinations: list, retry, drop, suspend and resume.")
_PAGE = 1000

_Study = Annotated[str, typer.Option("--study", metavar="UID", help="Of this study.")]
_Instance = Annotated[str, typer.Option("--instance", metavar="UID", help="This instance.")]
_State = Annotated[str, queued_in(STATES)]
_Destination = Annotated[str, typer.Argument(metavar="NAME", help="Its name in [destinations].")]


@app.command("ls")
def ls(  # noqa: PLR0913, PLR0917 - the options of a command
    context: typer.Context,
    to: QueuedFor = "",
    study: _Study = "",
    state: _State = "",
    rows: Annotated[bool, typer.Option("--rows", help="List each instance.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the destinations with what waits for each; or the instances, with any option of them."""
    with locate(context, config, data).open_index() as index:
        control = OutboxControl(index)
        if rows or study or state:
            _print_rows(control, _selection(to, study, "", state), as_json)
            return
        states = [one for one in control.states().values() if to in ("", one.destination)]
        told = _told_by_gateway(locate(context, config, data).data_dir)
    for one in sorted(states, key=lambda one: one.destination):
        _print_state(one, told.get(one.destination, ""), as_json)
    if not states and not as_json:
        print("the outbox is empty")


def _told_by_gateway(data_dir: Path) -> dict[str, str]:
    """Return what the running gateway says of each destination; nothing if none runs."""
    try:
        status = control_client.ask(data_dir / "run", "status")
    except GatewayError:
        return {}
    found: dict[str, str] = {}
    for facts in _facts_in(status):
        for name, one in facts.get("destinations", {}).items():
            found[name] = str(one.get("state", ""))
    return found


def _facts_in(status: dict[str, Any]) -> list[dict[str, Any]]:
    processes = [one for worker in status.get("workers", ()) for one in worker["processes"]]
    return [one["outbox"] for one in processes if "outbox" in one]


def _print_state(one: QueueState, told: str, as_json: bool) -> None:
    age = max(0.0, time.time() - one.oldest) if one.oldest else 0.0
    state = "suspended" if one.suspended else told
    if as_json:
        values = {"waiting": one.waiting, "parked": one.parked, "attempted": one.attempted}
        values["unconfirmed"] = one.unconfirmed
        print_json({"destination": one.destination, **values, "oldest": age, "state": state})
        return
    text = f"{one.destination:<16}  {one.waiting:>9} waiting  {one.parked:>6} parked"
    text += f"  {one.unconfirmed} not confirmed" if one.unconfirmed else ""
    text += f"  oldest {age:.0f} s" if one.waiting else ""
    print(f"{text}  {printable(state)}".rstrip())


def _print_rows(control: OutboxControl, selection: Selection, as_json: bool) -> None:
    after, number = 0, 0
    while page := control.rows(selection, _PAGE, after):
        for row in page:
            _print_row(row, as_json)
        number, after = number + len(page), page[-1].id
    if not as_json:
        print(f"{number} listed")


def _print_row(row: QueuedInstance, as_json: bool) -> None:
    if as_json:
        print_json(_values(row))
        return
    reason = f"  {printable(row.reason)}" if row.reason else ""
    print(
        f"{row.id:>9}  {row.destination:<16}  {row.state:<7}  {row.attempts:>3} failed  "
        f"{printable(row.entry.sop_instance_uid)}{reason}"
    )


def _values(row: QueuedInstance) -> dict[str, Any]:
    return {
        "number": row.id,
        "destination": row.destination,
        "state": row.state,
        "route": row.route,
        "attempts": row.attempts,
        "queued": row.queued,
        "due": row.due,
        "reason": row.reason,
        "alternatives": list(row.alternatives),
        "transform": list(row.transform),
        "sent_as": row.sent_as.sop_instance_uid if row.sent_as else "",
        "study": row.study_instance_uid,
        "series": row.series_instance_uid,
        "instance": row.entry.sop_instance_uid,
        "sop_class": row.entry.sop_class_uid,
        "path": row.entry.path,
        "size": row.entry.size,
    }


@app.command("show")
def show(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="As listed.")],
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show all that is known of one instance in the outbox."""
    with locate(context, config, data).open_index() as index:
        found = OutboxControl(index).rows(Selection(ids=(number,)), 1)
    if not found:
        raise ConfigError(f"the outbox has no {number}: it is sent, or was dropped")
    if as_json:
        print_json(_values(found[0]))
        return
    for name, value in _values(found[0]).items():
        print(f"{name:<12}  {printable(str(value))}")


@app.command("send")
def send(  # noqa: PLR0913, PLR0917 - the options of a command
    context: typer.Context,
    uid: Annotated[str, typer.Argument(metavar="UID", help="Of a study, series or instance.")],
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="Its name in [destinations].")],
    transform: Annotated[
        list[str] | None,
        typer.Option("--transform", metavar="WORKER", help="Have it transformed by this worker."),
    ] = None,
    as_it_is: Annotated[
        bool, typer.Option("--as-it-is", help="Send it untransformed, although routes do not.")
    ] = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Put stored instances into the outbox, whatever the routes say.

    To a destination that a route has transforms for, say --transform or --as-it-is.
    """
    settings = context.find_root().obj(config, data=data)
    if to not in settings.destinations:
        known = ", ".join(sorted(settings.destinations)) or "nothing"
        raise ConfigError(f"there is no {to!r} in [destinations], which has {known}")
    workers = tuple(transform or ())
    if not workers and not as_it_is:
        _check_untransformed(settings.forward.routes, to)
    archive = locate(context, config, data)
    with archive.open_index() as index:
        entries = list(matching(index, [uid]).values())
        if not entries:
            raise ConfigError(f"nothing is stored under {uid}")
        for begin in range(0, len(entries), _PAGE):
            _put_in(index, archive.files(), entries[begin : begin + _PAGE], to, workers)
    print(f"{len(entries)} are to be sent to {to}")


def _check_untransformed(routes: Sequence[ForwardRoute], to: str) -> None:
    """Raise ConfigError if a route has instances for a destination transformed."""
    for number, route in enumerate(routes, 1):
        if route.transform and to in route.destinations:
            names = " ".join(f"--transform {name}" for name in route.transform)
            raise ConfigError(
                f"routes[{number}] has what goes to {to} transformed: say {names}, or --as-it-is"
            )


def _put_in(
    index: Index,
    files: StoredFiles,
    entries: Sequence[IndexEntry],
    to: str,
    transform: tuple[str, ...],
) -> None:
    outbox = ForwardOutbox(index)
    now = outbox.now()
    facts = facts_of(index, files, entries, ("StudyInstanceUID", "SeriesInstanceUID"))
    outbox.add(
        [
            QueuedInstance(
                *(entry, to, "sent by hand"),
                *(one.get("StudyInstanceUID", ""), one.get("SeriesInstanceUID", "")),
                due=now,
                queued=now,
                transform=transform,
            )
            for entry, one in zip(entries, facts, strict=True)
        ]
    )


@app.command("retry")
def retry(  # noqa: PLR0913, PLR0917 - the options of a command
    context: typer.Context,
    numbers: QueuedNumbers = None,
    to: QueuedFor = "",
    study: _Study = "",
    instance: _Instance = "",
    state: _State = "",
    everything: AllQueued = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Send instances as soon as possible, parked ones too, as if they had been put in now."""
    selection = _restricted(_selection(to, study, instance, state, numbers), everything)
    with locate(context, config, data).open_index() as index:
        print(f"tried again: {OutboxControl(index).retry(selection)}")


@app.command("drop")
def drop(  # noqa: PLR0913, PLR0917 - the options of a command
    context: typer.Context,
    numbers: QueuedNumbers = None,
    to: QueuedFor = "",
    study: _Study = "",
    instance: _Instance = "",
    state: _State = "",
    everything: AllQueued = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Take instances out of the outbox: they are not sent. They stay in the archive."""
    selection = _restricted(_selection(to, study, instance, state, numbers), everything)
    with locate(context, config, data).open_index() as index:
        print(f"dropped: {OutboxControl(index).drop(selection)}")


@app.command("suspend")
def suspend(
    context: typer.Context,
    destination: _Destination,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Send nothing more to a destination, from any host; instances wait in the outbox."""
    _suspend(context, config, data, destination, True)
    print(f"{destination}: suspended")


@app.command("resume")
def resume(
    context: typer.Context,
    destination: _Destination,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Send to a destination again."""
    _suspend(context, config, data, destination, False)
    print(f"{destination}: resumed")


def _suspend(
    context: typer.Context,
    config: Path | None,
    data: str | None,
    destination: str,
    is_suspended: bool,
) -> None:
    """Raises ConfigError for a name that nothing knows: most likely it is misspelt."""
    place = locate(context, config, data)
    configured = context.find_root().obj(config, data=data).destinations
    with place.open_index() as index:
        control = OutboxControl(index)
        known = sorted({*configured, *control.states(), *_told_by_gateway(place.data_dir)})
        if destination not in known:
            raise ConfigError(
                f"there is no destination {printable(destination)} in the outbox or in"
                f" [destinations], which have: {', '.join(known) or 'none'}; give the gateway's"
                " configuration with --config"
            )
        control.suspend(destination, is_suspended)


def _selection(
    to: str, study: str, instance: str, state: str, numbers: list[int] | None = None
) -> Selection:
    return Selection(to, study, instance, state, tuple(numbers or ()))


def _restricted(selection: Selection, everything: bool) -> Selection:
    if selection == Selection() and not everything:
        raise ConfigError("say which: NUMBER, --to, --study, --instance, --state, or --all")
    return selection
