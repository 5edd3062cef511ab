"""The storage worker with a store of objects: stored, refused, staged, drained, recovered."""

from __future__ import annotations

import dataclasses
import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.errors import ConfigError, Unavailable
from tests.archive.objects.conftest import archive_of
from tests.peers import procfs
from tests.workers.test_storage import Offer, Running, offer, other_content
from workers.archive import layout, moving, object_upkeep, upkeep
from workers.archive.index.records import IndexedFile
from workers.archive.index.relocation import bytes_in_files, in_files
from workers.archive.objects.object_store import ObjectStore
from workers.archive.objects.store_failure import StoreFailure
from workers.archive.reindex import Reindex
from workers.archive.stored_files import StoredFiles

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def staging(tmp_path: Path, store_settings: dict, quiet: None) -> Iterator[Running]:
    with Running(tmp_path, **store_settings, stage="spool") as one:
        yield one


def upkeep_of(running: Running) -> object_upkeep.ObjectUpkeep:
    assert running.storage._upkeep is not None
    return running.storage._upkeep


def away(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        failure = StoreFailure("the object store is away")
        failure.is_outage = True
        raise failure

    for name in ("put", "head", "read", "delete", "copy", "listed", "check"):
        monkeypatch.setattr(store, name, fail)


def files_below(folder: Path) -> list[Path]:
    return list((folder / "archive").rglob("*.dcm"))


@pytest.fixture(params=["inline", "spooled"])
def offered(request, tmp_path: Path) -> Offer:
    return offer(None if request.param == "inline" else tmp_path / "spool/ready")


class TestStoring:
    def test_the_object_is_there_before_the_row(self, running: Running, offered: Offer) -> None:
        assert running.ask(offered) == 0x0000
        row = running.row(offered.uid)
        date, bucket = offered.claim.bucket
        assert row.path == f"objects/ONE/{date}/{bucket}/{offered.claim.token}.dcm"
        whole = row.start + row.size
        assert archive_of(running).store.read(row.path, 0, whole) == offered.whole
        assert files_below(running.folder) == []
        ((_, body),) = running.told
        store = archive_of(running).store
        assert body["path"] == f"s3://{store.place.bucket}/some/prefix/{row.path[8:]}"

    def test_a_redelivery_and_the_same_again_are_one_object(
        self, running: Running, offered: Offer
    ) -> None:
        assert running.ask(offered) == running.ask(offered, 2) == 0x0000
        again = offer(None, offered.whole[offered.claim.offset :], offered.uid)
        assert running.ask(again) == 0x0000
        assert len(list(archive_of(running).store.listed("objects/ONE"))) == 1

    def test_many_at_once(self, running: Running) -> None:
        offers = [offer(None) for _ in range(40)]
        assert running.answers(offers) == [0x0000] * 40
        assert len(list(archive_of(running).store.listed("objects/ONE"))) == 40

    def test_other_content_is_set_aside_as_an_object(self, running: Running) -> None:
        first = offer(None)
        assert running.ask(first) == 0x0000
        other = offer(None, other_content(first), first.uid)
        assert running.ask(other) == 0xB000
        (conflict,) = running.storage.index.conflicts()
        assert conflict.path.startswith("objects/ONE/conflicts/")
        assert layout.is_archive_name(conflict.path)
        assert running.ask(offer(None, other_content(first), first.uid)) == 0xB000
        assert len(running.storage.index.conflicts()) == 1

    def test_replaced_content_is_deleted(
        self, tmp_path: Path, store_settings: dict, quiet: None
    ) -> None:
        with Running(tmp_path, **store_settings, duplicates="replace") as running:
            first = offer(None)
            assert running.ask(first) == 0x0000
            other = offer(None, other_content(first), first.uid)
            assert running.ask(other) == 0x0000
            (left,) = archive_of(running).store.listed("objects/ONE")
            assert left.path == running.row(first.uid).path

    def test_a_damaged_claim_leaves_nothing(self, running: Running) -> None:
        one = offer(None)
        assert running.ask(one._replace(data=one.data[:-1] + b"x")) == 0xA700
        assert list(archive_of(running).store.listed("objects/ONE")) == []

    def test_the_store_away_fails_and_the_next_one_succeeds(
        self, running: Running, offered: Offer, monkeypatch
    ) -> None:
        with monkeypatch.context() as meanwhile:
            away(archive_of(running).store, meanwhile)
            assert running.ask(offered) == 0xA700
            assert files_below(running.folder) == []
            running.storage.look()
            assert "store" in running.storage._worker.context.troubles
        assert running.ask(offered, 2) == 0x0000
        running.storage.look()
        assert "store" not in running.storage._worker.context.troubles

    def test_a_long_outage_has_the_worker_replaced(self, running: Running, monkeypatch) -> None:
        left: list[str] = []
        monkeypatch.setattr(running.storage, "leave", left.append)
        archive = archive_of(running)
        archive.away_since, archive.why_away = time.monotonic() - 21.0, "it does not answer"
        running.storage.look()
        assert left == ["the object store was out of reach for 20 s (it does not answer)"]


class TestStage:
    def test_a_synced_file_counts_while_the_store_is_away(
        self, staging: Running, offered: Offer, monkeypatch
    ) -> None:
        archive = archive_of(staging)
        with monkeypatch.context() as meanwhile:
            away(archive.store, meanwhile)
            assert staging.ask(offered) == 0x0000
            row = staging.row(offered.uid)
            assert not layout.is_object(row.path)
            assert (staging.folder / "archive" / row.path).read_bytes() == offered.whole
            assert archive.staged == offered.claim.size
            assert staging.ask(offered, 2) == 0x0000
        upkeep_of(staging).look()
        row = staging.row(offered.uid)
        assert layout.is_object(row.path)
        assert archive.store.read(row.path, 0, row.start + row.size) == offered.whole
        assert (files_below(staging.folder), archive.staged) == ([], 0)
        assert staging.storage.index.to_delete("") == []

    def test_only_so_much_may_wait(self, staging: Running, monkeypatch) -> None:
        archive = archive_of(staging)
        archive.stage_max = 6000
        away(archive.store, monkeypatch)
        assert staging.ask(offer(None)) == 0x0000
        assert staging.ask(offer(None)) == 0xA700
        assert len(files_below(staging.folder)) == 1

    def test_a_restart_knows_what_waits(
        self, staging: Running, store_settings: dict, monkeypatch
    ) -> None:
        one = offer(None)
        with monkeypatch.context() as meanwhile:
            away(archive_of(staging).store, meanwhile)
            assert staging.ask(one) == 0x0000
        staging.storage.stop()
        monkeypatch.setattr(ObjectStore, "check_writing", _away)
        with Running(staging.folder, **store_settings, stage="spool") as again:
            assert archive_of(again).staged == one.claim.size
            assert archive_of(again).why_away
            upkeep_of(again).look()
            assert archive_of(again).staged == 0
            assert not archive_of(again).why_away

    def test_a_file_that_has_changed_stays(self, staging: Running, monkeypatch, caplog) -> None:
        one = offer(None)
        with monkeypatch.context() as meanwhile:
            away(archive_of(staging).store, meanwhile)
            assert staging.ask(one) == 0x0000
        (path,) = files_below(staging.folder)
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        upkeep_of(staging).look()
        upkeep_of(staging).look()
        assert path.exists()
        assert caplog.text.count("waits for the object store") == 1


def _away(*_: object) -> None:
    failure = StoreFailure("away")
    failure.is_outage = True
    raise failure


class TestStart:
    def test_without_the_bucket(self, tmp_path: Path, store_settings: dict) -> None:
        store_settings["store"] = "s3://no-such-bucket"
        with pytest.raises(ConfigError, match="there is no bucket no-such-bucket"):
            Running(tmp_path, **store_settings)

    def test_out_of_reach_it_waits(self, tmp_path: Path, store_settings: dict, monkeypatch) -> None:
        monkeypatch.setattr(ObjectStore, "check_writing", _away)
        with pytest.raises(Unavailable, match="away"):
            Running(tmp_path, **store_settings)

    def test_objects_without_their_index_are_not_forgotten(
        self, running: Running, store_settings: dict
    ) -> None:
        assert running.ask(offer(None)) == 0x0000
        with pytest.raises(Unavailable, match="reindex"):
            Running(running.folder.parent / "other", **store_settings)

    def test_it_reads_no_object(self, running: Running, store_settings: dict, monkeypatch) -> None:
        assert running.answers([offer(None) for _ in range(3)]) == [0x0000] * 3
        running.storage.stop()
        for name in ("read", "head", "listed", "pieces"):
            monkeypatch.setattr(ObjectStore, name, _away)
        with Running(running.folder, **store_settings) as again:
            assert not again.storage.trouble


class TestUpkeep:
    def test_an_object_that_a_crash_left_gets_its_row(self, running: Running, monkeypatch) -> None:
        one = offer(None)
        monkeypatch.setattr(running.storage.intake, "_add_all", lambda _: None)
        running.ask(one)  # the object is there, and then it dies
        assert running.row(one.uid) is None
        upkeep_of(running).reconcile()
        assert running.row(one.uid) is None  # somebody may be storing it
        monkeypatch.setattr(object_upkeep, "_YOUNG", -60.0)
        upkeep_of(running).reconcile()
        row = running.row(one.uid)
        assert (row.digest, row.size) == (one.claim.digest, one.claim.size)
        assert layout.is_object(row.path)

    def test_a_bucket_that_agrees_is_not_read_again(self, running: Running, monkeypatch) -> None:
        assert running.ask(offer(None)) == 0x0000
        monkeypatch.setattr(object_upkeep, "_OPEN", -1e12)
        upkeep_of(running).reconcile()
        assert set(running.storage.index.buckets("").values()) == {1}
        monkeypatch.setattr(archive_of(running).store, "listed", _away)
        upkeep_of(running).reconcile()

    def test_what_was_removed_is_deleted_later(self, running: Running, monkeypatch) -> None:
        one = offer(None)
        assert running.ask(one) == 0x0000
        running.storage.index.remove([one.uid])  # and then it dies
        monkeypatch.setattr(object_upkeep, "_YOUNG", -60.0)
        upkeep_of(running).reconcile()
        assert running.row(one.uid) is None
        upkeep_of(running).delete()
        assert list(archive_of(running).store.listed("objects/ONE")) == []
        assert running.storage.index.to_delete("") == []

    def test_one_process_does_it(self, running: Running, store_settings: dict) -> None:
        upkeep_of(running).look()
        with Running(running.folder, **store_settings) as other:
            upkeep_of(other).look()
            assert not upkeep_of(other)._is_first()

    def test_it_notices_an_outage_and_its_end(
        self, tmp_path: Path, store_settings: dict, monkeypatch
    ) -> None:
        monkeypatch.setattr(object_upkeep, "_LOOK", 0.01)
        with Running(tmp_path, **store_settings) as running:
            archive = archive_of(running)
            with monkeypatch.context() as meanwhile:
                meanwhile.setattr(upkeep_of(running)._prompt, "check", _away)
                procfs.until(lambda: archive.why_away == "away", what="a noticed outage")
            procfs.until(lambda: not archive.why_away, what="the end of it")


class TestMoving:
    def known(self, running: Running, uid: str) -> IndexedFile:
        return IndexedFile(running.row(uid), is_conflict=False)

    def test_there_and_back(self, running: Running) -> None:
        one = offer(None)
        assert running.ask(one) == 0x0000
        files, index = archive_of(running).stored, running.storage.index
        assert moving.to_directory(files, index, self.known(running, one.uid))
        row = running.row(one.uid)
        assert (files.root / row.path).read_bytes() == one.whole
        assert list(archive_of(running).store.listed("objects/ONE")) == []
        assert index.ask(partial(bytes_in_files, holder="")) == one.claim.size
        assert moving.to_store(files, index, self.known(running, one.uid))
        assert layout.is_object(running.row(one.uid).path)
        assert files_below(running.folder) == []
        assert [step.problem for step in upkeep.verify(files, index, "")] == [None]

    def test_a_conflict_too(self, running: Running) -> None:
        first = offer(None)
        assert running.ask(first) == 0x0000
        assert running.ask(offer(None, other_content(first), first.uid)) == 0xB000
        files, index = archive_of(running).stored, running.storage.index
        (conflict,) = index.conflicts()
        assert moving.to_directory(files, index, IndexedFile(conflict, is_conflict=True))
        (moved,) = index.conflicts()
        assert moved.path.startswith("conflicts/")
        (known,) = index.ask(partial(in_files, holder="", after="", limit=9))
        assert known == IndexedFile(moved, is_conflict=True)
        assert moving.to_store(files, index, known)
        assert index.conflicts() == [conflict]

    def test_one_that_was_removed_meanwhile(self, running: Running) -> None:
        one = offer(None)
        assert running.ask(one) == 0x0000
        known = self.known(running, one.uid)
        files, index = archive_of(running).stored, running.storage.index
        upkeep.remove(files, index, "", [known.entry])
        with pytest.raises(moving.NotMoved, match="is gone"):
            moving.to_directory(files, index, known)
        assert files_below(running.folder) == []

    def test_one_that_was_moved_meanwhile(self, running: Running) -> None:
        one = offer(None)
        assert running.ask(one) == 0x0000
        files, index = archive_of(running).stored, running.storage.index
        before = self.known(running, one.uid)
        assert moving.to_directory(files, index, before)
        between = self.known(running, one.uid)
        again = dataclasses.replace(between)
        assert moving.to_store(files, index, between)
        with pytest.raises(moving.NotMoved, match="gone"):
            moving.to_store(files, index, again)
        assert files.defect(running.row(one.uid)) == ""


class TestFiles:
    def test_what_is_missing_or_damaged(self, running: Running) -> None:
        one, two = offer(None), offer(None)
        assert running.answers([one, two]) == [0x0000] * 2
        files, index = archive_of(running).stored, running.storage.index
        row = running.row(one.uid)
        archive_of(running).store.delete(row.path)
        assert files.defect(row) == f"the object {row.path} is gone"
        assert files.instance(row) == f"the object {row.path} is gone"
        other = running.row(two.uid)
        archive_of(running).store.delete(other.path)
        archive_of(running).store.put(other.path, two.whole[:-1] + b"?")
        kinds = {step.problem.kind for step in upkeep.verify(files, index, "") if step.problem}
        assert kinds == {"missing", "damaged"}

    def test_a_long_one_is_sent_as_it_is_read(self, running: Running, monkeypatch) -> None:
        one = offer(None)
        assert running.ask(one) == 0x0000
        files, row = archive_of(running).stored, running.row(one.uid)
        whole = one.whole[one.claim.offset :]
        short = files.instance(row)
        assert (short.data, short.size) == (whole, len(whole))
        monkeypatch.setattr("workers.archive.stored_files.IN_MEMORY", 10)
        long = files.instance(row)
        assert long.data is None
        assert b"".join(long.pieces()) == whole
        assert files.map(files.instance, [row, row])[1].size == len(whole)

    def test_without_a_store_it_is_said(self, tmp_path: Path, running: Running) -> None:
        one = offer(None)
        assert running.ask(one) == 0x0000
        with pytest.raises(StoreFailure, match=r"set archive\.store"):
            StoredFiles(tmp_path).defect(running.row(one.uid))

    def test_a_copy_is_gone_when_it_is_closed(self, running: Running) -> None:
        one = offer(None)
        assert running.ask(one) == 0x0000
        files, row = archive_of(running).stored, running.row(one.uid)
        with files.readable(row.path) as path:
            assert Path(path).read_bytes() == one.whole
        assert not Path(path).exists()

    def test_copies_that_a_crash_left_are_deleted(self, running: Running) -> None:
        files = archive_of(running).stored
        young, old = files.temporary(), files.temporary()
        young.touch()
        old.touch()
        os.utime(old, (0, 0))
        upkeep_of(running).sweep()
        assert (young.exists(), old.exists()) == (True, False)


def test_reindex(running: Running, store_settings: dict) -> None:
    first = offer(None)
    assert running.answers([first, offer(None), offer(None)]) == [0x0000] * 3
    assert running.ask(offer(None, other_content(first), first.uid)) == 0xB000
    before = running.row(first.uid)
    settings = running.storage.settings
    running.storage.stop()
    (running.folder / "archive/index.sqlite").unlink()
    work = Reindex(running.folder, settings)
    assert list(work)[-1] == 4
    assert len(work.found.indexed) == 4
    with Running(running.folder, **store_settings) as again:
        assert again.row(first.uid) == before
        assert len(again.storage.index.conflicts()) == 1
