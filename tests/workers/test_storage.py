"""The handler, called as the SDK calls it."""

from __future__ import annotations

import errno
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple

import pytest
from blake3 import blake3
from pydicom.dataset import Dataset

from gateway.datasets.byte_sources import BytesSource
from gateway.datasets.encoded import encoding_of
from gateway.datasets.reencoding import reencode
from gateway.errors import ConfigError, GatewayError, Unavailable
from gateway.part10 import file_meta
from gateway.sdk import WorkerContext, evt
from gateway.sdk.event import Event
from gateway.spool import Tokens
from tests.patience import WALL
from tests.peers import instances
from tests.peers.elements import ITEM, SEQUENCE_END, UNDEFINED, el, implicit
from tests.workers import conftest
from tests.workers.conftest import keep, stored
from tests.workers.holdings import instance
from workers.archive import batch_writer, header
from workers.archive.index import SqliteIndex, updates
from workers.storage import LARGE, Storage, may_take_long, storage, worker

if TYPE_CHECKING:
    from collections.abc import Generator

    from gateway.spool import Claim

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
RLE = "1.2.840.10008.1.2.5"
DEFLATED = "1.2.840.10008.1.2.1.99"
PADDING = el(0xFFFCFFFC, b"OB", bytes(8))


class Offer(NamedTuple):
    claim: Claim
    data: bytes | None
    whole: bytes
    uid: str
    sop_class: str = CT
    syntax: str = EXPLICIT


def offer(
    ready: Path | None,
    data_set: bytes = b"",
    uid: str = "",
    syntax: str = EXPLICIT,
    *,
    synced: bool = True,
) -> Offer:
    """A whole instance, as the acceptor offers it."""
    one = instances.make(size=5000)
    uid, body = uid or one.uid, data_set or one.data_set
    meta = file_meta(CT, uid, syntax, "SCU")
    return Offer(*conftest.offer(ready, body, synced=synced, meta=meta), uid, syntax=syntax)


@pytest.fixture(params=["inline", "spooled"])
def ready_or_not(request, tmp_path) -> Path | None:
    return None if request.param == "inline" else tmp_path / "spool/ready"


@pytest.fixture
def offered(ready_or_not) -> Offer:
    return offer(ready_or_not)


class Running:
    """A storage worker at work below a folder, with options."""

    def __init__(self, folder: Path, **archive: object) -> None:
        worker.context = WorkerContext(folder, options={"archive": archive} if archive else {})
        self.storage = Storage(worker)
        self.storage.start()
        self.folder = folder
        self.told: list[tuple[str, dict]] = []

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self.storage.stop()

    def ask(self, offered: Offer, attempt: int = 1) -> int:
        answer = self.answer(offered, attempt)
        return answer.Status if isinstance(answer, Dataset) else answer

    def answer(self, offered: Offer, attempt: int = 1):
        (answer,) = self.answers([offered], attempt)
        return answer

    def answers(self, offers: list[Offer], attempt: int = 1) -> list:
        return answers_of(self.storage.store([event_of(one, attempt, self.told) for one in offers]))

    def row(self, uid: str):
        index = SqliteIndex(self.folder / "archive/index.sqlite")
        try:
            return index.find(uid)
        finally:
            index.close()


def answers_of(handling: Generator[None, None, list]) -> list:
    """Return what a batch handler returns at its end."""
    try:
        while True:
            next(handling)
    except StopIteration as end:
        return end.value


def event_of(offered: Offer, attempt: int, told: list) -> Event:
    payload = {
        "request": {
            "AffectedSOPClassUID": offered.sop_class,
            "AffectedSOPInstanceUID": offered.uid,
            "MessageID": 1,
        },
        "context": [1, offered.sop_class, offered.syntax],
        "message_id": 1,
        "claim": offered.claim.to_map(),
    }
    return Event(
        evt.EVT_C_STORE,
        payload,
        data=offered.data,
        attempt=attempt,
        publish=lambda topic, body: told.append((topic, body)),
    )


@pytest.fixture
def running(tmp_path):
    with Running(tmp_path) as one:
        yield one


def other_content(offered: Offer) -> bytes:
    return offered.whole[offered.claim.offset :] + b"\xe1\x7f\x10\x10OB\0\0\x02\0\0\0xx"


