"""`dicom-gateway events`: watch what happens on the associations of a running gateway."""

from __future__ import annotations

import difflib
import fnmatch
import json
import os
import select
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.common import ConfigOption, DataOption, settings_of
from gateway.errors import ConfigError, FabricError
from gateway.events import CATALOGUE, EVT_GAP, NOTIFICATIONS

if TYPE_CHECKING:
    from gateway.fabric import LeaseState, Notification
    from gateway.settings import FabricSettings

NAME = "dicom-gateway events"
"""What its leases are held under: with a space, no worker can have it."""
NOISY = ("EVT_PDU_*", "EVT_DATA_*", "EVT_FSM_*", "EVT_DIMSE_*")
"""Not watched unless they are asked for."""
LIMIT = 64 * 1024 * 1024
"""Bytes that wait for whoever reads our output; then the newest are lost."""
_OVERHEAD = 1024
_PAUSE = 0.5
"""Seconds between two looks at what a wake-up does not tell."""


def command(
    topics: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TOPIC",
            help="As EVT_RELEASED, released or 'dimse_*'.",
            show_default="all but PDU, DATA, FSM and DIMSE",
        ),
    ] = None,
    last: Annotated[
        int,
        typer.Option(
            "--last",
            min=0,
            max=10_000,
            metavar="N",
            help="Show the N latest first. An event is kept if it was watched when it happened.",
        ),
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Watch what happens on a running gateway, until Ctrl-C.

    Notification events are shown as they come, and a gap where some were lost. The exit status is
    0 after Ctrl-C, and 1 if there is no gateway or it left. With --json, bytes are {"base64": ...};
    PDUs and data sets are cut after 64 KiB: "length" is that of the whole, and "truncated" says
    that it was cut. Secrets of user identities are masked. Examples:

    dicom-gateway events

    dicom-gateway events fsm_transition 'pdu_*'

    dicom-gateway events --json --last 100 'EVT_*'
    """
    chosen = choose(topics or [])
    settings = settings_of(config, data=data)
    tail = Tail(Path(settings.gateway.data), settings.fabric, as_json=as_json)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: tail.leave())
    try:
        tail.run(chosen, last)
    except BrokenPipeError:  # nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def choose(wanted: list[str]) -> list[str]:
    """The names of the topics that were asked for; ConfigError for one that does not exist."""
    known = [name for name in NOTIFICATIONS if name != EVT_GAP.name]
    if not wanted:
        quiet = [n for n in known if not any(fnmatch.fnmatch(n, noisy) for noisy in NOISY)]
        return sorted(quiet)
    return sorted({name for one in wanted for name in _matching(one, known)})


def _matching(wanted: str, known: list[str]) -> list[str]:
    pattern = wanted.upper()
    found = [n for n in known if fnmatch.fnmatchcase(n.removeprefix("EVT_"), pattern)]
    found += [n for n in known if fnmatch.fnmatchcase(n, pattern)]
    if found:
        return found
    name = pattern if pattern.startswith("EVT_") else f"EVT_{pattern}"
    if name == EVT_GAP.name:
        raise ConfigError("gaps are shown with every topic: leave EVT_GAP out")
    if name in CATALOGUE:
        raise ConfigError(f"{name} is asked of a worker, and not told to watchers")
    near = [n for n in known if pattern in n] or difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
    raise ConfigError(f"no event is called {wanted!r}; {hint}")


@dataclass(frozen=True, slots=True)
class Change:
    """The gateway's acceptors were lost or found again, or want no more of us."""

    state: LeaseState
    detail: str


class Inbox:
    """From the fabric's thread, which must not wait, to the one that prints.

    When whoever reads our output is slow, the newest notifications are lost, and that is told.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._queue: SimpleQueue[Notification | Change | None] = SimpleQueue()
        self._put = 0
        self._taken = 0
        self._lost: dict[tuple[str, str], tuple[int, int]] = {}
        self._losing = threading.Lock()

    def put(self, item: Change | None) -> None:
        """None only wakes who waits; signal handlers may call this."""
        self._queue.put(item)

    def notify(self, told: Notification) -> None:
        """Queue a notification, or remember that it is lost. Never blocks."""
        size = _weight(told)
        if self._put - self._taken + size > self._limit:
            with self._losing:
                first, _ = self._lost.get((told.stream, told.topic), (told.seq, 0))
                self._lost[told.stream, told.topic] = (first, told.seq)
            return
        for gap in self._gaps():
            self._queue.put(gap)
        self._put += size
        self._queue.put(told)

    def take(self, timeout: float) -> list[Notification | Change]:
        """What there is, once there is something or the time is over."""
        items: list[Notification | Change | None] = []
        try:
            items.append(self._queue.get(timeout=timeout))
            while True:
                items.append(self._queue.get_nowait())
        except Empty:
            items += [] if items else self._gaps()
        taken = [item for item in items if item is not None]
        self._taken += sum(_weight(item) for item in taken if not isinstance(item, Change))
        return taken

    def _gaps(self) -> list[Notification]:
        from gateway.fabric import Notification

        with self._losing:
            lost, self._lost = self._lost, {}
        return [
            Notification(EVT_GAP.name, stream, 0, time.time(), _span(stream, topic, *span))
            for (stream, topic), span in lost.items()
        ]


def _span(stream: str, topic: str, first: int, last: int) -> dict[str, Any]:
    return {"stream": stream, "topic": topic, "first": first, "last": last}


def _weight(told: Notification) -> int:
    """Some bytes that it takes; gaps take none, or they could not be told."""
    if told.topic == EVT_GAP.name:
        return 0
    values = (told.assoc, *told.body.values())
    return _OVERHEAD + sum(len(value) for value in values if isinstance(value, bytes))


class Tail:
    """Prints what a gateway tells, until `leave` is called or the gateway is gone."""

    def __init__(self, data: Path, settings: FabricSettings, *, as_json: bool) -> None:
        self._data = data
        self._settings = settings
        self._as_json = as_json
        self._inbox = Inbox()
        self._leaving = False
        self._lost = False
        """No acceptor answers."""
        self._streams: dict[str, str] = {}

    def leave(self) -> None:
        """Have `run` return; from a signal handler, too."""
        self._leaving = True
        self._inbox.put(None)

    def run(self, topics: list[str], last: int) -> None:
        """Watch these topics; raises FabricError if there is no gateway, or no longer."""
        from gateway.fabric import Registration
        from gateway.fabric.worker import Client
        from gateway.supervisor import look
        from gateway.supervisor.site import run_directory

        if look(self._data) is None:
            raise FabricError(f"no gateway runs on {self._data}")
        client = Client(
            run_directory(self._data),
            Registration(NAME, 1, os.getpid(), 1),
            settings=self._settings,
            on_request=lambda _: None,
            on_notification=self._told,
            on_state=lambda state, detail: self._inbox.put(Change(state, detail)),
            history=last,
        )
        for topic in topics:
            client.subscribe(topic)
        began = time.time()
        client.start()
        try:
            print(f"watching {', '.join(client.acceptors)}; Ctrl-C leaves", file=sys.stderr)
            self._catch_up(began, last)
            while not self._leaving:
                self._next()
        finally:
            client.stop()

    def _told(self, told: Notification) -> None:
        if told.body.get("worker") != NAME:  # another one who only looks, or this one
            self._inbox.notify(told)

    def _catch_up(self, began: float, last: int) -> None:
        """Show what was told before: topics were asked for one by one, so it is to be sorted."""
        items = self._inbox.take(0.0)
        told = [item for item in items if not isinstance(item, Change)]
        told.sort(key=lambda one: one.timestamp)
        before = [one for one in told if one.timestamp < began]
        for one in (*before[len(before) - min(last, len(before)) :], *told[len(before) :]):
            self._show(one)
        sys.stdout.flush()

    def _next(self) -> None:
        for item in self._inbox.take(_PAUSE):
            if isinstance(item, Change):
                self._changed(item)
            else:
                self._show(item)
        sys.stdout.flush()
        if _reader_has_left():
            raise BrokenPipeError
        if self._lost:
            self._look()

    def _changed(self, change: Change) -> None:
        match change.state.name:
            case "LOST":
                self._lost = True
            case "GRANTED" if self._lost:
                self._lost = False
                self._note("the gateway's acceptors are back")
            case "REFUSED" | "SUPERSEDED" | "ENDED":
                raise FabricError(f"the gateway wants no more of this: {change.detail}")

    def _look(self) -> None:
        from gateway.supervisor import look

        if look(self._data) is None:
            raise FabricError(f"the gateway on {self._data} has left")

    def _show(self, told: Notification) -> None:
        from gateway.cli import telling

        acceptor = told.stream.rpartition("-")[0]
        if self._streams.setdefault(acceptor, told.stream) != told.stream:
            self._streams[acceptor] = told.stream
            self._note(f"{acceptor} was started anew: what it told before that may be incomplete")
        print(json.dumps(telling.plain(told)) if self._as_json else telling.line(told))

    def _note(self, text: str) -> None:
        print(json.dumps({"event": "note", "text": text}) if self._as_json else f"-- {text} --")


def _reader_has_left() -> bool:
    """Whether standard output is a pipe that nobody reads; it may be long before a write is due."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)  # POLLERR is always reported
    return any(state & select.POLLERR for _, state in poll.poll(0))
