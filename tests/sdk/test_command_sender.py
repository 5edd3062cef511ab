"""Sending on an association from a handler, over a real fabric."""

import queue
from contextlib import contextmanager

import msgpack
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    MRImageStorage,
)

from gateway import Worker, evt
from gateway.datasets import NoContext
from gateway.datasets.coding import decode, encode
from gateway.errors import FabricError
from gateway.fabric import CommandFailure
from gateway.sdk import assoc
from gateway.sdk.session import Session
from gateway.sdk.session_ending import SessionEnding, SessionEndReason
from gateway.settings import WorkerSettings
from gateway.sop_class import (
    StorageCommitmentPushModel,
    UnifiedProcedureStepPull,
    UnifiedProcedureStepPush,
    Verification,
)
from tests.conftest import short_folder
from tests.sdk.conftest import ASSOC, part10
from tests.sdk.fabric import SETTINGS, WAIT, acceptor, echo

BASIC_FILM_SESSION = "1.2.840.10008.5.1.1.1"
BASIC_GRAYSCALE_PRINT = "1.2.840.10008.5.1.1.9"
FIND_MODEL = "1.2.840.10008.5.1.4.1.2.2.1"
CONTEXTS = [
    [1, CTImageStorage, ImplicitVRLittleEndian, True, False],
    [3, MRImageStorage, JPEGBaseline8Bit, True, False],
    [5, StorageCommitmentPushModel, ImplicitVRLittleEndian, False, True],
    [7, UnifiedProcedureStepPull, ImplicitVRLittleEndian, True, True],
    [9, BASIC_GRAYSCALE_PRINT, ImplicitVRLittleEndian, True, True],
    [11, Verification, ImplicitVRLittleEndian, True, True],
    [13, FIND_MODEL, ExplicitVRLittleEndian, True, False],
]


class Peer:
    """Takes the calls that reach the acceptor, and replies as a test wants."""

    def __init__(self, acceptor):
        self._acceptor = acceptor
        self.calls = queue.SimpleQueue()
        self.replies = []
        self.trouble = None
        acceptor.server.on_command = self._take

    def _take(self, call):
        self.calls.put(call)
        if self.trouble is not None:
            call.fail(self.trouble, "so it is")
        for payload, data, final in self.replies:
            call.reply(payload, data, final=final)

    def respond(self, *statuses, data=None, **response):
        self.replies = [
            ({"status": s, "response": {"Status": s, **response}}, data, i == len(statuses) - 1)
            for i, s in enumerate(statuses)
        ]

    def next(self):
        return self.calls.get(timeout=WAIT)


@pytest.fixture(scope="module")
def server():
    with short_folder() as folder, acceptor(folder) as server:
        yield server


@pytest.fixture
def peer(server):
    return Peer(server)


@pytest.fixture(scope="module")
def handle(server, tmp_path_factory):
    """Runs a function in the handler of an event, with its association."""
    worker = Worker("mine")
    asked, told = queue.SimpleQueue(), queue.SimpleQueue()

    @worker.on(evt.EVT_C_ECHO)
    def answer(event):
        try:
            told.put(asked.get(timeout=WAIT)(event.assoc))
        except Exception as error:
            told.put(error)
        return 0x0000

    settings = WorkerSettings(
        *("mine", "", 0, 0, str(server.run_dir), str(tmp_path_factory.mktemp("data"))),
        fabric=SETTINGS,
    )
    session = Session(worker, settings)
    session.start()

    def handle(function, **more):
        blob = msgpack.packb({**ASSOC, "accepted_contexts": CONTEXTS, **more})
        asked.put(function)
        server.ask("EVT_C_ECHO", echo(), assoc=blob)
        result = told.get(timeout=WAIT)
        if isinstance(result, Exception):
            raise result
        return result

    yield handle
    session.close(SessionEnding(SessionEndReason.ASKED))


@contextmanager
def held(function, *args):
    """A generator that is closed whatever happens."""
    made = function(*args)
    try:
        yield made
    finally:
        made.close()


def test_echo(peer, handle):
    peer.respond(0x0000)
    status = handle(lambda assoc: assoc.send_c_echo())
    assert status.Status == 0x0000
    call = peer.next()
    assert (call.association, call.operation, call.data) == ("0-17", "request", None)
    assert call.payload == {"kind": "CEchoRQ", "context_id": 11, "parameters": {}}


def test_a_status_has_the_elements_of_its_response(peer, handle):
    peer.respond(0xA900, ErrorComment="why", OffendingElement=[0x00100010], MessageID=3)
    status = handle(lambda assoc: assoc.send_c_echo())
    assert (status.Status, status.ErrorComment) == (0xA900, "why")
    assert status.OffendingElement == 0x00100010