class TestStoring:
    def test_it_may_be_asked_again_and_wants_data_on_disk(self):
        (bound,) = worker.bound("EVT_C_STORE")
        assert bound.redeliver
        assert bound.durable
        assert bound.function == storage.store

    def test_success_is_told_to_watchers_with_all_that_the_catalogue_names(self, running, offered):
        assert running.ask(offered) == 0x0000
        ((topic, body),) = running.told
        assert topic == "EVT_INSTANCE_STORED"
        assert set(body) == set(evt.EVT_INSTANCE_STORED.attributes)
        assert Path(body["path"]).read_bytes() == offered.whole
        assert (body["sop_class_uid"], body["sop_instance_uid"]) == (CT, offered.uid)
        assert body["transfer_syntax_uid"] == EXPLICIT
        assert (body["size"], body["digest"]) == (offered.claim.size, offered.claim.digest.hex())
        assert Path(body["path"]).is_relative_to(running.folder / "archive")

    def test_it_is_in_the_index_then(self, running, offered):
        assert running.ask(offered) == 0x0000
        row = running.row(offered.uid)
        assert (running.folder / "archive" / row.path).read_bytes() == offered.whole
        assert (row.start, row.size) == (offered.claim.offset, offered.claim.size)
        assert row.digest == offered.claim.digest

    def test_a_redelivery_is_success_and_one_copy(self, running, offered):
        assert running.ask(offered, 1) == running.ask(offered, 2) == 0x0000
        assert len(stored(running.folder)) == 1
        assert [topic for topic, _ in running.told] == ["EVT_INSTANCE_STORED"] * 2

    @pytest.mark.parametrize("attempt", [1, 2])
    def test_a_claim_whose_file_is_gone_is_a700(self, running, attempt):
        offered = offer(running.folder / "spool/ready")
        os.unlink(offered.claim.path)
        answer = running.answer(offered, attempt)
        assert answer.Status == 0xA700
        assert answer.ErrorComment == "Out of resources: No such file or directory"
        assert not running.told

    def test_inline_data_that_is_not_what_was_claimed_is_a700(self, running):
        good = offer(None)
        answer = running.answer(good._replace(data=good.data[:-1] + b"x"))
        assert answer.Status == 0xA700
        assert len(answer.ErrorComment) <= 64
        assert not running.told
        assert not stored(running.folder)

    @pytest.mark.parametrize("keyword", ["class", "instance"])
    def test_another_identity_in_the_data_set_is_a900(self, running, ready_or_not, keyword):
        one = instances.make(size=100)
        wrong = {"class": (CT, CT[:-1] + "4"), "instance": (one.uid, one.uid[:-1] + "x")}[keyword]
        body = one.data_set.replace(wrong[0].encode(), wrong[1].encode(), 1)
        answer = running.answer(offer(ready_or_not, body, one.uid))
        assert answer.Status == 0xA900
        assert keyword in answer.ErrorComment
        assert not stored(running.folder)

    def test_what_cannot_be_read_is_c000(self, running, ready_or_not):
        nested = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
        answer = running.answer(offer(ready_or_not, nested * 100_000, "1.2.3"))
        assert answer.Status == 0xC000
        assert "too deep" in answer.ErrorComment
        assert not stored(running.folder)


def of_patient(patient: str) -> Offer:
    """An instance of one and the same study under a Patient ID."""
    uid = instances.make(size=100).uid
    made = instance(SOPInstanceUID=uid, PatientID=patient, PatientName=f"Name^{patient}")
    return offer(None, made.data_set, uid)


