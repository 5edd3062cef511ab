"""`dicom-gateway record`: record associations, show recordings, export them for Wireshark."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.common import (
    announce,
    settings_of,
)
from gateway.cli.options import with_options
from gateway.errors import FabricError, GatewayError
from gateway.shared_options import ConfigOption, DataOption, command_group

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.cli.recording import RecordingWriter

NAME = "dicom-gateway record"
"""The name of its leases; no worker can have it, because of the space."""
_PAUSE = 0.5
"""Seconds between two looks whether the gateway is still there."""

app = command_group("Record associations, show recordings, and export them for Wireshark.")


@dataclass(frozen=True, kw_only=True)
class RecordOptions:
    """The file, and what is kept in it."""

    file: Annotated[Path, typer.Argument(metavar="FILE")]
    """File to create."""
    redact: Annotated[bool, typer.Option("--redact")] = False
    """Overwrite data sets, error comments and secrets of user identities."""
    max_size: Annotated[int, typer.Option("--max-size", min=1, metavar="MB")] = 1024
    """Largest file; what comes after that is passed on, and not recorded."""
    count: Annotated[int, typer.Option("--count", min=0, metavar="N")] = 0
    """End after N associations; 0: at Ctrl-C."""


@app.command()
@with_options(RecordOptions, "options")
def proxy(
    listen: Annotated[
        str, typer.Option("--listen", metavar="[HOST:]PORT", help="Where peers connect.")
    ],
    to: Annotated[
        str, typer.Option("--to", metavar="HOST:PORT", help="Where they are passed on to.")
    ],
    *,
    options: RecordOptions,
) -> None:
    """Stand between two peers, pass everything on byte for byte, and record it.

    The file is readable by its owner only: without --redact it has data sets and passwords as they
    were sent. TLS cannot be recorded. Example:

    dicom-gateway record proxy CT1.dcmrec --listen 11113 --to 10.0.0.7:104
    """
    from gateway.cli.recording import RecordingWriter, create

    here, there = place_of(listen, "--listen"), place_of(to, "--to")
    with create(options.file, buffered=False) as file:
        writer = RecordingWriter(file, options.max_size * 1_000_000, is_redacted=options.redact)
        asyncio.run(_proxy(writer, here, there, options))
        _tell(writer, options)


async def _proxy(
    writer: RecordingWriter, here: tuple[str, int], there: tuple[str, int], options: RecordOptions
) -> None:
    from gateway.cli.recording_proxy import RecordingProxy

    proxy = RecordingProxy(writer, *there, options.redact, options.count)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, proxy.over.set)
    try:
        server = await asyncio.start_server(proxy.serve, *here)
    except OSError as error:
        raise GatewayError(f"cannot listen on {here[0]}:{here[1]}: {error.strerror}") from None
    host, port = server.sockets[0].getsockname()[:2]
    announce(f"recording {host}:{port}, passed on to {there[0]}:{there[1]}; Ctrl-C to end")
    await proxy.over.wait()
    server.close()


@dataclass(frozen=True, kw_only=True)
class GatewayRecordOptions(RecordOptions):
    """Which associations of a gateway are recorded, and for how long."""

    calling: Annotated[str, typer.Option("--calling", metavar="AET")] = "*"
    """Of this AE title; with * and ?."""
    address: Annotated[str, typer.Option("--from", metavar="ADDRESS")] = ""
    """That come from this host."""
    association: Annotated[str, typer.Option("--association", metavar="ID")] = ""
    """The one of this name in the log."""
    rejected: Annotated[bool, typer.Option("--rejected")] = False
    """Only those that are rejected."""
    seconds: Annotated[float, typer.Option("--for", min=0, metavar="SECONDS")] = 0.0
    """End after this time; 0: at Ctrl-C."""
    until_closed: Annotated[bool, typer.Option("--until-closed", hidden=True)] = False
    """End when standard input is closed."""


@app.command()
@with_options(GatewayRecordOptions, "options")
def gateway(
    data: DataOption = None,
    config: ConfigOption = None,
    *,
    options: GatewayRecordOptions,
) -> None:
    """Record associations that a running gateway accepts or rejects.

    Of each PDU the first 64 KiB are kept. Associations that are open already are recorded from now
    on. Example:

    dicom-gateway record gateway CT1.dcmrec --calling CT1 --count 1
    """
    from gateway.cli.notification_queue import NotificationQueue
    from gateway.cli.recording import RecordingWriter, create
    from gateway.cli.recording_watch import TOPICS, AssociationRecorder, WantedAssociations
    from gateway.cli.watching import watcher
    from gateway.supervisor import find_running

    settings, queue = settings_of(config, data=data), NotificationQueue()
    place, is_over = Path(settings.gateway.data), _end_of(options)
    client = watcher(place, settings.fabric, NAME, TOPICS, on_notification=queue.notify)
    with create(options.file, buffered=False) as file:
        writer = RecordingWriter(file, options.max_size * 1_000_000, is_redacted=options.redact)
        wanted = WantedAssociations(
            options.calling, options.address, options.association, options.rejected
        )
        recorder = AssociationRecorder(writer, wanted, options.redact)
        client.start()
        try:
            places = ", ".join(client.acceptors)
            announce(f"recording {options.calling} at {places}; Ctrl-C to end")
            while not is_over() and not (options.count and recorder.ended >= options.count):
                for one in queue.take(_PAUSE):
                    recorder.take(one)  # type: ignore[arg-type]
                if find_running(place) is None:
                    raise FabricError(f"the gateway on {place} has left")
        finally:
            client.stop()
        _tell(writer, options)
        if recorder.lost:
            raise GatewayError(f"{recorder.lost} PDUs were lost on the way to the file")


def _end_of(options: GatewayRecordOptions) -> Callable[[], bool]:
    """Return what tells whether it is over: by a signal, the time, or the end of its owner."""
    until = time.monotonic() + options.seconds if options.seconds else float("inf")
    leaving: list[object] = []

    def wait_for_owner() -> None:
        sys.stdin.read()
        leaving.append(None)

    if options.until_closed:
        threading.Thread(target=wait_for_owner, daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: leaving.append(number))
    return lambda: bool(leaving) or time.monotonic() >= until


@app.command()
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recording.")],
) -> None:
    """Print what was sent: time, connection, direction, and the PDU or message."""
    from gateway.cli.recorded_events import CLOSED, EventReader, PeerEvent
    from gateway.cli.recording import ACCEPTOR, REQUESTOR, read

    for connection in read(file).connections:
        print(f"connection {connection.number}: {connection.requestor} -> {connection.acceptor}")
        readers = {REQUESTOR: EventReader(), ACCEPTOR: EventReader()}
        for part in connection.parts:
            reader, arrow = readers[part.sender], "->" if part.sender == REQUESTOR else "<-"
            closed = [PeerEvent(CLOSED)]
            for event in closed if part.data is None else reader.feed(part.data):
                print(f"{part.at:10.3f}  {connection.number} {arrow} {event.text}")


@app.command()
def pcap(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recording.")],
    out: Annotated[Path, typer.Argument(metavar="PCAP", help="File to create.")],
    keep_ports: Annotated[
        bool,
        typer.Option("--keep-ports", help="Keep the port of the SCP; else it is 104, DICOM's."),
    ] = False,
) -> None:
    """Export a recording for Wireshark: `wireshark -Y dicom FILE`.

    What was below the PDUs is made up: handshake, segments in order, end.
    """
    from gateway.cli.pcap import DICOM_PORT, write_pcap
    from gateway.cli.recording import create, read

    recording = read(file)
    with create(out) as made:
        packets = write_pcap(recording, made, port=0 if keep_ports else DICOM_PORT)
    print(f"{out}: {packets} packets of {len(recording.connections)} connections")


def place_of(text: str, option: str) -> tuple[str, int]:
    """Return host and port of `[HOST:]PORT`; raises BadParameter."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535 or (option == "--to" and not host):
        raise typer.BadParameter(f"{text!r} is not HOST:PORT", param_hint=option)
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def _tell(writer: RecordingWriter, options: RecordOptions) -> None:
    if writer.failure:
        raise GatewayError(f"{options.file} ends early: it cannot be written: {writer.failure}")
    if writer.is_full:
        with suppress(OSError):
            print(f"{options.file} is full: {options.max_size} MB; see --max-size", file=sys.stderr)
