"""Instances that workers transform between their receipt and their keeping."""

from __future__ import annotations

import logging
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from gateway.fabric import Answer
from gateway.sdk import WorkerContext, evt
from gateway.sdk.event import Event
from gateway.sdk.testing.running import bound_of, perform
from gateway.sdk.transforming import Transforms
from tests.workers.conftest import stored, unfinished
from tests.workers.holdings import instance
from tests.workers.test_storage import EXPLICIT, Offer, Running, offer
from workers.archive.index import IndexFailure, SqliteIndex
from workers.archive.received_uids import by_received_uid
from workers.archive.recovery import Recovery
from workers.archive.reindex import Reindex
from workers.archive.stored_files import StoredFiles
from workers.commitment.report import CommittableInstances
from workers.commitment.transactions import Transaction
from workers.storage import Storage, worker

if TYPE_CHECKING:
    from collections.abc import Callable

RECEIVED, KEPT = "Received^Name", "Kept^Name"
LONG = 100_000
"""Bytes of pixels that make a result too long for an answer."""


class Transformers:
    """The other workers of a gateway, called as an acceptor would have them asked."""

    def __init__(self, **handlers: Callable[[Event], object]) -> None:
        self.handlers = handlers
        self.asked: list[str] = []
        self.transforms = Transforms(lambda: ["acceptor-0"], self._send)

    def _send(self, _acceptor, _association, operation, payload, *, data, timeout):
        assert (operation, timeout > 0) == ("transform", True)
        name = payload["worker"]
        self.asked.append(name)
        if name not in self.handlers:
            error = {"error": f"worker {name}: nobody is registered", "kind": "unanswered"}
            return iter([Answer(error)])
        event = Event(evt.EVT_STORE_TRANSFORM, payload, data=data)
        (answer,) = perform(bound_of(self.handlers[name], evt.EVT_STORE_TRANSFORM, ()), event)
        return iter([Answer({"answer": answer.payload}, answer.data)])


uids = count(1)


def anonymous(event: Event) -> Dataset:
    """Give every call a UID of its own: a transform that does not give the same result again."""
    event.dataset.PatientName = KEPT
    event.dataset.SOPInstanceUID = f"1.2.3.{next(uids)}"
    return event.dataset


def longer(event: Event) -> Dataset:
    event.dataset.EncapsulatedDocument = bytes(LONG)
    return anonymous(event)


class Transforming(Running):
    """A storage worker that has others transform what it keeps."""

    def __init__(self, folder: Path, *names: str, others: Transformers, **archive: object) -> None:
        self.others = others
        self.folder = folder
        self.told = []
        worker.context = WorkerContext(
            folder,
            options={"archive": {"transform": list(names), **archive}},
            transforms=others.transforms,
        )
        self.storage = Storage(worker)
        self.storage.start()

    def restart(self) -> None:
        """As after the death of the process: nothing is finished, the start looks at the files."""
        self.storage.stop()
        self.storage = Storage(worker)
        self.storage.start()

    def kept(self) -> list[Dataset]:
        return [dcmread(path) for path in sorted((self.folder / "archive").rglob("*.dcm"))]

    def outcomes(self) -> dict[tuple[str, ...], float]:
        told = worker.context.metrics._metrics["dicom_gateway_transforms_total"]
        return dict(told.series)

    def has_original(self) -> bool:
        """Whether anything below the archive has the name that was received, but for the index."""
        files = [p for p in (self.folder / "archive").rglob("*") if p.is_file()]
        names = [p for p in files if not p.name.startswith("index.sqlite")]
        return any(RECEIVED.encode() in path.read_bytes() for path in names)


def received(ready: Path | None, **texts: str) -> Offer:
    uid = f"1.2.9.{next(uids)}"
    made = instance(EXPLICIT, **{"PatientName": RECEIVED, "SOPInstanceUID": uid, **texts})
    return offer(ready, made.data_set, made.uid)


@pytest.fixture(params=["inline", "spooled"])
def ready(request, tmp_path) -> Path | None:
    return None if request.param == "inline" else tmp_path / "spool/ready"


@pytest.fixture(params=[anonymous, longer], ids=["short", "long"])
def others(request) -> Transformers:
    return Transformers(anonymous=request.param, same=lambda _event: 0x0000)


@pytest.fixture
def running(tmp_path, others):
    with Transforming(tmp_path, "anonymous", others=others) as started:
        yield started


