"""Instances that workers of a running gateway transform before they are kept."""

from __future__ import annotations

import os
import queue
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from pydicom import dcmread

from tests.accountant import leftovers
from tests.conftest import running
from tests.patience import WALL
from tests.peers import instances, procfs
from tests.peers.raw import association
from tests.peers.workers import UserWorker
from tests.system.test_commitment import ask, asked, requestor

if TYPE_CHECKING:
    from collections.abc import Iterator

MINE = """
from gateway import Worker, evt, status
from pydicom.uid import generate_uid

worker = Worker("mine")


@worker.on(evt.EVT_STORE_TRANSFORM, redeliver=True)
def transform(event):
    event.dataset.PatientID = "mine"
    event.dataset.SOPInstanceUID = generate_uid(entropy_srcs=[event.dataset.SOPInstanceUID])
    return event.dataset
"""
GATED = """
import os

from gateway import Worker, evt

worker = Worker("mine")


@worker.on(evt.EVT_STORE_TRANSFORM, redeliver=True)
def transform(event):
    gate = os.open("gate.fifo", os.O_RDONLY)
    os.write(1, b"asked\\n")
    os.read(gate, 1)
    os.close(gate)
    event.dataset.PatientID = "mine"
    return event.dataset
"""
"""Each call waits for a byte in the FIFO `gate.fifo` of its folder."""
CONFIG = """
[workers.commitment]
enabled = true

[archive]
transform = ["coerce", "mine"]

[coerce]
original_attributes = true

[[coerce.rules]]
calling = ["RAW*"]
set = {InstitutionName = "Example", "RequestAttributesSequence[0].RequestedProcedureID" = "R1"}

[[coerce.rules]]
calling = ["OTHER"]
set = {InstitutionName = "Other"}
"""


def store(gateway, *sent: instances.Instance) -> list[int]:
    with association(gateway.address, sent[0].context()) as peer:
        statuses = [peer.store(one, number).status for number, one in enumerate(sent, 1)]
        peer.release()
    return statuses


def kept(gateway):
    return [dcmread(path) for path in sorted(gateway.archive.rglob("*.dcm"))]


@pytest.mark.parametrize("size", [2048, 200_000], ids=["inline", "spooled"])
def test_workers_transform_in_their_order_and_it_fails_closed(folder, size) -> None:
    one = instances.make(size=size)
    with running(CONFIG) as gateway:
        assert store(gateway, one) == [0xA700], "nobody answers for the second"
        assert kept(gateway) == []
        with UserWorker(folder, MINE, gateway.data) as worker:
            worker.wait_ready()
            assert store(gateway, one, one) == [0x0000, 0x0000]
            (found,) = kept(gateway)
            assert (found.PatientID, found.InstitutionName) == ("mine", "Example")
            assert found.RequestAttributesSequence[0].RequestedProcedureID == "R1"
            (noted,) = found.OriginalAttributesSequence
            assert noted.SourceOfPreviousValues.startswith("RAW")
            assert found.SOPInstanceUID != one.uid
            worker.terminate()
            assert worker.wait() == 0
        assert store(gateway, one) == [0x0000], "it is known, and nobody is asked"
        assert store(gateway, instances.make(size=size)) == [0xA700]
        assert len(kept(gateway)) == 1
        procfs.until(lambda: not list(leftovers(gateway.spool)), what="an empty spool")
        reports: queue.Queue = queue.Queue()
        with requestor(gateway.address, reports) as assoc:
            assert ask(assoc, asked(one.uid)) == 0x0000
            event_type, information = reports.get(timeout=WALL)
        assert event_type == 1
        assert information.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == one.uid


@contextmanager
def gate(folder) -> Iterator[int]:
    """A descriptor that lets a call of GATED go on for each byte."""
    os.mkfifo(folder / "gate.fifo")
    fd = os.open(folder / "gate.fifo", os.O_RDWR)
    try:
        yield fd
    finally:
        os.close(fd)


def test_a_death_on_either_side_costs_time_and_no_error(folder) -> None:
    """Storage worker and transforming worker are killed while an instance is between them."""
    one = instances.make(size=200_000)
    with (
        running('[archive]\ntransform = ["mine"]') as gateway,
        gate(folder) as pass_on,
        UserWorker(folder, GATED, gateway.data) as first,
        ThreadPoolExecutor(1) as pool,
    ):
        first.wait_ready()
        answer = pool.submit(store, gateway, one)
        first.out.wait_for("^asked$")
        first.out.forget()
        os.kill(gateway.child("storage-0"), signal.SIGKILL)
        first.out.wait_for("^asked$")
        first.kill_all()
        with UserWorker(folder, GATED, gateway.data) as second:
            second.wait_ready()
            second.out.wait_for("^asked$")
            os.write(pass_on, b"..")
            assert answer.result(WALL) == [0x0000]
            assert [found.PatientID for found in kept(gateway)] == ["mine"]
            assert store(gateway, one) == [0x0000]
            assert len(kept(gateway)) == 1
            second.terminate()
            assert second.wait() == 0
        received = one.data_set[-2000:]
        procfs.until(lambda: not list(leftovers(gateway.spool)), what="an empty spool")
        stays = [p for p in gateway.data.rglob("*") if p.is_file() and received in p.read_bytes()]
        assert [path.suffix for path in stays] == [".dcm"], "the same pixels, in the copy alone"
