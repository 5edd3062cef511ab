"""Workers that others ask what to keep in place of an instance: EVT_STORE_TRANSFORM."""

from __future__ import annotations

import threading

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
)

from gateway import Worker, evt
from gateway.acceptor.association_commands import AssociationCommands
from gateway.datasets.coding import decode, encode
from gateway.fabric import Answer
from gateway.part10 import file_meta, read_file_meta
from gateway.sdk import InstanceFile, NotTransformed, WorkerContext, status, testing
from gateway.sdk.session_ending import SessionEnding, SessionEndReason
from gateway.sdk.transform_answers import INLINE
from gateway.sdk.transforming import Transforms
from gateway.spool import Claim
from gateway.spool.digest import digest_of
from tests.sdk.conftest import ASSOC, TOKEN
from tests.sdk.fabric import WAIT


def ct(**values) -> Dataset:
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = CTImageStorage, "1.2.3.4.5"
    for name, value in values.items():
        setattr(made, name, value)
    return made


def file_of(dataset: Dataset, syntax: str = ExplicitVRLittleEndian, path=None) -> InstanceFile:
    encoded = encode(dataset, syntax)
    uids = str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), str(syntax)
    head = file_meta(*uids, "MODALITY", "GATEWAY")
    claim = Claim(TOKEN, None, len(head), len(encoded), digest_of(encoded), synced=True)
    if path is None:
        return InstanceFile(claim, head + encoded, *uids, "MODALITY", "GATEWAY")
    path.write_bytes(head + encoded)
    return InstanceFile(claim._replace(path=str(path)), None, *uids, "MODALITY", "GATEWAY")


def dataset_of(file: InstanceFile) -> Dataset:
    whole = file.data
    if whole is None:
        with open(file.claim.path, "rb") as opened:
            whole = opened.read()
    encoded = whole[file.claim.offset :]
    assert (len(encoded), digest_of(encoded)) == (file.claim.size, file.claim.digest)
    return decode(encoded, file.transfer_syntax_uid)


# The worker that transforms


def rename(event):
    event.dataset.PatientID = "renamed"
    return event.dataset


def test_a_data_set_is_what_is_kept():
    kept = testing.transform(rename, ct(PatientID="P1", PatientName="Doe"))
    assert (kept.PatientID, kept.PatientName) == ("renamed", "Doe")
    assert kept.file_meta.MediaStorageSOPInstanceUID == "1.2.3.4.5"
    assert kept.file_meta.SourceApplicationEntityTitle == "SCU"


def test_a_long_data_set_goes_into_the_file_of_the_request():
    kept = testing.transform(rename, ct(PixelData=bytes(INLINE), BitsAllocated=8))
    assert (kept.PatientID, len(kept.PixelData)) == ("renamed", INLINE)


def test_the_file_meta_of_the_answer_decides():
    def handle(event):
        del event.dataset.file_meta.SourceApplicationEntityTitle
        event.dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        event.dataset.SOPInstanceUID = "1.2.3.99"
        return event.dataset

    kept = testing.transform(handle, ct())
    assert kept.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert kept.file_meta.MediaStorageSOPInstanceUID == kept.SOPInstanceUID == "1.2.3.99"
    assert "SourceApplicationEntityTitle" not in kept.file_meta


def test_a_new_data_set_takes_over_where_the_instance_came_from():
    kept = testing.transform(lambda _event: ct(), ct(), ae_title="CT1")
    assert kept.file_meta.SourceApplicationEntityTitle == "CT1"


def test_where_an_instance_comes_from():
    seen = []

    def handle(event):
        seen.append((event.calling_ae_title, event.called_ae_title, event.stored_uids))
        return status.SUCCESS

    assert testing.transform(handle, ct(), ae_title="CT1", called_ae_title="PACS") == 0
    assert seen == [("CT1", "PACS", (CTImageStorage, "1.2.3.4.5", ExplicitVRLittleEndian))]


def raising(_event):
    raise ValueError("DOE^JOHN")


