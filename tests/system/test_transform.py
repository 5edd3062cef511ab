"""Instances that workers of a running gateway transform before they are kept."""

from __future__ import annotations

import queue

import pytest
from pydicom import dcmread

from tests.conftest import running
from tests.patience import WALL
from tests.peers import instances
from tests.peers.raw import association
from tests.peers.workers import UserWorker
from tests.system.test_commitment import ask, asked, requestor

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
CONFIG = """
[workers.commitment]
enabled = true

[archive]
transform = ["coerce", "mine"]

[[coerce.rules]]
calling = ["RAW*"]
set = {InstitutionName = "Example"}

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
            assert found.SOPInstanceUID != one.uid
            worker.terminate()
            assert worker.wait() == 0
        assert store(gateway, one) == [0x0000], "it is known, and nobody is asked"
        assert store(gateway, instances.make(size=size)) == [0xA700]
        assert len(kept(gateway)) == 1
        left = [path for path in (gateway.data / "spool").rglob("*") if path.is_file()]
        assert [path for path in left if path.stat().st_size >= size] == []
        reports: queue.Queue = queue.Queue()
        with requestor(gateway.address, reports) as assoc:
            assert ask(assoc, asked(one.uid)) == 0x0000
            event_type, information = reports.get(timeout=WALL)
        assert event_type == 1
        assert information.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == one.uid
