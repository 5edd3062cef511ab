"""What needs a header reads no more of an object; what needs all of it reads it once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.archive.objects.conftest import archive_of
from tests.peers import instances
from tests.workers.test_storage import Offer, Running, offer
from workers.archive import upkeep
from workers.archive.object_examination import examine_object
from workers.archive.objects.object_store import SINGLE, ObjectStore
from workers.archive.reindex import Reindex

if TYPE_CHECKING:
    from pathlib import Path


def work_of(reindex: Reindex) -> Reindex:
    """Do all of it."""
    assert list(reindex)
    return reindex


@pytest.fixture
def long(tmp_path: Path) -> Offer:
    """An instance whose pixel data are nearly all of it."""
    one = instances.make(size=3_000_000)
    return offer(tmp_path / "spool/ready", one.data_set, one.uid)


class Requests:
    """The bytes of objects that are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        for name in ("read", "begin"):
            monkeypatch.setattr(ObjectStore, name, self._counted(getattr(ObjectStore, name)))

    def _counted(self, work):
        def counted(store, *where):
            found = work(store, *where)
            self.sizes.append(len(found.data if isinstance(found, tuple) else found))
            return found

        return counted


class TestHeaders:
    def test_the_header_of_a_long_object_takes_one_range(self, running, long, monkeypatch) -> None:
        assert running.ask(long) == 0x0000
        row, files = running.row(long.uid), archive_of(running).stored
        asked = Requests(monkeypatch)
        assert files.header(row)["SOPInstanceUID"] == long.uid
        assert asked.sizes == [64 * 1024]

    def test_a_reindex_reads_headers_only(self, running, long, store_settings, monkeypatch) -> None:
        one = offer(None)
        assert running.answers([long, one]) == [0x0000] * 2
        rows = [running.row(each.uid) for each in (long, one)]
        settings = running.storage.settings
        running.storage.stop()
        (running.folder / "archive/index.sqlite").unlink()
        asked = Requests(monkeypatch)
        assert len(work_of(Reindex(running.folder, settings)).found.indexed) == 2
        assert sum(asked.sizes) <= 68 * 1024 + len(one.whole)
        with Running(running.folder, **store_settings) as again:
            assert [again.row(each.uid) for each in (long, one)] == rows

    def test_an_object_of_another_program_is_read_as_a_whole(self, running, monkeypatch) -> None:
        one = offer(None)
        assert running.ask(one) == 0x0000
        row, store = running.row(one.uid), archive_of(running).store
        store.delete(row.path)
        store.put(row.path, one.whole)  # no digest is noted
        (found,) = store.listed("objects/ONE")
        examined = examine_object(archive_of(running).stored, found, "ONE")
        assert examined.entry == row._replace(holder="ONE")

    def test_one_that_is_no_instance_is_damaged(self, running) -> None:
        store = archive_of(running).store
        name = "objects/ONE/20260101/000000000-0/20260101-000000000-0-"
        for number, data in enumerate((b"no file meta", b"")):
            store.put(f"{name}{number:024x}.dcm", data, bytes(32))
        found = [
            examine_object(archive_of(running).stored, one, "ONE")
            for one in store.listed("objects/ONE")
        ]
        assert [one.entry for one in found] == [None, None]
        assert {one.error for one in found} > {"empty"}

    def test_the_digest_stays_with_what_is_set_aside_and_moved(self, running, long) -> None:
        assert running.ask(long) == 0x0000
        row, store = running.row(long.uid), archive_of(running).store
        aside = archive_of(running).set_aside(row.path)
        assert store.begin(aside, 10).digest == row.digest
        big = offer(None)
        store.put(row.path, b"x" * (SINGLE + 1), big.claim.digest)  # in parts
        assert store.begin(row.path, 10) == (b"x" * 10, big.claim.digest)

    def test_verify_reads_each_object_once(self, running, long, monkeypatch) -> None:
        assert running.answers([long, offer(None), offer(None)]) == [0x0000] * 3
        whole = sum(row.size for row in running.storage.index.everything())
        asked = Requests(monkeypatch)
        steps = list(upkeep.verify(archive_of(running).stored, running.storage.index, ""))
        assert [step.problem for step in steps] == [None] * 3
        assert sum(asked.sizes) < whole + 3 * 64 * 1024
        assert not list((running.folder / "archive/tmp").glob("*.copy"))
