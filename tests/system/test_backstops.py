"""Limits that are reached only when something else fails."""

from __future__ import annotations

import os
import select
import signal

import pytest

from tests.conftest import running
from tests.patience import WALL
from tests.peers import instances, procfs, wire
from tests.peers.raw import RawPeer, association, echo_ok
from tests.peers.workers import STORAGE_OFF, UserWorker

RELEASES = """
from gateway import Worker, evt

worker = Worker("leaver")


@worker.on(evt.EVT_C_ECHO)
def echo(event):
    event.assoc.release()
    return 0x0000
"""


def test_a_release_whose_worker_died_ends_all_the_same(folder) -> None:
    """The peer does not answer the A-RELEASE-RQ, and the worker that asked for it is dead."""
    config = f"{STORAGE_OFF}[association]\nacse_timeout = 1.0\nnetwork_timeout = {10 * WALL}\n"
    with running(config) as gateway, UserWorker(folder, RELEASES, gateway.data) as worker:
        worker.wait_ready()
        with association(gateway.address) as peer:
            peer.send(wire.message(1, wire.echo_rq(1)))
            assert peer.recv_pdu() == wire.release_rq()
            for pid in procfs.descendants(worker.pid):
                os.kill(pid, signal.SIGKILL)
            got = [one for one in peer.recv_all() if one[:1] != b"\x04"]
            assert got[:1] == [wire.abort()]


PENDING = 4


def test_a_burst_of_silent_connections_makes_as_many_leave_the_oldest_first() -> None:
    """All are accepted at once; the limit holds, and the most recent connections stay."""
    with running(
        f"[association]\nmax_pending = {PENDING}\nartim_timeout = {10 * WALL}\n"
    ) as gateway:
        acceptor = gateway.child("acceptor-0")
        os.kill(acceptor, signal.SIGSTOP)
        silent = [RawPeer(gateway.address) for _ in range(20)]
        try:
            os.kill(acceptor, signal.SIGCONT)
            assert echo_ok(gateway.address)
            # The connection of echo_ok counted too while it was silent.
            open_ = [number for number, peer in enumerate(silent) if not is_closed(peer)]
            assert open_ == list(range(len(silent) - PENDING + 1, len(silent)))
        finally:
            for peer in silent:
                peer.close()


def is_closed(peer: RawPeer) -> bool:
    """Return whether the acceptor has closed the connection."""
    poll = select.poll()
    poll.register(peer.sock, select.POLLIN)
    return bool(poll.poll(0))


FIND_MODEL = "1.2.840.10008.5.1.4.1.2.2.1"
COMMITMENT = "1.2.840.10008.1.20.1"
ANSWERS = """
from gateway import Worker, evt

worker = Worker("patient")


@worker.on(evt.EVT_C_FIND)
def find(event):
    print("asked", flush=True)
    yield (0xFE00 if event.message_id == 0 and event.cancellation.wait(600) else 0x0000), None


@worker.on(evt.EVT_N_ACTION)
def act(event):
    return 0x0000, None
"""
SIZE = 20 << 20


def find_rq(message_id: int) -> bytes:
    return wire.command_set(
        wire.element(0x0002, wire.uid_value(FIND_MODEL)),
        wire.element(0x0100, wire.us(0x0020)),
        wire.element(0x0110, wire.us(message_id)),
        wire.element(0x0700, wire.us(2)),
        wire.element(0x0800, wire.us(1)),
    )


def action_rq(message_id: int) -> bytes:
    return wire.command_set(
        wire.element(0x0003, wire.uid_value(COMMITMENT)),
        wire.element(0x0100, wire.us(0x0130)),
        wire.element(0x0110, wire.us(message_id)),
        wire.element(0x0800, wire.us(1)),
        wire.element(0x1001, wire.uid_value(f"{COMMITMENT}.1")),
        wire.element(0x1008, wire.us(1)),
    )


@pytest.mark.slow
def test_what_waits_on_one_association_is_bounded_in_bytes(folder) -> None:
    """Three of seven requests of 20 MiB fit behind a pending C-FIND, later three more."""
    contexts = (wire.context(1, FIND_MODEL, wire.IMPLICIT), wire.context(3, COMMITMENT))
    identifier = b"\x10\0\x10\0" + SIZE.to_bytes(4, "little") + b"*" * SIZE
    config = f"{STORAGE_OFF}[limits]\nidentifier = {32 << 20}\n"
    with running(config) as gateway, UserWorker(folder, ANSWERS, gateway.data) as worker:
        worker.wait_ready()
        acceptor = gateway.child("acceptor-0")
        with association(gateway.address, *contexts) as peer:
            peer.send(wire.message(1, find_rq(0), b"\x10\0\x10\0\2\0\0\0* "))
            worker.out.wait_for("^asked$")
            procfs.reset_peak(acceptor)
            before = procfs.memory(acceptor)
            for number in range(1, 7):
                peer.send(wire.message(1, find_rq(number), identifier))
            peer.send(wire.message(3, action_rq(7), identifier))
            peer.send(wire.message(1, wire.cancel_rq(0)))
            statuses = [peer.recv_response().status for _ in range(8)]
            assert statuses == [0xFE00, *[0x0000] * 3, *[0xA700] * 3, 0x0213]
            grown = procfs.memory(acceptor, "VmHWM") - before
            assert grown < 150 << 20, f"{grown >> 20} MiB"
            for number in range(8, 11):
                peer.send(wire.message(1, find_rq(number), identifier))
            assert [peer.recv_response().status for _ in range(3)] == [0x0000] * 3
            peer.release()


TOO_LONG = """
from pydicom.dataset import Dataset

from gateway import Worker, evt

worker = Worker("long")


@worker.on(evt.EVT_C_STORE, deadline=60)
def store(event):
    status = Dataset()
    status.Status = 0x0000
    if event.message_id == 1:
        status.AttributeIdentifierList = [0x00100010] * 70_000
    return status
"""


def test_an_answer_that_cannot_travel_fails_at_once(folder) -> None:
    """An answer with too many entries for an envelope fails before the deadline and is logged."""
    one = instances.make()
    with running(STORAGE_OFF) as gateway, UserWorker(folder, TOO_LONG, gateway.data) as worker:
        worker.wait_ready()
        with association(gateway.address, one.context()) as peer:
            assert peer.store(one, 1).status == 0xC211
            worker.err.wait_for("cannot be encoded")
            assert peer.store(one, 2).status == 0x0000
            peer.release()
        assert "EVT_WORKER_LOST" not in gateway.program.err.text