def unencodable(_event):
    made = ct(Rows=1)
    made["Rows"]._value = "DOE^JOHN"
    return made


@pytest.mark.parametrize(
    ("handle", "expected"),
    [
        (lambda _event: status.NOT_AUTHORIZED, 0x0124),
        (lambda _event: 0xC123, 0xC123),
        (lambda _event: None, 0xA700),
        (lambda _event: b"bytes", 0xA700),
        (lambda _event: True, 0xA700),
        (lambda _event: 0xB000, 0xA700),
        (lambda _event: 0xFF00, 0xA700),
        (lambda _event: 0xFE00, 0xA700),
        (lambda _event: Dataset(), 0xA700),
        (lambda _event: FileMetaDataset(), 0xA700),
        (raising, 0xA700),
        (unencodable, 0xA700),
    ],
)
def test_whatever_is_no_instance_is_a_failure(handle, expected, caplog):
    assert testing.transform(handle, ct()) == expected
    assert not [r for r in caplog.records if "DOE" in r.getMessage() and not r.exc_info]


def test_a_handler_may_be_asynchronous():
    async def handle(event):
        return event.dataset

    assert testing.transform(handle, ct(PatientID="P1")).PatientID == "P1"


def test_the_event_is_not_about_sop_classes():
    with pytest.raises(ValueError, match="not about a SOP class"):
        Worker("w").bind(evt.EVT_STORE_TRANSFORM, rename, sop_classes=[CTImageStorage])


def test_a_generator_cannot_transform():
    def handle(event):
        yield event.dataset

    with pytest.raises(TypeError, match="has one answer"):
        Worker("w").bind(evt.EVT_STORE_TRANSFORM, handle)


# The worker that asks


@pytest.fixture
def gateway(server, session_of):
    """Starts workers that are registered with one acceptor; the first one asks the others."""
    server.server.on_command = AssociationCommands(lambda _id: None, (), server.server).take

    def start(worker):
        return session_of(worker, name=worker.name, drain_timeout=1.0)

    return start


def worker_of(name, handler=None, **how):
    worker = Worker(name, concurrency=4)
    worker.on_start(lambda: None)
    if handler is not None:
        worker.bind(evt.EVT_STORE_TRANSFORM, handler, **how)
    return worker


@pytest.fixture
def asker(gateway):
    worker = worker_of("asker")
    gateway(worker)
    return worker


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "unfinished"
    made.mkdir()
    return made


def test_workers_are_asked_in_their_order(gateway, asker, folder):
    def append(event, letter):
        event.dataset.PatientID += letter
        return event.dataset

    for name in "ab":
        worker = Worker(name)
        worker.bind(evt.EVT_STORE_TRANSFORM, append, [name])
        gateway(worker)
    sources = [file_of(ct(PatientID=f"P{n}", SOPInstanceUID=f"1.2.{n}")) for n in range(40)]
    kept = asker.context.transform(["b", "a"], sources, folder)
    assert [dataset_of(one).PatientID for one in kept] == [f"P{n}ba" for n in range(40)]
    assert [one.sop_instance_uid for one in kept] == [f"1.2.{n}" for n in range(40)]
    assert {(one.calling_ae_title, one.claim.token) for one in kept} == {("MODALITY", TOKEN)}
    assert list(folder.iterdir()) == []


def test_long_results_are_files_of_which_the_last_is_left(gateway, asker, folder, tmp_path):
    for name in "ab":
        gateway(worker_of(name, rename))
    made = ct(PixelData=bytes(INLINE), BitsAllocated=8)
    source = file_of(made, path=tmp_path / "received")
    (kept,) = asker.context.transform(["a", "b"], [source], folder)
    assert dataset_of(kept).PatientID == "renamed"
    assert [str(path) for path in folder.iterdir()] == [kept.claim.path]
    assert (kept.data, kept.claim.synced) == (None, False)
    with open(kept.claim.path, "rb") as file:
        assert read_file_meta(file).source_ae_title == "MODALITY"
    assert source.claim.path is not None
    assert (tmp_path / "received").exists()


