"""`dicom-gateway status`: say how a gateway is, in words or as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.common import settings_of
from gateway.shared_options import ConfigOption, DataOption

if TYPE_CHECKING:
    from collections.abc import Iterator


def command(
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say whether a gateway runs on the data directory, how it is, and what each part of it does.

    It is ok, degraded (with the reasons) or stopping. The exit status is 0 only if it is ok; 1 if
    it is not, if it does not answer, or if none runs.
    """
    from gateway.errors import GatewayError
    from gateway.supervisor import ask_running

    place = Path(settings_of(config, data=data).gateway.data)
    try:
        status = ask_running(place, "status")
    except GatewayError as error:
        if not as_json:
            raise
        status = {"state": "down", "reasons": [str(error)], "data": str(place)}
    print(json.dumps(status) if as_json else "\n".join(_lines(status)))
    raise typer.Exit(0 if status["state"] == "ok" else 1)


def _lines(status: dict[str, Any]) -> Iterator[str]:
    from gateway.supervisor import format_address

    host, port = status["address"]
    yield (
        f"{status['state']}: pid {status['pid']}, {format_address((host, port))} "
        f"AE {status['ae_title']}, data {status['data']}, success means {status['durability']}"
    )
    for reason in status["reasons"]:
        yield f"  {reason}"
    yield (
        f"associations {status['associations']}, connections {status['connections']}, "
        f"in flight {status['in_flight']}"
    )
    disk, spool, index = status["disk"], status["spool"], status["index"]
    if "free" in disk:
        yield f"disk {disk['path']}: {disk['free']} of {disk['size']} bytes free"
    yield f"spool: {spool['ready']} for workers, {spool['quarantine']} in quarantine"
    if index:
        yield f"index {index['place']}: {index['state']}"
        if number := index.get("conflicts"):
            yield f"{number} instances set aside: `dicom-gateway archive conflicts ls`"
    for acceptor in status["acceptors"]:
        yield _process(acceptor)
    for worker in status["workers"]:
        holds = " ".join(worker["holds"]) or "nothing"
        failed = f", last exception {worker['last_exception']}" if worker["last_exception"] else ""
        generation, restarts = worker["generation"], worker["restarts"]
        yield (
            f"worker {worker['name']}: generation {generation}, holds {holds}, "
            f"restarts {restarts}{failed}"
        )
        processes = worker["processes"]
        yield from (line for one in processes for line in (f"  {_process(one)}", *_sent_by(one)))
    for other in status["others"]:
        yield f"worker {other['name']} (started from outside): holds {' '.join(other['holds'])}"


def _sent_by(one: dict[str, Any]) -> Iterator[str]:
    """Yield what a forwarding process says of each destination."""
    for name, told in one.get("outbox", {}).get("destinations", {}).items():
        yield f"    to {name}: {told['waiting']} waiting, {told['parked']} parked, {told['state']}"


def _process(one: dict[str, Any]) -> str:
    pid = f" pid {one['pid']}" if one["pid"] else ""
    text = f" ({one['text']})" if one["text"] else ""
    last = f", before: {one['last_end']}" if one["last_end"] else ""
    return f"{one['name']} {one['state']}{text}{pid}, restarts {one['restarts']}{last}"