class TestPatientMismatch:
    def test_kept_apart_and_told_once(self, running, caplog):
        offers = [of_patient(patient) for patient in "ABBA"]
        assert [running.ask(one) for one in offers] == [0x0000] * 4
        topics = [topic for topic, _ in running.told]
        assert topics.count("EVT_INSTANCE_STORED") == 4
        (body,) = [body for topic, body in running.told if topic == "EVT_PATIENT_MISMATCH"]
        assert body == {
            "outcome": "stored",
            "study_instance_uid": "1.3",
            "patient_ids": ["A", "B"],
        }
        assert caplog.text.count("study under several Patient IDs") == 1
        assert "Name^" not in caplog.text

    def test_refused(self, tmp_path, caplog):
        with Running(tmp_path, patient_mismatch="refuse") as running:
            first, other, same = (of_patient(patient) for patient in "ABA")
            assert running.ask(first) == 0x0000
            answer = running.answer(other)
            assert (answer.Status, answer.OffendingElement) == (0xA900, 0x00100020)
            assert running.ask(same) == 0x0000
            assert running.row(other.uid) is None
            assert len(stored(tmp_path)) == 2
        body = {"outcome": "refused", "study_instance_uid": "1.3", "patient_ids": ["A", "B"]}
        assert ("EVT_PATIENT_MISMATCH", body) in running.told
        assert "another Patient ID" in caplog.text

    def test_replaced_with_a_corrected_id(self, tmp_path):
        with Running(tmp_path, duplicates="replace") as running:
            first = of_patient("WRONG")
            assert running.ask(first) == 0x0000
            made = instance(SOPInstanceUID=first.uid, PatientID="RIGHT")
            assert running.ask(offer(None, made.data_set, first.uid)) == 0x0000
        with SqliteIndex(tmp_path / "archive/index.sqlite") as index:
            assert [study.patient_id for study in index.studies()] == ["RIGHT"]