def test_one_that_stays_as_it_is_is_the_same_object(gateway, asker, folder):
    gateway(worker_of("a", lambda _event: status.SUCCESS))
    source = file_of(ct())
    (kept,) = asker.context.transform(["a"], [source], folder)
    assert kept is source
    assert list(folder.iterdir()) == []


def test_a_refusal_carries_its_status(gateway, asker, folder):
    def refuse(_event):
        answer = Dataset()
        answer.Status, answer.ErrorComment = 0x0124, "not from there"
        return answer

    gateway(worker_of("a", refuse))
    gateway(worker_of("never", raising))
    (refused,) = asker.context.transform(["a", "never"], [file_of(ct())], folder)
    assert isinstance(refused, NotTransformed)
    assert (refused.kind, refused.status, refused.worker) == ("refused", 0x0124, "a")
    assert refused.elements == {"ErrorComment": "not from there"}


@pytest.mark.parametrize(
    ("handler", "kind", "text"),
    [
        (raising, "raised", "worker a: ValueError"),
        (lambda _e: None, "invalid", "a NoneType is not a status"),
        (lambda _e: 0xB000, "invalid", "0xB000 is not a refusal"),
        (lambda _e: ct(SOPClassUID=MRImageStorage), "invalid", "another SOP class"),
        (lambda _e: ct(PixelData=bytes(3 << 19), BitsAllocated=8), "invalid", "more than"),
    ],
)
def test_it_fails_closed(gateway, asker, folder, handler, kind, text):
    gateway(worker_of("a", handler))
    (failed,) = asker.context.transform(["a"], [file_of(ct())], folder, limit=1 << 20)
    assert isinstance(failed, NotTransformed)
    assert (failed.kind, failed.status) == (kind, 0xA700)
    assert text in str(failed)
    assert "DOE" not in str(failed)
    assert list(folder.iterdir()) == []


def test_a_worker_that_nobody_knows(asker, folder):
    (failed,) = asker.context.transform(["missing"], [file_of(ct())], folder)
    assert isinstance(failed, NotTransformed)
    assert (failed.kind, failed.status) == ("unanswered", 0xA700)
    assert "worker missing" in str(failed)


def test_a_worker_that_is_late_leaves_nothing(gateway, asker, folder):
    go_on, done = threading.Event(), threading.Event()

    def slow(event):
        go_on.wait(WAIT)
        try:
            event.dataset.PixelData, event.dataset.BitsAllocated = bytes(2 * INLINE), 8
            return event.dataset
        finally:
            done.set()

    session = gateway(worker_of("a", slow, deadline=0.2))
    (failed,) = asker.context.transform(["a"], [file_of(ct())], folder)
    assert isinstance(failed, NotTransformed)
    assert failed.kind == "unanswered"
    go_on.set()
    assert done.wait(WAIT)
    session.close(SessionEnding(SessionEndReason.ASKED))
    assert list(folder.iterdir()) == []


def test_without_a_gateway_nothing_is_kept(tmp_path):
    (failed,) = WorkerContext(tmp_path).transform(["a"], [file_of(ct())], tmp_path)
    assert isinstance(failed, NotTransformed)
    assert failed.kind == "unanswered"


class Told:
    """An acceptor that gives one result, whatever it is asked."""

    def __init__(self, payload, data=None):
        self.result = Answer(payload, data)

    def __call__(self, *_what, **_more):
        return iter([self.result])


WHOLE = file_of(ct())
SOUND = {
    "sop_class_uid": str(CTImageStorage),
    "sop_instance_uid": "1.2.3",
    "transfer_syntax_uid": str(ExplicitVRLittleEndian),
    "offset": WHOLE.claim.offset,
    "size": WHOLE.claim.size,
}


