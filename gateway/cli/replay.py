"""`dicom-gateway replay`: play a recording against a peer, and compare the answers."""

from __future__ import annotations

import json
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path  # noqa: TC003 - the options are read from annotations
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.common import announce
from gateway.cli.options import with_options
from gateway.cli.record import place_of
from gateway.errors import ConfigError, GatewayError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.cli.recording import RecordedConnection
    from gateway.cli.replaying import ConnectionReplay


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """The recording, the peer, and how the answers are compared."""

    file: Annotated[Path, typer.Argument(metavar="FILE")]
    """A recording of `dicom-gateway record`."""
    to: Annotated[str, typer.Option("--to", metavar="HOST:PORT")] = ""
    """Play the requestor against an SCP there."""
    listen: Annotated[str, typer.Option("--listen", metavar="[HOST:]PORT")] = ""
    """Play the acceptor for an SCU that connects here, once for each recorded connection."""
    connection: Annotated[int, typer.Option("--connection", min=0, metavar="N")] = 0
    """Only this connection of the recording; 0: all, one after the other."""
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, metavar="SECONDS")] = 30.0
    """Time limit for each answer."""
    paced: Annotated[bool, typer.Option("--paced")] = False
    """Keep the recorded times; else everything is sent as soon as it is due."""
    compare_data: Annotated[bool, typer.Option("--compare-data")] = False
    """Data sets of answers must be the same, too."""
    as_json: Annotated[bool, typer.Option("--json")] = False
    """Print one JSON object a line."""


@with_options(ReplayOptions, "options")
def command(*, options: ReplayOptions) -> None:
    """Play one side of a recording against a peer, and compare what it answers.

    Compared are association PDUs, messages with their statuses and UIDs, and who closes. The exit
    status is 0 if all answers are as recorded - a recorded failure has to fail alike - and else 1.

    Examples:
    dicom-gateway replay CT1.dcmrec --to 127.0.0.1:11112

    dicom-gateway replay CT1.dcmrec --listen 11113
    """
    if bool(options.to) == bool(options.listen):
        raise ConfigError("replay needs either --to HOST:PORT or --listen PORT")
    from gateway.cli.recording import ACCEPTOR, REQUESTOR, read

    recording = read(options.file)
    chosen = [
        one for one in recording.connections if options.connection in (0, one.number) and one.parts
    ]
    if not chosen:
        raise GatewayError(f"{options.file} has no such connection with something in it")
    if recording.is_redacted or any(part.is_cut for one in chosen for part in one.parts):
        print("data sets of this recording were overwritten or cut", file=sys.stderr)
    if options.to:
        play = _playing(REQUESTOR, lambda: _connect(options), options)
    else:
        listener = _listener(options)
        play = _playing(ACCEPTOR, lambda: _accept(listener, options), options)
    different = sum(_report(play(one), options) for one in chosen)
    if different:
        raise typer.Exit(1)


def _playing(
    mine: str, connect: Callable[[], socket.socket], options: ReplayOptions
) -> Callable[[RecordedConnection], ConnectionReplay]:
    from gateway.cli.replaying import ConnectionReplay

    def play(connection: RecordedConnection) -> ConnectionReplay:
        with connect() as sock:
            sock.settimeout(options.timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            how = options.timeout, options.paced, options.compare_data
            replay = ConnectionReplay(connection, mine, sock, *how)
            replay.run()
            return replay

    return play


def _connect(options: ReplayOptions) -> socket.socket:
    host, port = place_of(options.to, "--to")
    try:
        return socket.create_connection((host, port), options.timeout)
    except OSError as error:
        raise GatewayError(f"no connection to {options.to}: {error.strerror or error}") from None


def _listener(options: ReplayOptions) -> socket.socket:
    host, port = place_of(options.listen, "--listen")
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise GatewayError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    listener.settimeout(options.timeout)
    host, port = listener.getsockname()[:2]
    announce(f"waiting for a requestor on {host}:{port}")
    return listener


def _accept(listener: socket.socket, options: ReplayOptions) -> socket.socket:
    try:
        return listener.accept()[0]
    except TimeoutError:
        raise GatewayError(f"nobody connected within {options.timeout:g} s") from None


def _report(replay: ConnectionReplay, options: ReplayOptions) -> bool:
    """Print what was different; return whether anything was."""
    number, differences = replay.connection.number, replay.differences
    if options.as_json:
        found = [asdict(one) for one in differences]
        print(json.dumps({"connection": number, "alike": replay.alike, "differences": found}))
        return bool(differences)
    print(f"connection {number}: {replay.alike} answers alike, {len(differences)} different")
    for one in differences:
        print(f"{one.at:10.3f}  recorded: {one.recorded}\n{'':10}  replayed: {one.replayed}")
    return bool(differences)