def report(running: Transforming, *offers: Offer):
    """What the commitment worker would report of instances under their received UIDs."""
    with SqliteIndex(running.folder / "archive/index.sqlite") as index:
        archive = CommittableInstances(
            StoredFiles(running.folder / "archive"), index, "", shared=False
        )
        pairs = tuple((one.sop_class, one.uid) for one in offers)
        return archive.report(Transaction("1.9", "PEER", "HERE", 0.0, pairs))


def test_what_the_worker_makes_is_kept(running, ready):
    one = received(ready)
    assert running.ask(one) == 0x0000
    (kept,) = running.kept()
    assert kept.PatientName == KEPT
    assert kept.SOPInstanceUID == kept.file_meta.MediaStorageSOPInstanceUID != one.uid
    assert kept.file_meta.SourceApplicationEntityTitle == "SCU"
    row = running.row(kept.SOPInstanceUID)
    assert row.path == Path(kept.filename).relative_to(running.folder / "archive").as_posix()
    assert running.row(one.uid) is None
    assert [(t, b["sop_instance_uid"]) for t, b in running.told] == [
        ("EVT_INSTANCE_STORED", kept.SOPInstanceUID)
    ]
    assert not running.has_original()
    assert unfinished(running.folder) == []
    assert running.outcomes() == {("anonymous", "changed"): 1}


def test_the_same_again_is_success_and_one_copy_without_a_question(running, ready):
    one = received(ready)
    again = offer(ready, one.whole[one.claim.offset :], one.uid)
    assert running.ask(one) == running.ask(again) == 0x0000
    assert running.others.asked == ["anonymous"]
    assert len(running.kept()) == 1


def test_a_batch(running, ready):
    offers = [received(ready, PatientID=f"P{n}") for n in range(20)]
    assert running.answers(offers) == [0x0000] * 20
    assert {str(one.PatientID) for one in running.kept()} == {f"P{n}" for n in range(20)}
    assert running.answers([offer(ready, o.whole[o.claim.offset :], o.uid) for o in offers]) == (
        [0x0000] * 20
    )
    assert len(running.others.asked) == 20


def test_commitment_speaks_of_the_received_uids(running, ready):
    one, other = received(ready), received(ready)
    running.ask(one)
    told = report(running, one, other)
    assert [i.ReferencedSOPInstanceUID for i in told.information.ReferencedSOPSequence] == [one.uid]
    assert [i.ReferencedSOPInstanceUID for i in told.information.FailedSOPSequence] == [other.uid]
    Path(running.kept()[0].filename).unlink()
    assert report(running, one).failed == 1, "the file is gone"


def test_one_that_stays_as_it_is_is_kept_byte_for_byte(tmp_path, others, ready):
    with Transforming(tmp_path, "same", others=others) as running:
        one = received(ready)
        again = offer(ready, one.whole[one.claim.offset :], one.uid)
        assert running.ask(one) == running.ask(again) == 0x0000
        assert list(stored(tmp_path / "archive").values()) == [one.whole]
        assert others.asked == ["same"]
        assert running.outcomes() == {("same", "unchanged"): 1}
        assert report(running, one).failed == 0


def test_several_in_their_order(tmp_path, ready):
    def append(letter):
        def handle(event):
            event.dataset.PatientID += letter
            return event.dataset

        return handle

    others = Transformers(a=append("a"), b=append("b"), same=lambda _event: 0x0000)
    with Transforming(tmp_path, "b", "same", "a", others=others) as running:
        assert running.ask(received(ready)) == 0x0000
        assert [str(one.PatientID) for one in running.kept()] == ["P1ba"]
        assert others.asked == ["b", "same", "a"]


# It fails closed


def raising(_event):
    raise ValueError(RECEIVED)


def incomplete(event):
    del event.dataset.StudyInstanceUID
    return event.dataset


def other_class(event):
    event.dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    return event.dataset


def refuses(_event):
    answer = Dataset()
    answer.Status, answer.ErrorComment, answer.OffendingElement = 0x0124, "not here", [0x00100020]
    return answer


