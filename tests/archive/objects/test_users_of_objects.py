"""Retention, transforms, commitment and forwarding with instances that are objects."""

from __future__ import annotations

import time
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from pydicom import dcmread

from gateway.datasets import Instance
from gateway.settings import RetentionSettings
from tests.archive.objects.conftest import archive_of
from tests.workers.test_storage import CT, Running, offer
from tests.workers.test_transformed import (
    KEPT,
    RECEIVED,
    Transformers,
    Transforming,
    anonymous,
    longer,
    received,
)
from workers.archive.objects.store_failure import StoreFailure
from workers.archive.old_studies import AGE, HELD, Retention
from workers.archive.outbox_rows import QueuedInstance
from workers.archive.received_uids import by_received_uid
from workers.archive.stored_files import StoredFiles
from workers.archive.temporary_copies import TemporaryCopies
from workers.commitment.report import PROCESSING_FAILURE, CommittableInstances, Report
from workers.commitment.transactions import Transaction
from workers.forward.outcomes import SendOutcome, SendVerdict
from workers.forward.provenance import facts_of
from workers.forward.queued_file import Opener

if TYPE_CHECKING:
    from pathlib import Path

    from workers.archive.index import Index

HOUR = 3600.0


def paths_in_store(running: Running) -> set[str]:
    return {one.path for one in archive_of(running).store.listed("objects/ONE")}


class TestRetention:
    def run(self, running: Running, later: float, *, dry: bool = False) -> list[str]:
        settings = RetentionSettings(max_age=10 * HOUR, min_age=HOUR)
        files, index = archive_of(running).stored, running.storage.index
        work = Retention(files, index, "", settings, lambda: time.time() + later)
        return [one.why for one in work.run(dry=dry)]

    def test_what_is_old_is_deleted_from_the_store_unless_it_is_held(self, running) -> None:
        one = offer(None)
        assert running.ask(one) == 0x0000
        index = running.storage.index
        assert self.run(running, 9 * HOUR) == []
        index.hold("somebody", [one.uid])
        assert self.run(running, 11 * HOUR) == [HELD]
        index.let_go("somebody")
        assert self.run(running, 11 * HOUR, dry=True) == [AGE]
        assert paths_in_store(running) == {running.row(one.uid).path}
        assert self.run(running, 11 * HOUR) == [AGE]
        assert paths_in_store(running) == set()
        assert (running.row(one.uid), index.to_delete("")) == (None, [])


class TestTransform:
    @pytest.fixture(params=[anonymous, longer], ids=["short", "long"])
    def transforming(self, request, tmp_path, store_settings, quiet):
        others = Transformers(anon=request.param)
        made = Transforming(tmp_path, "anon", others=others, **store_settings)
        yield made
        made.storage.stop()

    @pytest.mark.parametrize("is_spooled", [False, True])
    def test_the_result_is_the_object_and_the_original_is_nowhere(
        self, transforming, tmp_path, is_spooled
    ) -> None:
        one = received(tmp_path / "spool/ready" if is_spooled else None)
        assert transforming.ask(one) == transforming.ask(one, 2) == 0x0000
        assert transforming.others.asked == ["anon"]
        (path,) = paths_in_store(transforming)
        store, size = archive_of(transforming).store, archive_of(transforming).store.head(path).size
        whole = store.read(path, 0, size)
        kept = dcmread(BytesIO(whole))
        assert kept.PatientName == KEPT
        assert RECEIVED.encode() not in whole
        assert not transforming.has_original()
        index, files = transforming.storage.index, archive_of(transforming).stored
        assert by_received_uid(index, [one.uid])[one.uid].path == path
        assert files.header(transforming.row(kept.SOPInstanceUID))["PatientName"] == KEPT
        assert report(files, index, one.uid).failed == 0


def report(files: StoredFiles, index: Index, *uids: str) -> Report:
    references = tuple((CT, uid) for uid in uids)
    asked = Transaction("2.25.1", "MODALITY", "GATEWAY", 0.0, references)
    return CommittableInstances(files, index, "", shared=False).report(asked)


