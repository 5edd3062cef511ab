"""Events and data sets as the acceptor would send them, and an executor that they are given to."""

from __future__ import annotations

import queue

import msgpack
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from gateway import evt
from gateway.datasets.coding import encode
from gateway.sdk import Event
from gateway.sdk.executor import Executor, HandlerLoop
from gateway.sdk.session import Session
from gateway.sdk.session_ending import SessionEnding, SessionEndReason
from gateway.settings import WorkerSettings
from gateway.spool import Claim
from gateway.spool.digest import digest_of
from tests.clock import Clock
from tests.conftest import short_folder
from tests.patience import WALL
from tests.sdk import fabric

TOKEN = "20240101-000000000-0-" + "ab" * 12
INSTANCE = "1.2.3.4.5"
WAIT = WALL

ASSOC = {
    "id": "0-17",
    "acceptor": "acceptor-0",
    "side": "acceptor",
    "local": ["127.0.0.1", 11112],
    "remote": ["127.0.0.1", 50000],
    "ae_title": "GATEWAY",
    "state": "established",
    "requestor": {
        "ae_title": "MODALITY",
        "address": "127.0.0.1",
        "port": 50000,
        "maximum_length": 16382,
        "implementation_class_uid": "1.2.826.0.1",
        "implementation_version_name": "THEM_1",
        "user_identity": {"type": 2, "primary": b"user", "secondary": b"word"},
        "sop_class_extended": {"1.2.840.10008.5.1.4.1.2.1.1": b"\x01"},
        "role_selection": {CTImageStorage: [False, True]},
        "asynchronous_operations": [4, 2],
    },
    "acceptor_info": {"ae_title": "GATEWAY", "address": "127.0.0.1", "port": 11112},
    "accepted_contexts": [[1, CTImageStorage, ExplicitVRLittleEndian, True, False]],
    "rejected_contexts": [[3, "1.2.840.10008.1.1", 3]],
}


@pytest.fixture
def blob() -> bytes:
    return msgpack.packb(ASSOC)


@pytest.fixture
def instance() -> Dataset:
    ds = Dataset()
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = INSTANCE
    ds.PatientID = "P1"
    ds.Rows = 512
    ds.ReferencedImageSequence = [Dataset()]
    ds.ReferencedImageSequence[0].ReferencedSOPInstanceUID = generate_uid()
    return ds


def part10(ds: Dataset | bytes, syntax: str) -> tuple[bytes, int]:
    """A Part 10 file and where its data set begins; bytes are encoded already."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = INSTANCE
    meta.TransferSyntaxUID = syntax
    prefix = bytes(128) + b"DICM" + encode(meta, ExplicitVRLittleEndian)
    encoded = ds if isinstance(ds, bytes) else encode(ds, syntax)
    return prefix + encoded, len(prefix)


def store_event(
    ds: Dataset | bytes, syntax: str = ExplicitVRLittleEndian, *, path=None, **more
) -> Event:
    """A C-STORE request; with `path` its data set is in that file, otherwise in the envelope."""
    whole, offset = part10(ds, syntax)
    if path is not None:
        path.write_bytes(whole)
    claim = Claim(
        token=TOKEN,
        path=str(path) if path else None,
        offset=offset,
        size=len(whole) - offset,
        digest=digest_of(whole[offset:]),
    )
    payload = {
        "request": {
            "MessageID": 7,
            "AffectedSOPClassUID": CTImageStorage,
            "AffectedSOPInstanceUID": INSTANCE,
            "Priority": 2,
        },
        "context": [1, CTImageStorage, syntax],
        "message_id": 7,
        "claim": claim.to_map(),
    }
    return Event(evt.EVT_C_STORE, payload, data=None if path else whole, **more)


def dimse_event(event, *, data=None, syntax=ExplicitVRLittleEndian, **parameters) -> Event:
    """A request other than C-STORE."""
    payload = {
        "request": {"MessageID": 9, **parameters},
        "context": [3, "1.2.840.10008.1.1", syntax],
        "message_id": 9,
    }
    return Event(event, payload, data=data)


class AnswerReceiver:
    """The receiver of the answers; `wanted` says whether it still waits."""

    def __init__(self):
        self.replies = queue.SimpleQueue()
        self.wanted = True

    def send(self, token, reply):
        self.replies.put((token, reply))
        return self.wanted

    def next(self):
        return self.replies.get(timeout=WAIT)

    def payload(self):
        return self.next()[1].payload


@pytest.fixture
def loop():
    loop = HandlerLoop()
    yield loop
    loop.stop()


@pytest.fixture
def acceptor():
    return AnswerReceiver()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def concurrency():
    """Threads of the executor; a module may say another number."""
    return 2


@pytest.fixture
def executor(acceptor, loop, clock, concurrency):
    executor = Executor(concurrency, acceptor.send, loop=loop, clock=clock)
    executor.start()
    yield executor
    executor.stop()
    assert executor.drain(WAIT)


@pytest.fixture
def run_dir():
    with short_folder() as folder:
        yield folder


@pytest.fixture
def server(run_dir):
    with fabric.acceptor(run_dir) as server:
        yield server


@pytest.fixture
def session_of(run_dir, tmp_path):
    """Starts sessions and closes what a test left open."""
    open_sessions = []

    def start(worker, **settings):
        values = {"member": 0, "generation": 0, "drain_timeout": 5.0, **settings}
        session = Session(
            worker,
            WorkerSettings(
                name=values.pop("name", ""),
                target="",
                run_dir=str(run_dir),
                data_dir=str(tmp_path),
                fabric=fabric.SETTINGS,
                **values,
            ),
        )
        session.start()
        open_sessions.append(session)
        return session

    yield start
    for session in open_sessions:
        session.close(SessionEnding(SessionEndReason.ASKED))