@pytest.mark.parametrize(
    ("handler", "code", "outcome", "text"),
    [
        (raising, 0xA700, "raised", "ValueError"),
        (lambda _e: None, 0xA700, "invalid", "NoneType"),
        (lambda _e: Dataset(), 0xA700, "invalid", "cannot be"),
        (incomplete, 0xA700, "invalid", "StudyInstanceUID"),
        (other_class, 0xA700, "invalid", "SOP class"),
        (longer, 0xA700, "invalid", "more than 50000"),
        (refuses, 0x0124, "refused", "0x0124"),
        (None, 0xA700, "unanswered", "nobody is registered"),
    ],
)
def test_it_fails_closed(tmp_path, ready, handler, code, outcome, text, caplog):
    handlers = {"bad": handler} if handler is not None else {}
    others = Transformers(good=anonymous, **handlers)
    with (
        caplog.at_level(logging.INFO),
        Transforming(tmp_path, "good", "bad", others=others, transform_limit=50_000) as running,
    ):
        one = received(ready)
        assert running.ask(one) == code
        assert running.kept() == []
        assert unfinished(tmp_path) == []
        assert not running.has_original()
        assert running.outcomes() == {("bad", outcome): 1}
        (line,) = [m for m in caplog.messages if "instance not stored" in m]
        assert text in line
        assert "worker bad" in line
        told = [r.getMessage() for r in caplog.records if r.name.startswith("workers")]
        assert not [m for m in told if RECEIVED in m]
        assert report(running, one).failed == 1
        if one.claim.path is not None:
            assert Path(one.claim.path).exists(), "the acceptor deletes it"
        others.handlers["bad"] = lambda _event: 0x0000
        assert running.ask(offer(ready, one.whole[one.claim.offset :], one.uid)) == 0x0000


def test_a_refusal_reaches_the_peer_with_its_elements(tmp_path):
    with Transforming(tmp_path, "bad", others=Transformers(bad=refuses)) as running:
        answer = running.answer(received(None))
        assert (answer.Status, answer.ErrorComment) == (0x0124, "not here")
        assert answer.OffendingElement == 0x00100020


def test_status_shows_that_a_worker_is_missing_until_it_answers(tmp_path):
    others = Transformers()
    with Transforming(tmp_path, "gone", others=others) as running:
        running.ask(received(None))
        assert "worker gone" in worker.context.troubles["transform"]
        others.handlers["gone"] = anonymous
        assert running.ask(received(None)) == 0x0000
        assert "transform" not in worker.context.troubles


def test_a_fault_of_the_peer_stays_its_own(running, ready):
    one = received(ready)
    body = one.whole[one.claim.offset :]
    assert running.ask(offer(ready, body, "1.2.3")) == 0xA900
    assert running.ask(offer(ready, body[:-3], one.uid)) & 0xF000 == 0xC000
    assert running.ask(received(ready, StudyInstanceUID="")) == 0xA900
    assert running.others.asked == ["anonymous"], "a worker could have added the Study Instance UID"


def test_a_worker_may_mend_what_is_incomplete(tmp_path, ready):
    def mend(event):
        event.dataset.StudyInstanceUID = "1.2.3"
        return event.dataset

    with Transforming(tmp_path, "mend", others=Transformers(mend=mend)) as running:
        assert running.ask(received(ready, StudyInstanceUID="")) == 0x0000


# Duplicates


def renamed(name):
    def handle(event):
        event.dataset.PatientName = name
        return event.dataset

    return handle


def test_other_content_follows_the_policy_and_is_known_again(tmp_path, ready):
    others = Transformers(rename=renamed(KEPT))
    with Transforming(tmp_path, "rename", others=others) as running:
        first = received(ready)
        changed = instance(EXPLICIT, PatientName=RECEIVED, PatientID="P9", SOPInstanceUID=first.uid)
        assert running.ask(first) == 0x0000
        for _ in range(2):
            assert running.ask(offer(ready, changed.data_set, first.uid)) == 0xB000
        assert others.asked == ["rename", "rename"], "the second time it is known"
        assert len(stored(tmp_path / "archive/conflicts")) == 1
        assert report(running, first).failed == 0


def test_two_that_become_one(tmp_path, ready):
    """Different data sets that a transform makes the same: success, one copy, both are known."""
    others = Transformers(rename=renamed(KEPT))
    with Transforming(tmp_path, "rename", others=others) as running:
        first = received(ready)
        made = instance(EXPLICIT, PatientName="Other^Name", SOPInstanceUID=first.uid)
        second = offer(ready, made.data_set, first.uid)
        assert running.ask(first) == running.ask(second) == 0x0000
        assert len(running.kept()) == 1
        assert running.ask(offer(ready, made.data_set, first.uid)) == 0x0000
        assert others.asked == ["rename", "rename"]


def test_what_was_removed_is_asked_about_again(running, ready):
    one = received(ready)
    running.ask(one)
    (kept,) = running.kept()
    running.storage.index.remove([kept.SOPInstanceUID])
    assert running.storage.index.originals([one.uid]) == []
    assert running.ask(offer(ready, one.whole[one.claim.offset :], one.uid)) == 0x0000
    assert len(running.others.asked) == 2


def test_a_lost_file_is_asked_about_again(running, ready):
    one = received(ready)
    running.ask(one)
    Path(running.kept()[0].filename).unlink()
    assert running.ask(offer(ready, one.whole[one.claim.offset :], one.uid)) == 0x0000
    assert len(running.others.asked) == 2
    assert len(running.kept()) == 1