class TestDuplicates:
    def test_the_same_again_is_success_and_one_copy(self, running, ready_or_not):
        first = offer(ready_or_not)
        again = offer(ready_or_not, first.whole[first.claim.offset :], first.uid)
        assert running.ask(first) == running.ask(again) == 0x0000
        assert len(stored(running.folder)) == 1
        assert len(running.told) == 1

    @pytest.mark.parametrize("policy", ["keep_first", "replace", "reject"])
    def test_the_same_at_the_same_moment(self, tmp_path, ready_or_not, policy):
        with Running(tmp_path, duplicates=policy) as running, ThreadPoolExecutor(8) as pool:
            for _ in range(10):
                first = offer(ready_or_not)
                body = first.whole[first.claim.offset :]
                all_ = [first, *(offer(ready_or_not, body, first.uid) for _ in range(7))]
                assert set(pool.map(running.ask, all_)) == {0x0000}
            assert len(stored(tmp_path)) == 10

    def test_equal_digests_do_not_make_other_content_the_same(self, running):
        first = offer(running.folder / "spool/ready")
        assert running.ask(first) == 0x0000
        body = first.whole[first.claim.offset : -1] + b"?"
        other = offer(running.folder / "spool/ready", body, first.uid)
        forged = other.claim._replace(digest=first.claim.digest)
        assert running.answer(other._replace(claim=forged)).Status == 0xB000
        aside = stored(running.folder / "archive/conflicts")
        assert [whole.endswith(body) for whole in aside.values()] == [True]

    @pytest.mark.parametrize("policy", ["keep_first", "replace", "reject"])
    def test_the_same_as_a_row_of_an_earlier_version_is_stored_once(
        self, tmp_path, ready_or_not, policy
    ):
        with Running(tmp_path, duplicates=policy) as running:
            first = offer(ready_or_not)
            body = first.whole[first.claim.offset :]
            earlier = first.claim._replace(digest=blake3(body).digest())
            assert running.ask(first._replace(claim=earlier)) == 0x0000
            assert running.ask(offer(ready_or_not, body, first.uid)) == 0x0000
            assert running.row(first.uid).digest == earlier.digest
            assert list(stored(tmp_path).values()) == [first.whole]

    def test_another_content_is_set_aside_once(self, running, ready_or_not):
        first = offer(ready_or_not)
        body = other_content(first)
        assert running.ask(first) == 0x0000
        for _ in range(3):
            answer = running.answer(offer(ready_or_not, body, first.uid))
            assert answer.Status == 0xB000
            assert len(answer.ErrorComment) <= 64
        assert running.row(first.uid).digest == first.claim.digest
        aside = stored(running.folder / "archive/conflicts")
        assert [whole.endswith(body) for whole in aside.values()] == [True]
        assert len(stored(running.folder)) == 2
        assert [topic for topic, _ in running.told] == [
            "EVT_INSTANCE_STORED",
            *["EVT_INSTANCE_CONFLICT"] * 3,
        ]

    @pytest.mark.parametrize("policy", ["keep_first", "replace", "reject"])
    def test_the_same_encoded_otherwise_is_success_and_one_copy(
        self, tmp_path, ready_or_not, policy, caplog
    ):
        with Running(tmp_path, duplicates=policy) as running:
            first = offer(ready_or_not)
            body = first.whole[first.claim.offset :]
            there = b"".join(reencode(BytesSource(body), *map(encoding_of, (EXPLICIT, IMPLICIT))))
            again = offer(ready_or_not, there, first.uid, IMPLICIT)
            padded = offer(ready_or_not, body + PADDING, first.uid)
            assert running.ask(first) == 0x0000
            with caplog.at_level(logging.INFO, "workers.storage"):
                assert running.ask(again) == running.ask(padded) == 0x0000
            assert [m.count("stored already, encoded otherwise") for m in caplog.messages] == [1, 1]
            assert list(stored(tmp_path / "archive").values()) == [first.whole]
            assert [topic for topic, _ in running.told] == ["EVT_INSTANCE_STORED"]

    def test_the_same_encoded_otherwise_in_one_batch(self, running, ready_or_not):
        first = offer(ready_or_not)
        body = first.whole[first.claim.offset :] + PADDING
        answers = running.answers([first, offer(ready_or_not, body, first.uid)])
        assert answers == [0x0000, 0x0000]
        assert list(stored(running.folder / "archive").values()) == [first.whole]

    def test_another_transfer_syntax_is_success_and_told(self, running, ready_or_not):
        first = offer(ready_or_not)
        body = first.whole[first.claim.offset :]
        pixels = body.index(b"\xe0\x7f\x10\0")
        coded = el(
            0x7FE00010, b"OB", ITEM + implicit(0xFFFEE000, b"coded!") + SEQUENCE_END, UNDEFINED
        )
        assert running.ask(first) == 0x0000
        assert running.ask(offer(ready_or_not, body[:pixels] + coded, first.uid, RLE)) == 0x0000
        topic, told = running.told[-1]
        assert topic == "EVT_INSTANCE_NOT_KEPT"
        assert set(told) == set(evt.EVT_INSTANCE_NOT_KEPT.attributes)
        assert (told["transfer_syntax_uid"], told["arrived_transfer_syntax_uid"]) == (EXPLICIT, RLE)
        assert list(stored(running.folder / "archive").values()) == [first.whole]

    def test_other_content_encoded_otherwise_is_set_aside_once(self, running, ready_or_not):
        first = offer(ready_or_not)
        body = other_content(first)
        assert running.ask(first) == 0x0000
        assert running.ask(offer(ready_or_not, body, first.uid)) == 0xB000
        assert running.ask(offer(ready_or_not, body + PADDING, first.uid)) == 0xB000
        assert len(stored(running.folder / "archive/conflicts")) == 1

    def test_or_is_a_failure_if_so_configured(self, tmp_path, ready_or_not):
        with Running(tmp_path, conflict="failure") as running:
            first = offer(ready_or_not)
            running.ask(first)
            assert running.ask(offer(ready_or_not, other_content(first), first.uid)) == 0x0111
            assert len(stored(tmp_path)) == 2

    def test_rejected(self, tmp_path, ready_or_not):
        with Running(tmp_path, duplicates="reject") as running:
            first = offer(ready_or_not)
            running.ask(first)
            assert running.ask(offer(ready_or_not, other_content(first), first.uid)) == 0x0111
            assert list(stored(tmp_path).values()) == [first.whole]

    def test_replaced(self, tmp_path, ready_or_not):
        with Running(tmp_path, duplicates="replace") as running:
            first = offer(ready_or_not)
            running.ask(first)
            second = offer(ready_or_not, other_content(first), first.uid)
            assert running.ask(second) == 0x0000
            assert list(stored(tmp_path).values()) == [second.whole]
            assert running.row(first.uid).digest == second.claim.digest

    def test_different_ones_at_the_same_moment(self, tmp_path, ready_or_not):
        with Running(tmp_path) as running, ThreadPoolExecutor(4) as pool:
            for _ in range(10):
                first = offer(ready_or_not)
                second = offer(ready_or_not, other_content(first), first.uid)
                assert sorted(pool.map(running.ask, [first, second])) == [0x0000, 0xB000]
            assert len(stored(tmp_path)) == 20
            assert len(stored(tmp_path / "archive/conflicts")) == 10

    def test_an_instance_that_lost_its_file_is_taken_again(self, running, ready_or_not):
        first = offer(ready_or_not)
        running.ask(first)
        (running.folder / "archive" / running.row(first.uid).path).unlink()
        again = offer(ready_or_not, first.whole[first.claim.offset :], first.uid)
        assert running.ask(again) == 0x0000
        row = running.row(first.uid)
        assert (running.folder / "archive" / row.path).read_bytes() == again.whole


