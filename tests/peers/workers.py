"""Workers that tests run against a gateway: written to a folder, as a user would."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

from tests.peers.process import COMMAND, Program

if TYPE_CHECKING:
    from pathlib import Path

STORAGE_OFF = "".join(
    f"[workers.{name}]\nenabled = false\n" for name in ("storage", "query", "retrieve")
)

STORE = """
from gateway import Worker, evt

worker = Worker("mine")


@worker.on(evt.EVT_C_STORE)
def store(event):
    ds = event.dataset
    print("stored", ds.SOPInstanceUID, event.message_id, flush=True)
    return 0xB007
"""

SAY = """
import os


def say(*words):
    # One write: lines of several handlers do not mix, nor with the line that says "ready".
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())


"""

WATCH = (
    SAY
    + """
from gateway import Worker, evt

worker = Worker("watcher")


@worker.on(evt.EVT_FSM_TRANSITION)
def transition(event):
    say("fsm", event.current_state, event.fsm_event, event.action, event.next_state)


@worker.on(evt.EVT_PDU_RECV)
def received(event):
    say("pdu", type(event.pdu).__name__)
"""
)

GATE = (
    SAY
    + """
import itertools
import select

from gateway import Worker, evt

worker = Worker("gate")
numbers = itertools.count(1)


def told(*asked):
    gate = os.open("gate.fifo", os.O_RDONLY | os.O_NONBLOCK)
    try:
        say(*asked)  # from here on an answer cannot miss us
        poll = select.poll()
        poll.register(gate, select.POLLIN)
        while True:
            poll.poll()
            try:
                word = os.read(gate, 5).decode().strip()
                say("took", next(numbers))
                return word
            except BlockingIOError:
                continue  # it was for another handler
    finally:
        os.close(gate)


@worker.on(evt.EVT_C_STORE)
def store(event):
    return int(told("store", event.message_id), 16)


@worker.on(evt.EVT_USER_ID)
def identity(event):
    answer = told("identity", event.user_id_type)
    if answer == "raise":
        raise RuntimeError("asked to")
    return answer == "yes", b"token"


@worker.on(evt.EVT_ASYNC_OPS)
def window(event):
    return 99, 99
"""
)
"""Each of its answers waits for five bytes in the FIFO `gate.fifo` of its folder."""


READY = r"dicom-gateway worker \S+ ready"
"""Anywhere in a line: a worker whose `print` is two writes may have begun one."""


class UserWorker(Program):
    """`dicom-gateway worker MODULE:worker --data DIR`, started in the folder of the module."""

    def __init__(self, folder: Path, source: str, data: Path, *options: str, name="mine") -> None:
        self.folder = folder
        (folder / f"{name}_worker.py").write_text(dedent(source).lstrip())
        target = f"{name}_worker:worker"
        super().__init__(COMMAND, "worker", target, "--data", data, *options, cwd=folder)

    def wait_ready(self) -> None:
        """Until the command says that its worker is at work; one that does not is ended."""
        self.wait_begun(self.out, READY)

    def __enter__(self) -> UserWorker:
        return self

    def __exit__(self, *_: object) -> None:
        if self.popen.poll() is None:
            self.kill_all()