# Crashes


class Crash(BaseException):
    """The process ends here."""


def dies(owner: object, name: str, monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
    """Let the next call of a method be the last thing that the process does."""
    method = getattr(owner, name)

    def call(*args: object, **how: object) -> object:
        monkeypatch.setattr(owner, name, method)
        if after:
            method(*args, **how)
        raise Crash

    monkeypatch.setattr(owner, name, call)


POINTS = ["transform", "note_originals", "keep", "add_all"]


@pytest.mark.parametrize("restarted", [True, False], ids=["restarted", "another member"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_there_is_one_copy_and_no_original(
    running, ready, point, after, restarted, monkeypatch
):
    one = received(ready)
    storage = running.storage
    owner = {
        "transform": running.others.transforms,
        "keep": storage.archive,
    }.get(point, storage.index)
    dies(owner, point, monkeypatch, after=after)
    with pytest.raises(Crash):
        running.ask(one)
    assert not running.has_original()
    if restarted:
        running.restart()
    assert running.ask(one, 2) == 0x0000
    (kept,) = running.kept()
    assert kept.PatientName == KEPT
    assert running.row(kept.SOPInstanceUID) is not None
    assert not running.has_original()
    assert report(running, one).failed == 0
    # as a peer that had no answer sends it
    again = offer(ready, one.whole[one.claim.offset :], one.uid)
    assert running.ask(again) == 0x0000
    assert len(running.kept()) == 1
    running.storage.stop()
    assert unfinished(running.folder) == []


@pytest.mark.parametrize("restarted", [True, False], ids=["restarted", "another member"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("point", ["note_originals", "keep", "add_all"])
def test_killed_while_it_is_kept_as_it_is(
    tmp_path, others, ready, point, after, restarted, monkeypatch
):
    """What was received is moved out of the spool then, and the next attempt finds it."""
    with Transforming(tmp_path, "same", others=others) as running:
        one = received(ready)
        storage = running.storage
        owner = storage.archive if point == "keep" else storage.index
        dies(owner, point, monkeypatch, after=after)
        with pytest.raises(Crash):
            running.ask(one)
        if restarted:
            running.restart()
        assert running.ask(one, 2) == 0x0000
        assert list(stored(tmp_path / "archive").values()) == [one.whole]
        assert report(running, one).failed == 0


def test_a_claim_that_is_not_what_came_is_refused(running):
    one = received(None)
    assert running.ask(one._replace(data=one.data[:-1] + b"x")) == 0xA700
    assert running.ask(one._replace(claim=one.claim._replace(digest=b""))) == 0xA700
    assert running.others.asked == []


@pytest.mark.parametrize("point", ["originals", "note_originals"])
def test_an_index_that_fails_keeps_nothing(running, ready, point, monkeypatch):
    def fail(*_what, **_how):
        raise IndexFailure("the disk is gone")

    monkeypatch.setattr(running.storage.index, point, fail)
    assert running.ask(received(ready)) == 0xA700
    assert running.kept() == []
    assert unfinished(running.folder) == []


# Commands


def test_a_reindex_keeps_what_was_received(running, ready):
    one = received(ready)
    running.ask(one)
    running.storage.stop()
    list(Reindex(running.folder, running.storage.settings))
    running.storage = Storage(worker)
    running.storage.start()
    assert report(running, one).failed == 0
    assert running.ask(offer(ready, one.whole[one.claim.offset :], one.uid)) == 0x0000
    assert len(running.others.asked) == 1
    found = Recovery(running.storage.archive, running.storage.index, running.storage.settings).run()
    assert found.damaged == found.missing == found.foreign == []


def test_by_received_uid_prefers_the_instance_of_that_uid(running, ready):
    one = received(ready)
    running.ask(one)
    (kept,) = running.kept()
    both = by_received_uid(running.storage.index, [one.uid, kept.SOPInstanceUID, "1.2.3.4"])
    assert {uid: entry.sop_instance_uid for uid, entry in both.items()} == {
        one.uid: kept.SOPInstanceUID,
        kept.SOPInstanceUID: kept.SOPInstanceUID,
    }


def test_without_transform_nothing_is_asked_or_noted(tmp_path, others, ready):
    with Transforming(tmp_path, others=others) as running:
        one = received(ready)
        assert running.ask(one) == 0x0000
        assert list(stored(tmp_path / "archive").values()) == [one.whole]
        assert others.asked == []
        assert running.storage.index.originals([one.uid]) == []