class TestCommitment:
    def test_an_object_that_is_gone_or_cut_is_not_committed_to(self, running) -> None:
        well, gone, cut = (offer(None) for _ in range(3))
        assert running.answers([well, gone, cut]) == [0x0000] * 3
        files, index, store = (
            *(archive_of(running).stored, running.storage.index),
            archive_of(running).store,
        )
        assert report(files, index, well.uid, gone.uid, cut.uid).failed == 0
        for one in (gone, cut):
            store.delete(running.row(one.uid).path)
        store.put(running.row(cut.uid).path, cut.whole[:-2])
        told = report(files, index, well.uid, gone.uid, cut.uid).information
        (item,) = told.ReferencedSOPSequence
        assert item.ReferencedSOPInstanceUID == well.uid
        failed = {one.ReferencedSOPInstanceUID: one.FailureReason for one in told.FailedSOPSequence}
        assert failed == dict.fromkeys((gone.uid, cut.uid), PROCESSING_FAILURE)

    def test_nothing_is_told_while_the_store_is_away(self, running, monkeypatch) -> None:
        one = offer(None)
        assert running.ask(one) == 0x0000

        def away(*_: object) -> None:
            raise StoreFailure("away")

        monkeypatch.setattr(archive_of(running).store, "head", away)
        with pytest.raises(StoreFailure):
            report(archive_of(running).stored, running.storage.index, one.uid)

    def test_a_gateway_without_a_store_relies_on_the_holder(self, running, tmp_path) -> None:
        one = offer(None)
        assert running.ask(one) == 0x0000
        elsewhere = StoredFiles(tmp_path)
        asked = Transaction("2.25.1", "MODALITY", "GATEWAY", 0.0, ((CT, one.uid),))
        made = CommittableInstances(elsewhere, running.storage.index, "TWO", shared=False)
        assert made.report(asked).failed == 0


class TestForwarding:
    def opened(self, running: Running, uid: str, tmp_path: Path, **more: object):
        files, index = archive_of(running).stored, running.storage.index
        copies = TemporaryCopies(tmp_path / "copies")
        opener = Opener(index, files, "", is_shared=False, copies=copies)
        return opener.open(QueuedInstance(running.row(uid), "PACS", "all", **more))

    def test_an_object_is_sent_as_it_was_received(self, running, tmp_path, monkeypatch) -> None:
        one = offer(tmp_path / "spool/ready")
        assert running.ask(one) == 0x0000
        sent = self.opened(running, one.uid, tmp_path)
        assert isinstance(sent, Instance)
        assert sent.read() == one.whole[one.claim.offset :]
        monkeypatch.setattr("workers.archive.stored_files.IN_MEMORY", 10)
        assert self.opened(running, one.uid, tmp_path).read() == sent.read()

    def test_a_worker_that_transforms_it_gets_a_file(self, running, tmp_path) -> None:
        one = offer(None)
        assert running.ask(one) == 0x0000
        sent = self.opened(running, one.uid, tmp_path, transform="deidentify")
        assert sent.path.read_bytes() == one.whole

    def test_one_that_was_removed_is_gone_and_one_that_is_missing_waits(
        self, running, tmp_path
    ) -> None:
        one, two = offer(None), offer(None)
        assert running.answers([one, two]) == [0x0000] * 2
        opened = partial(self.opened, running, two.uid, tmp_path)
        archive_of(running).store.delete(running.row(two.uid).path)
        found = opened()
        assert isinstance(found, SendOutcome)
        assert found.verdict is SendVerdict.AGAIN
        assert "is gone" in found.reason

    def test_conditions_of_routes_read_the_file_meta_information_only(
        self, running, tmp_path, monkeypatch
    ) -> None:
        offers = [offer(None) for _ in range(3)]
        assert running.answers(offers) == [0x0000] * 3
        files, index = archive_of(running).stored, running.storage.index
        rows = [running.row(one.uid) for one in offers]
        sizes: list[int] = []
        read = files.objects.read
        monkeypatch.setattr(
            files.objects, "read", lambda *where: sizes.append(where[2]) or read(*where)
        )
        found = facts_of(index, files, rows, {"calling", "Modality"})
        assert [facts["calling"] for facts in found] == ["SCU"] * 3
        assert sizes == [row.start for row in rows]
