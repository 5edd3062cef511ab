"""Workers that the runner's tests start as processes of their own."""

from __future__ import annotations

import os
import signal
import threading

from gateway import Worker, evt
from gateway.sdk import ConfigError

plain = Worker("plain", concurrency=2)


@plain.on_start
def told() -> None:
    context = plain.context
    (context.data_dir / f"started-{context.member}").write_text(repr(sorted(context.options)))


@plain.on_stop
async def done() -> None:
    (plain.context.data_dir / f"stopped-{plain.context.member}").touch()


@plain.on(evt.EVT_C_ECHO, redeliver=True)
def echo(event: evt.Event) -> int:
    if event.message_id == 13:
        raise ValueError("thirteen")
    if event.message_id == 99:  # until it is told that nobody waits any more
        event.publish(evt.EVT_INSTANCE_STORED, {"path": "began"})
        event.cancellation.wait()
    return 0xB000 + event.message_id


@plain.on(evt.EVT_C_STORE, redeliver=True)
def store(event: evt.Event) -> int:
    event.publish(
        evt.EVT_INSTANCE_STORED,
        {"sop_instance_uid": event.dataset.SOPInstanceUID, "size": event.claim.size},
    )
    return 0x0000


@plain.on(evt.EVT_C_FIND)
def find(event: evt.Event):
    for _ in range(100):
        yield 0xFF00, event.identifier


@plain.on(evt.EVT_RELEASED)
def watch(event: evt.Event) -> None:
    event.publish(evt.EVT_INSTANCE_STORED, {"path": event.assoc.id})


hanging = Worker("hanging", concurrency=2)
forever = threading.Event()


@hanging.on(evt.EVT_C_ECHO, deadline=0.2)
def hang(event: evt.Event) -> int:
    if event.message_id == 1:
        event.publish(evt.EVT_INSTANCE_STORED, {"path": "hanging"})
        forever.wait()
    return 0x0000


dying = Worker("dying")


@dying.on(evt.EVT_C_ECHO, redeliver=True)
def die(event: evt.Event) -> int:
    if event.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return 0xB000 + event.attempt


rival = Worker("rival")
rival.bind(evt.EVT_C_ECHO, lambda event: 0)

unbound = Worker("unbound")

choosy = Worker("choosy")
choosy.bind(evt.EVT_C_ECHO, lambda event: 0)


@choosy.on_start
def choose() -> None:
    raise ConfigError("spool and archive are on different file systems")


broken = Worker("broken")
broken.bind(evt.EVT_C_ECHO, lambda event: 0)


@broken.on_start
def connect() -> None:
    raise ValueError("no number\nat all")


lacking = Worker("lacking")
lacking.bind(evt.EVT_C_ECHO, lambda event: 0)


@lacking.on_start
def open_file() -> None:
    open(lacking.context.options["file"]).close()


function = echo