def test_a_worker_in_another_language(folder):
    transforms = Transforms(lambda: ["acceptor-0"], Told({"answer": SOUND}, WHOLE.data))
    (kept,) = transforms.transform(["a"], [WHOLE], folder)
    assert (kept.sop_instance_uid, kept.data) == ("1.2.3", WHOLE.data)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        {"status": "0"},
        {"status": True},
        {"status": -1},
        {"status": 1 << 20},
        {key: value for key, value in SOUND.items() if key != "size"},
        {**SOUND, "size": True},
        {**SOUND, "size": 0},
        {**SOUND, "size": SOUND["size"] - 2},
        {**SOUND, "offset": -1},
        {**SOUND, "sop_instance_uid": ""},
        {**SOUND, "sop_instance_uid": "1.2.x"},
        {**SOUND, "transfer_syntax_uid": "1" * 65},
        {**SOUND, "sop_class_uid": "1.2.3"},
    ],
)
@pytest.mark.parametrize("data", [WHOLE.data, None])
def test_an_answer_that_is_wrong_is_a_failure(answer, data, folder):
    transforms = Transforms(lambda: ["acceptor-0"], Told({"answer": answer}, data))
    (failed,) = transforms.transform(["a"], [WHOLE], folder)
    assert isinstance(failed, NotTransformed)
    assert (failed.kind, failed.status) == ("invalid", 0xA700)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("told", "sound"),
    [
        (None, {}),
        ([], {}),
        ({"ErrorComment": "no", "PatientName": "x"}, {"ErrorComment": "no"}),
        ({"ErrorComment": "a\x1bb", "OffendingElement": ["x"]}, {}),
        ({"OffendingElement": [0x00100020]}, {"OffendingElement": [0x00100020]}),
        ({"OffendingElement": [1 << 32]}, {}),
        ({"OffendingElement": 3, "ErrorComment": 3}, {}),
    ],
)
def test_of_a_refusal_only_what_is_sound_is_passed_on(folder, told, sound):
    answer = {"status": 0xA900, "elements": told}
    transforms = Transforms(lambda: ["acceptor-0"], Told({"answer": answer}))
    (refused,) = transforms.transform(["a"], [WHOLE], folder)
    assert isinstance(refused, NotTransformed)
    assert (refused.status, refused.elements) == (0xA900, sound)


def test_the_acceptor_that_has_the_association_is_asked(folder):
    asked = []

    def send(acceptor, association, operation, _payload, **_more):
        asked.append((acceptor, association, operation))
        return iter([Answer({"answer": {"status": 0}})])

    source = WHOLE._replace(acceptor=ASSOC["acceptor"], association=ASSOC["id"])
    assert Transforms(list, send).transform(["a"], [source], folder) == [source]
    assert asked == [("acceptor-0", "0-17", "transform")]


def test_a_command_without_a_worker_is_invalid(gateway, asker):
    results = asker.context.associations._send_command(
        "acceptor-0", "", "transform", {}, timeout=WAIT
    )
    assert next(results).payload["kind"] == "invalid"


def test_deadlines_rest_while_a_handler_waits_for_others(gateway, asker, folder):
    """A short deadline of the asker's own does not end what a slow transform is asked for."""
    go_on = threading.Event()

    def slow(event):
        go_on.wait(WAIT)
        return event.dataset

    gateway(worker_of("a", slow))
    waiting = threading.Event()

    def handle(event):
        with outer.context.waiting([event]):
            waiting.set()
            (kept,) = outer.context.transform(["a"], [file_of(ct())], folder)
        assert isinstance(kept, InstanceFile)
        return event.dataset

    outer = worker_of("outer", handle, deadline=0.3)
    session = gateway(outer)
    results = []
    thread = threading.Thread(
        target=lambda: results.extend(asker.context.transform(["outer"], [file_of(ct())], folder))
    )
    thread.start()
    assert waiting.wait(WAIT)
    for _ in range(8):  # more than its deadline, told again and again
        assert not session.pause(0.1)
        assert not session.is_hung()
    go_on.set()
    thread.join(WAIT)
    assert [type(one) for one in results] == [InstanceFile]
