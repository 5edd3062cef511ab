"""`dicom-gateway events`: watch what happens on the associations of a running gateway."""

from __future__ import annotations

import difflib
import fnmatch
import json
import select
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.common import settings_of
from gateway.cli.interrupt import discard_output
from gateway.cli.notification_queue import ConnectionChange, NotificationQueue
from gateway.cli.options import with_options
from gateway.cli.watching import watcher
from gateway.errors import ConfigError, FabricError
from gateway.events import CATALOGUE, EVT_GAP, NOTIFICATIONS
from gateway.shared_options import ConfigOption, DataOption

if TYPE_CHECKING:
    from gateway.fabric import Notification
    from gateway.settings import FabricSettings

NAME = "dicom-gateway events"
"""The name of its leases; no worker can have it, because of the space."""
VERBOSE = ("EVT_PDU_*", "EVT_DATA_*", "EVT_FSM_*", "EVT_DIMSE_*", "EVT_METRICS")
"""Topics that are watched only if they are named."""
_PAUSE = 0.5
"""Seconds between two checks for what causes no wake-up: a closed pipe, a gateway that has left."""


@dataclass(frozen=True, kw_only=True)
class EventsOptions:
    """Which events to watch, and how to print them."""

    topics: Annotated[
        list[str] | None,
        typer.Argument(metavar="TOPIC", show_default="all but PDU, DATA, FSM and DIMSE"),
    ] = None
    """Event to watch: EVT_RELEASED, released or 'dimse_*'."""
    last: Annotated[int, typer.Option("--last", min=0, max=10_000, metavar="N")] = 0
    """First show the N latest events. Only those that were watched when they happened are kept."""
    as_json: Annotated[bool, typer.Option("--json")] = False
    """Print one JSON object a line."""


@with_options(EventsOptions, "options")
def command(
    data: DataOption = None, config: ConfigOption = None, *, options: EventsOptions
) -> None:
    """Watch the events of a running gateway until Ctrl-C.

    Notification events are shown as they come, with a gap where some were lost. The exit status is
    0 after Ctrl-C, and 1 if no gateway runs or it has left. With --json, bytes are {"base64": ...}.
    PDUs and data sets are truncated to 64 KiB: "length" is the whole length, and "truncated" says
    whether they were. Secrets of user identities are masked. Examples:

    dicom-gateway events

    dicom-gateway events fsm_transition 'pdu_*'

    dicom-gateway events --json --last 100 'EVT_*'
    """
    chosen = choose(options.topics or [])
    settings = settings_of(config, data=data)
    tail = Tail(Path(settings.gateway.data), settings.fabric, as_json=options.as_json)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: tail.leave())
    try:
        tail.run(chosen, options.last)
    except BrokenPipeError:
        discard_output()


def choose(wanted: list[str]) -> list[str]:
    """Return the names of the topics to watch; raises ConfigError for one that does not exist."""
    known = [name for name in NOTIFICATIONS if name != EVT_GAP.name]
    if not wanted:
        return sorted(n for n in known if not any(fnmatch.fnmatch(n, one) for one in VERBOSE))
    return sorted({name for one in wanted for name in _matching(one, known)})


def _matching(wanted: str, known: list[str]) -> list[str]:
    pattern = wanted.upper()
    found = [n for n in known if fnmatch.fnmatchcase(n.removeprefix("EVT_"), pattern)]
    found += [n for n in known if fnmatch.fnmatchcase(n, pattern)]
    if found:
        return found
    name = pattern if pattern.startswith("EVT_") else f"EVT_{pattern}"
    if name == EVT_GAP.name:
        raise ConfigError("gaps are shown with every topic: leave out EVT_GAP")
    if name in CATALOGUE:
        raise ConfigError(f"{name} is an intervention event: only notification events are watched")
    near = [n for n in known if pattern in n] or difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known events: {', '.join(known)}"
    raise ConfigError(f"there is no event {wanted!r}; {hint}")


class Tail:
    """Prints the notifications of a gateway until `leave` is called or the gateway is gone."""

    def __init__(self, data: Path, settings: FabricSettings, *, as_json: bool) -> None:
        self._data = data
        self._settings = settings
        self._as_json = as_json
        self._queue = NotificationQueue()
        self._leaving = False
        self._lost = False
        """No acceptor responds."""
        self._streams: dict[str, str] = {}

    def leave(self) -> None:
        """Have `run` return. May be called by a signal handler."""
        self._leaving = True
        self._queue.put(None)

    def run(self, topics: list[str], last: int) -> None:
        """Watch these topics; raises FabricError if no gateway runs, or when it has left."""
        client = watcher(
            self._data,
            self._settings,
            NAME,
            topics,
            on_notification=self._received,
            on_state=lambda state, detail: self._queue.put(ConnectionChange(state, detail)),
            history=last,
        )
        began = time.time()
        client.start()
        try:
            print(f"watching {', '.join(client.acceptors)}; Ctrl-C to leave", file=sys.stderr)
            self._catch_up(began, last)
            while not self._leaving:
                self._next()
        finally:
            client.stop()

    def _received(self, notification: Notification) -> None:
        if notification.body.get("worker") != NAME:  # not of this command, or of another like it
            self._queue.notify(notification)

    def _catch_up(self, began: float, last: int) -> None:
        """Show earlier notifications, sorted: they arrive topic by topic."""
        items = self._queue.take(0.0)
        received = [item for item in items if not isinstance(item, ConnectionChange)]
        received.sort(key=lambda one: one.timestamp)
        before = [one for one in received if one.timestamp < began]
        for one in (*before[len(before) - min(last, len(before)) :], *received[len(before) :]):
            self._show(one)
        sys.stdout.flush()

    def _next(self) -> None:
        for item in self._queue.take(_PAUSE):
            if isinstance(item, ConnectionChange):
                self._changed(item)
            else:
                self._show(item)
        sys.stdout.flush()
        if _is_unread():
            raise BrokenPipeError
        if self._lost:
            self._check_gateway()

    def _changed(self, change: ConnectionChange) -> None:
        match change.state.name:
            case "LOST":
                self._lost = True
            case "GRANTED" if self._lost:
                self._lost = False
                self._note("the gateway's acceptors are back")
            case "REFUSED" | "SUPERSEDED" | "ENDED":
                raise FabricError(f"the gateway ended the subscription: {change.detail}")

    def _check_gateway(self) -> None:
        from gateway.supervisor import find_running

        if find_running(self._data) is None:
            raise FabricError(f"the gateway on {self._data} has left")

    def _show(self, notification: Notification) -> None:
        from gateway.cli import notification_text

        acceptor = notification.stream.rpartition("-")[0]
        if self._streams.setdefault(acceptor, notification.stream) != notification.stream:
            self._streams[acceptor] = notification.stream
            self._note(f"{acceptor} was restarted: notifications before that may be missing")
        if self._as_json:
            print(json.dumps(notification_text.plain(notification)))
        else:
            print(notification_text.line(notification))

    def _note(self, text: str) -> None:
        print(json.dumps({"event": "note", "text": text}) if self._as_json else f"-- {text} --")


def _is_unread() -> bool:
    """Return whether standard output is a pipe whose other end is closed.

    A write would show it as well, but there may be none for a long time.
    """
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)  # POLLERR is always reported
    return any(state & select.POLLERR for _, state in poll.poll(0))