def test_store_a_data_set_in_another_uncompressed_syntax(peer, handle, instance):
    peer.respond(0xB000)
    instance.file_meta = Dataset()
    instance.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    status = handle(lambda assoc: assoc.send_c_store(instance, 7, 1, "THEM", 9))
    assert status.Status == 0xB000
    call = peer.next()
    assert call.payload == {
        "kind": "CStoreRQ",
        "context_id": 1,
        "parameters": {
            "affected_sop_class_uid": CTImageStorage,
            "affected_sop_instance_uid": "1.2.3.4.5",
            "priority": 1,
            "move_originator_ae_title": "THEM",
            "move_originator_message_id": 9,
        },
    }
    assert decode(call.data, ImplicitVRLittleEndian).PatientID == "P1"


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_store_a_file(peer, handle, instance, tmp_path, syntax):
    peer.respond(0x0000)
    whole, offset = part10(instance, syntax)
    path = tmp_path / "one.dcm"
    path.write_bytes(whole)
    assert handle(lambda assoc: assoc.send_c_store(str(path))).Status == 0x0000
    sent = peer.next().data
    if syntax == ImplicitVRLittleEndian:
        assert sent == whole[offset:], "not decoded on the way"
    assert decode(sent, ImplicitVRLittleEndian).Rows == 512


def test_store_without_a_context(peer, handle, instance):
    instance.file_meta = Dataset()
    instance.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    with pytest.raises(
        ValueError, match=r"CT Image Storage.* with .JPEG Baseline .* transfer syntax"
    ):
        handle(lambda assoc: assoc.send_c_store(instance))
    assert peer.calls.empty()


def test_find_is_streamed(peer, handle):
    match = Dataset()
    match.PatientID = "1"
    peer.respond(0xFF00, 0xFF00, 0x0000, data=encode(match, ExplicitVRLittleEndian))
    pairs = handle(lambda assoc: list(assoc.send_c_find(match, FIND_MODEL)))
    assert [status.Status for status, _ in pairs] == [0xFF00, 0xFF00, 0x0000]
    assert pairs[0][1] == match
    call = peer.next()
    assert call.payload["parameters"] == {"affected_sop_class_uid": FIND_MODEL, "priority": 2}
    assert decode(call.data, ExplicitVRLittleEndian) == match


@pytest.mark.parametrize("how", ["close", "cancel"])
def test_a_find_can_be_ended(peer, handle, server, how):
    peer.respond(0xFF00)
    peer.replies = [(*peer.replies[0][:2], False)]

    def some(assoc):
        with held(assoc.send_c_find, Dataset(), FIND_MODEL, 5) as pairs:
            assert next(pairs)[0].Status == 0xFF00
            if how == "cancel":
                assoc.send_c_cancel(5, query_model=FIND_MODEL)
                return list(pairs)
            return []

    assert handle(some) == []
    call = peer.next()
    handle(lambda assoc: None)
    assert call.closed, "the acceptor was told before the next request was answered"


N_SERVICES = [
    (
        lambda a: a.send_n_event_report(REPLY, 1, StorageCommitmentPushModel, "1.2"),
        ("NEventReportRQ", 5, {"affected_sop_class_uid": StorageCommitmentPushModel,
                               "affected_sop_instance_uid": "1.2", "event_type_id": 1}),
    ),
    (
        lambda a: a.send_n_get([(0x10, 0x10), "PatientID"], UnifiedProcedureStepPush, "1.2"),
        ("NGetRQ", 7, {"requested_sop_class_uid": UnifiedProcedureStepPush,
                       "requested_sop_instance_uid": "1.2",
                       "attribute_identifier_list": [0x100010, 0x100020]}),
    ),
    (
        lambda a: a.send_n_set(REPLY, BASIC_FILM_SESSION, "1.2", meta_uid=BASIC_GRAYSCALE_PRINT),
        ("NSetRQ", 9, {"requested_sop_class_uid": BASIC_FILM_SESSION,
                       "requested_sop_instance_uid": "1.2"}),
    ),
    (
        lambda a: a.send_n_action(None, 3, BASIC_FILM_SESSION, "1.2"),
        ("NActionRQ", 9, {"requested_sop_class_uid": BASIC_FILM_SESSION,
                          "requested_sop_instance_uid": "1.2", "action_type_id": 3}),
    ),
    (
        lambda a: a.send_n_create(REPLY, BASIC_FILM_SESSION),
        ("NCreateRQ", 9, {"affected_sop_class_uid": BASIC_FILM_SESSION}),
    ),
]  # fmt: skip
REPLY = Dataset()
REPLY.PatientName = "Reply"


