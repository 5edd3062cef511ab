"""A worker that answers garbage makes its own requests fail, and no others."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import zmq

from tests.conftest import running
from tests.patience import PATIENCE, WALL
from tests.peers import instances, procfs, wire
from tests.peers.raw import association, echo_ok
from tests.peers.workers import STORAGE_OFF

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.peers.process import Gateway

REGISTER, HEARTBEAT, ANSWERED = 1, 2, 3
GRANT, UNKNOWN, END, REQUESTED = 16, 19, 20, 21
DEADLINE = 1.5 * PATIENCE
NEVER = 100 * WALL


def answered(token: str, payload: Any, *frames: bytes) -> list[bytes]:
    item = [token, True, payload, len(frames[0]) if frames else None]
    return [msgpack.packb([ANSWERED, [item], {}]), *frames]


class Stranger(threading.Thread):
    """A C-STORE worker that speaks the protocol without the SDK; `script` makes its answers."""

    def __init__(
        self,
        gateway: Gateway,
        script: Callable[[str], list[list[bytes]]],
        deadline: float = DEADLINE,
    ) -> None:
        super().__init__(daemon=True)
        self._path = f"ipc://{gateway.data}/run/acceptor-0.requests"
        self._script = script
        self._deadline = deadline
        self._over = threading.Event()
        self.ready = threading.Event()
        self.said: list[int] = []
        """The kinds of all envelopes received from the acceptor."""

    def __enter__(self) -> Stranger:
        self.start()
        assert self.ready.wait(WALL)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join(WALL)

    def run(self) -> None:
        with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
            dealer.setsockopt(zmq.LINGER, 0)
            dealer.connect(self._path)
            bindings = [["EVT_C_STORE", False, False, self._deadline]]
            head = [REGISTER, 2, "stranger", 1, 0, 1, 0, "", os.urandom(8).hex(), False, 1]
            dealer.send(msgpack.packb([*head, bindings, {}]))
            lease = ""
            while not self._over.is_set():
                if not dealer.poll(100):
                    dealer.send(msgpack.packb([HEARTBEAT, lease, {}]))
                    continue
                kind, *fields = msgpack.unpackb(dealer.recv_multipart()[0])
                self.said.append(kind)
                if kind == GRANT:
                    lease = fields[0]
                    self.ready.set()
                elif kind == REQUESTED:
                    for token, *_ in fields[1]:
                        for message in self._script(token):
                            dealer.send_multipart(message)


@pytest.fixture
def gateway():
    with running(
        f"{STORAGE_OFF}[fabric]\nheartbeat = {0.3 * PATIENCE}\nlease_grace = 0.5\n"
    ) as one:
        yield one


def status_of(gateway: Gateway) -> int:
    """Return the status of a C-STORE; a C-ECHO on another association must succeed."""
    one = instances.make()
    with association(gateway.address, one.context(), wire.context(3)) as peer:
        status = peer.store(one, 1).status
        assert peer.echo(2, context_id=3).status == 0x0000
        peer.release()
    assert echo_ok(gateway.address)
    return status


GARBLED = {
    "a pending status": {"status": 0xFF00},
    "a cancel": {"status": 0xFE00},
    "text for a status": {"status": "0000"},
    "no status": {},
    "a status too big": {"status": 0x10000},
    "a negative status": {"status": -1},
    "true": {"status": True},
    "elements that are none": {"status": 0, "elements": ["ErrorComment"]},
    "an element of a wrong type": {"status": 0, "elements": {"ErrorComment": 7}},
    "an element that is none": {"status": 0, "elements": {"PatientName": "x"}},
    "a UID that is none": {"status": 0, "elements": {"AffectedSOPClassUID": "1.2/../x" * 20}},
}


def test_answers_that_mean_nothing_are_failures(gateway) -> None:
    payloads = iter(GARBLED.values())
    with Stranger(gateway, lambda token: [answered(token, next(payloads))]) as stranger:
        statuses = {what: status_of(gateway) for what in GARBLED}
    assert set(statuses.values()) == {0xC002}, statuses
    assert END not in stranger.said


UNDECODABLE = {
    "no msgpack": lambda token: [[b"\xc1"]],
    "a list for a map": lambda token: [answered(token, ["status", 0])],
    "no envelope": lambda token: [[msgpack.packb({"status": 0})]],
    "a foreign token": lambda token: [answered("0" * len(token), {"status": 0})],
    "a map of numbers": lambda token: [answered(token, {0: 0})],
    "too many frames": lambda token: [answered(token, {"status": 0}, b"a", b"b")],
    "nothing at all": lambda token: [],
}


@pytest.mark.parametrize("script", UNDECODABLE.values(), ids=UNDECODABLE)
def test_what_cannot_be_an_answer_is_none(gateway, script) -> None:
    """The request fails at its deadline; the lease goes on."""
    with Stranger(gateway, script) as stranger:
        assert status_of(gateway) == 0xA700
    assert END not in stranger.said, "one message must not end the lease"


def test_three_times_is_a_reason(gateway) -> None:
    """The lease and the requests in hand end at once, long before the deadline."""
    with Stranger(gateway, lambda token: [[b"\xc1"]] * 3, NEVER) as stranger:
        assert status_of(gateway) == 0xA700
        procfs.until(lambda: END in stranger.said, what="the end of the lease")


def test_a_frame_of_a_gibibyte_is_not_even_read(gateway) -> None:
    acceptor = gateway.child("acceptor-0")
    big = bytes(1 << 30)
    procfs.reset_peak(acceptor)
    before = procfs.memory(acceptor)
    with Stranger(gateway, lambda token: [answered(token, {"status": 0}, big)]):
        assert status_of(gateway) == 0xA700
    assert procfs.memory(acceptor, "VmHWM") - before < 30 << 20
    assert gateway.child("acceptor-0") == acceptor