class TestBatches:
    def test_what_one_cannot_do_does_not_harm_the_others(self, running, ready_or_not):
        stands = offer(ready_or_not)
        assert running.ask(stands) == 0x0000
        nested = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
        good = [offer(ready_or_not) for _ in range(3)]
        gone, other = offer(running.folder / "gone"), offer(None)
        os.unlink(gone.claim.path)
        offers = {
            "first": good[0],
            "gone": gone,
            "too deep": offer(ready_or_not, nested * 100_000, "1.2.3"),
            "again": offer(ready_or_not, stands.whole[stands.claim.offset :], stands.uid),
            "second": good[1],
            "damaged": other._replace(data=other.data[:-1] + b"x"),
            "mismatch": offer(ready_or_not)._replace(uid="1.2.3.4"),
            "conflict": offer(ready_or_not, other_content(stands), stands.uid),
            "third": good[2],
        }
        answers = dict(
            zip(offers, map(status_of, running.answers(list(offers.values()))), strict=True)
        )
        assert answers == {
            "first": 0x0000,
            "gone": 0xA700,
            "too deep": 0xC000,
            "again": 0x0000,
            "second": 0x0000,
            "damaged": 0xA700,
            "mismatch": 0xA900,
            "conflict": 0xB000,
            "third": 0x0000,
        }
        for one in good:
            row = running.row(one.uid)
            assert (running.folder / "archive" / row.path).read_bytes() == one.whole
        assert len(stored(running.folder / "archive")) == 5

    def test_the_same_instance_twice(self, running, ready_or_not):
        first = offer(ready_or_not)
        body = first.whole[first.claim.offset :]
        again = offer(ready_or_not, body, first.uid)
        other = offer(ready_or_not, other_content(first), first.uid)
        assert [status_of(a) for a in running.answers([first, again, other])] == [0, 0, 0xB000]
        assert running.row(first.uid).digest == first.claim.digest
        assert len(stored(running.folder / "archive")) == 2
        assert len(stored(running.folder / "archive/conflicts")) == 1

    @pytest.mark.parametrize(
        ("policy", "statuses"), [("replace", [0, 0, 0]), ("reject", [0, 0x0111, 0])]
    )
    def test_another_content_in_the_same_batch(self, tmp_path, ready_or_not, policy, statuses):
        with Running(tmp_path, duplicates=policy) as running:
            first, third = offer(ready_or_not), offer(ready_or_not)
            second = offer(ready_or_not, other_content(first), first.uid)
            answers = running.answers([first, second, third])
            assert [status_of(answer) for answer in answers] == statuses
            stands = second if policy == "replace" else first
            assert running.row(first.uid).digest == stands.claim.digest
            assert set(stored(tmp_path).values()) == {stands.whole, third.whole}

    def test_the_same_claim_twice_is_one_copy(self, running, ready_or_not):
        one = offer(ready_or_not)
        assert running.answers([one, one]) == [0x0000, 0x0000]
        assert list(stored(running.folder).values()) == [one.whole]

    @pytest.mark.parametrize("together", [True, False])
    def test_a_folder_is_synced_once_and_one_transaction_made(self, running, monkeypatch, together):
        monkeypatch.setattr(conftest, "TOKENS", Tokens(0))  # none begins another bucket
        running.ask(offer(None))
        calls = []
        for name in ("fsync", "fdatasync"):
            real = getattr(os, name)
            monkeypatch.setattr(os, name, lambda fd, n=name, r=real: (calls.append(n), r(fd))[1])
        monkeypatch.setattr(batch_writer, "sync_file_system", lambda _: calls.append("syncfs"))
        running.storage.archive._writer._can_sync_together = together
        assert running.answers([offer(None) for _ in range(10)]) == [0x0000] * 10
        assert calls == (["syncfs"] if together else ["fdatasync"] * 10) + ["fsync"]

    def test_on_a_slow_disk_files_are_synced_side_by_side(self, running, monkeypatch):
        met = threading.Barrier(4)
        running.ask(offer(None))
        running.storage.archive._writer._is_slow = True
        running.storage.archive._writer._can_sync_together = False
        monkeypatch.setattr(os, "fdatasync", lambda _fd: met.wait(WALL))
        offers = [offer(None) for _ in range(4)]
        assert running.answers(offers) == [0x0000] * 4
        assert set(stored(running.folder).values()) >= {one.whole for one in offers}

    def test_a_sync_that_fails_fails_its_own_and_a_folder_fails_all_in_it(
        self, running, monkeypatch
    ):
        running.storage.archive._writer._can_sync_together = False
        offers = [offer(None) for _ in range(3)]
        real, failing = os.fdatasync, offers[1].claim.token

        def fdatasync(fd: int) -> None:
            if failing in os.readlink(f"/proc/self/fd/{fd}"):
                raise OSError(errno.EIO, "Input/output error")
            real(fd)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", fdatasync)
            answers = running.answers(offers)
            assert [status_of(answer) for answer in answers] == [0, 0xA700, 0]
            assert running.row(offers[1].uid) is None

        def fsync(fd: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(os, "fsync", fsync)
        offers = [offer(None) for _ in range(3)]
        assert [status_of(a) for a in running.answers(offers)] == [0xA700] * 3
        assert {running.row(one.uid) for one in offers} == {None}

    @pytest.mark.parametrize("kind", ["database", "mistake"])
    def test_a_row_that_fails_fails_its_own(self, running, monkeypatch, kind):
        offers = [offer(None) for _ in range(3)]
        write, failing = updates.Adding._write, offers[1].uid

        def broken(self, execute):
            fails = failing in [new.entry.sop_instance_uid for new in self._new]
            write(self, execute)
            if fails and kind == "database":
                execute("INSERT INTO nowhere VALUES (1)")
            assert not fails

        monkeypatch.setattr(updates.Adding, "_write", broken)
        first, second, third = (status_of(answer) for answer in running.answers(offers))
        assert (first, third) == (0x0000, 0x0000)
        assert second == 0xA700 if kind == "database" else isinstance(second, AssertionError)
        assert [running.row(one.uid) is None for one in offers] == [False, True, False]

    def test_a_mistake_of_ours_fails_its_own(self, running, monkeypatch):
        offers = [offer(None) for _ in range(3)]
        scan = header.scan

        def broken(data, syntax):
            if offers[1].uid.encode() in bytes(data):
                raise ZeroDivisionError
            return scan(data, syntax)

        monkeypatch.setattr(header, "scan", broken)
        first, second, third = running.answers(offers)
        assert (first, third) == (0x0000, 0x0000)
        assert isinstance(second, ZeroDivisionError)

    def test_what_is_no_claim_fails_its_own(self, running):
        good = offer(None)
        wrong = event_of(offer(None), 1, [])
        wrong._payload["claim"]["token"] = "../../x"
        told = answers_of(running.storage.store([wrong, event_of(good, 1, running.told)]))
        assert isinstance(told[0], GatewayError)
        assert told[1] == 0x0000


def status_of(answer) -> int:
    return answer.Status if isinstance(answer, Dataset) else answer


class TestStarting:
    def test_a_file_without_row_gets_one(self, tmp_path, ready_or_not):
        offered = offer(ready_or_not)
        with Running(tmp_path) as running:
            keep(running.storage.archive, offered.claim, offered.data)
            assert running.row(offered.uid) is None
        with Running(tmp_path) as running:
            assert running.row(offered.uid).digest == offered.claim.digest
            assert running.ask(offered, 2) == 0x0000
        assert len(stored(tmp_path)) == 1

    def test_a_second_copy_without_row_goes(self, tmp_path):
        first = offer(None)
        second = offer(None, first.whole[first.claim.offset :], first.uid)
        with Running(tmp_path) as running:
            running.ask(first)
            keep(running.storage.archive, second.claim, second.data)
        with Running(tmp_path):
            assert list(stored(tmp_path).values()) == [first.whole]

    def test_another_content_without_row_is_set_aside(self, tmp_path):
        first = offer(None)
        second = offer(None, other_content(first), first.uid)
        with Running(tmp_path) as running:
            running.ask(first)
            keep(running.storage.archive, second.claim, second.data)
        with Running(tmp_path) as running:
            assert running.row(first.uid).digest == first.claim.digest
            assert list(stored(tmp_path / "archive/conflicts").values()) == [second.whole]

    def test_a_row_without_file_is_reported_each_time(self, tmp_path, caplog):
        first = offer(None)
        with Running(tmp_path) as running:
            running.ask(first)
            path = running.row(first.uid).path
            (tmp_path / "archive" / path).unlink()
        for _ in range(2):
            caplog.clear()
            with Running(tmp_path) as running:
                assert f"archive missing path='{path}'" in caplog.text
                assert running.row(first.uid) is not None

    def test_strangers_are_named_and_left_alone(self, tmp_path, caplog):
        first = offer(None)
        elsewhere = tmp_path / "elsewhere.dcm"
        elsewhere.write_bytes(first.whole)
        with Running(tmp_path) as running:
            running.ask(first)
            bucket = (tmp_path / "archive" / running.row(first.uid).path).parent
        link = bucket / (bucket.parent.name + "-" + bucket.name + "-" + "0" * 24 + ".dcm")
        link.symlink_to(elsewhere)
        (bucket / "note.txt").write_text("mine")
        (bucket.parent / "folder").mkdir()
        (tmp_path / "archive/20200101").symlink_to(bucket.parent)
        with Running(tmp_path):
            for path in (link, bucket / "note.txt", bucket.parent / "folder"):
                assert f"foreign path='{path.relative_to(tmp_path / 'archive')}'" in caplog.text
                assert os.path.lexists(path)
            assert "foreign path='20200101'" in caplog.text
        assert elsewhere.read_bytes() == first.whole

    def test_a_damaged_index_is_refused(self, tmp_path):
        with Running(tmp_path) as running:
            running.ask(offer(None))
        (tmp_path / "archive/index.sqlite").write_bytes(b"damaged")
        with pytest.raises(Unavailable, match="archive reindex"):
            Running(tmp_path)
        (tmp_path / "archive/index.sqlite").unlink()
        with pytest.raises(Unavailable, match="archive reindex"):
            Running(tmp_path)
        assert not (tmp_path / "archive/index.sqlite").exists()

    def test_a_place_that_cannot_be_written_to_is_refused_at_the_start(self, tmp_path):
        (tmp_path / "archive").write_text("in the way")
        with pytest.raises(ConfigError):
            Running(tmp_path)

    def test_an_unmounted_volume_is_never_written_to(self, tmp_path):
        with pytest.raises(Unavailable, match="not mounted"):
            Running(tmp_path / "volume", guard="mounted")
        assert not (tmp_path / "volume").exists()
        (tmp_path / "volume").mkdir()
        (tmp_path / "volume/mounted").touch()
        with Running(tmp_path / "volume", guard="mounted") as running:
            (tmp_path / "volume/mounted").unlink()
            answer = running.answer(offer(None))
            assert answer.Status == 0xA700
            assert "not mounted" in answer.ErrorComment

    @pytest.mark.parametrize("wrong", [{"duplicates": "both"}, {"dsm": "x"}, {"shared": 1}])
    def test_settings_that_are_none(self, tmp_path, wrong):
        with pytest.raises(ConfigError, match=f"archive.{next(iter(wrong))}"):
            Running(tmp_path, **wrong)

    def test_written_is_named_so_in_the_log(self, tmp_path, caplog):
        worker.context = WorkerContext(data_dir=tmp_path, durable=False)
        storage.start()
        storage.stop()
        assert "durability=written" in caplog.text

    def test_before_the_start_there_is_no_archive(self):
        with pytest.raises(RuntimeError, match="not started"):
            _ = Storage(worker).archive


@pytest.mark.parametrize(
    ("size", "syntax", "is_alone"),
    [
        (4_000, DEFLATED, False),
        (8_192, DEFLATED, True),
        (8_192, EXPLICIT, False),
        (512 * 1024, EXPLICIT, False),
        (LARGE, RLE, False),
        (LARGE + 2, RLE, True),
    ],
)
def test_what_may_take_long_is_stored_alone(size: int, syntax: str, is_alone: bool) -> None:
    arrival = SimpleNamespace(claim=SimpleNamespace(size=size), transfer_syntax_uid=syntax)
    event = SimpleNamespace(arrival=arrival)
    assert may_take_long(event) is is_alone