@pytest.mark.parametrize(("send", "sent"), N_SERVICES, ids=[sent[0] for _, sent in N_SERVICES])
def test_n_services(peer, handle, send, sent):
    peer.respond(0x0000, data=encode(REPLY, ImplicitVRLittleEndian))
    status, reply = handle(send)
    assert (status.Status, reply) == (0x0000, REPLY)
    payload = peer.next().payload
    assert (payload["kind"], payload["context_id"], payload["parameters"]) == sent


def test_n_delete(peer, handle):
    peer.respond(0x0112)
    assert handle(lambda a: a.send_n_delete(BASIC_FILM_SESSION, "1.2")).Status == 0x0112


def test_a_data_set_that_cannot_be_decoded(peer, handle):
    peer.respond(0x0000, data=b"\xff" * 20)
    status, reply = handle(lambda a: a.send_n_create(None, BASIC_FILM_SESSION))
    assert (status.Status, reply) == (0x0110, None)


@pytest.mark.parametrize(
    "trouble", [CommandFailure.ENDED, CommandFailure.TIMEOUT, CommandFailure.REFUSED]
)
def test_an_empty_status_if_there_is_no_response(peer, handle, trouble):
    peer.trouble = trouble
    assert handle(lambda a: a.send_c_echo()) == Dataset()
    assert handle(lambda a: a.send_n_get([], BASIC_FILM_SESSION, "1")) == (Dataset(), None)
    assert handle(lambda a: list(a.send_c_find(Dataset(), FIND_MODEL))) == [(Dataset(), None)]


def test_a_wrong_call_raises(peer, handle):
    peer.trouble = CommandFailure.INVALID
    with pytest.raises(ValueError, match="so it is"):
        handle(lambda a: a.send_c_echo())
    with pytest.raises(NoContext, match=r"accepted by the peer for the SC. role"):
        handle(lambda a: list(a.send_c_find(Dataset(), "1.2.840.10008.5.1.4.1.1.4.9")) or None)


@pytest.mark.parametrize("operation", ["abort", "release"])
def test_the_end_of_an_association(peer, handle, operation):
    peer.replies = [({}, None, True)]

    def end(assoc):
        getattr(assoc, operation)()
        getattr(assoc, operation)()
        return assoc

    ended = handle(end, id=f"to-{operation}")
    assert (peer.next().operation, peer.calls.empty()) == (operation, True), "once"
    assert not ended.is_established
    assert (ended.is_aborted, ended.is_released) == (operation == "abort", operation == "release")
    with pytest.raises(RuntimeError, match="must be established"):
        ended.send_c_echo()


def test_an_association_that_is_not_established(peer, handle):
    with pytest.raises(RuntimeError):
        handle(lambda assoc: assoc.send_c_echo(), state="released")
    handle(lambda assoc: assoc.abort(), state="released")
    assert peer.calls.empty()


def test_after_the_event(peer, handle):
    peer.respond(0x0000)
    kept = handle(lambda assoc: assoc)
    assert kept.send_c_echo().Status == 0x0000


def test_an_association_out_of_reach(blob):
    alone = assoc.decode(msgpack.packb({**ASSOC, "accepted_contexts": CONTEXTS}))
    assert alone.send_c_echo() == Dataset()
    alone.abort()
    assert alone.is_aborted
    assert issubclass(NoContext, ValueError)
    assert FabricError


def test_requested_contexts():
    seen = assoc.decode(msgpack.packb({"requested_contexts": [[1, "1.2", ["1.3", "1.4"]]]}))
    (context,) = seen.requested_contexts
    assert (context.context_id, context.abstract_syntax) == (1, "1.2")
    assert (context.transfer_syntax, context.result) == (["1.3", "1.4"], None)


def test_from_a_notification(peer, server, tmp_path):
    peer.respond(0x0000)
    worker, told = Worker("watcher"), queue.SimpleQueue()
    worker.bind(evt.EVT_ESTABLISHED, lambda event: told.put(event.assoc.send_c_echo().Status))
    settings = WorkerSettings(
        "watcher", "", 0, 0, str(server.run_dir), str(tmp_path), fabric=SETTINGS
    )
    session = Session(worker, settings)
    session.start()
    try:
        blob = msgpack.packb({**ASSOC, "accepted_contexts": CONTEXTS})
        server.publish("EVT_ESTABLISHED", {}, blob)
        assert told.get(timeout=WAIT) == 0x0000
    finally:
        session.close(SessionEnding(SessionEndReason.ASKED))
