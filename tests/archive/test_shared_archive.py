"""Gateways that share an archive: each looks at its own files only when it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.sdk import Arrival
from gateway.settings import ArchiveSettings
from gateway.spool import Claim, Tokens
from gateway.spool.digest import digest_of
from tests.workers.holdings import instance
from workers.archive import Archive, recovery
from workers.archive.arrival import Receipt, Taken
from workers.archive.attributes import Level
from workers.archive.index.search import Query
from workers.archive.intake import Intake
from workers.archive.recovery import Recovery

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from workers.archive.index.postgres import PostgresIndex


class Host:
    """A gateway's share of an archive: its intake, and what its start does."""

    def __init__(self, title: str, number: int, data: Path, index: PostgresIndex) -> None:
        self.settings = ArchiveSettings(dsn="shared", holder=title, shared=True)
        self.index = index
        self.archive = Archive(data / "archive", durable=False)
        self.tokens = Tokens(number)
        self.intake = Intake(self.archive, index, self.settings, data)

    def store(self, uid: str) -> str:
        """Return the path of a new instance."""
        one = instance(SOPInstanceUID=uid)
        claim, whole = self.claimed(one)
        arrival = Arrival(claim, whole, 1, one.sop_class, one.uid, one.transfer_syntax)
        (receipt,) = self.intake.take([arrival])
        assert isinstance(receipt, Receipt)
        assert receipt.taken is Taken.STORED
        return receipt.entry.path

    def claimed(self, one) -> tuple[Claim, bytes]:
        whole, body = one.part10(), one.data_set
        start = len(whole) - len(body)
        return Claim(self.tokens.draw(), None, start, len(body), digest_of(body)), whole

    def start(self) -> recovery.Found:
        return Recovery(self.archive, self.index, self.settings).run()


@pytest.fixture
def hosts(tmp_path, postgres_schema) -> Iterator[tuple[Host, Host]]:
    from workers.archive.index.postgres import PostgresIndex

    with PostgresIndex(postgres_schema) as index:
        both = Host("ONE", 1, tmp_path, index), Host("TWO", 2, tmp_path, index)
        yield both
        for host in both:
            host.archive.close()


@pytest.fixture
def examined(monkeypatch) -> list[str]:
    """The files that are read at a start."""
    paths: list[str] = []
    examine = recovery.examine

    def noting(whole: Path, path: str, holder: str) -> recovery.Examined:
        paths.append(path)
        return examine(whole, path, holder)

    monkeypatch.setattr(recovery, "examine", noting)
    return paths


def bucket_of(path: str) -> str:
    return path.rpartition("/")[0]


def test_the_other_ones_buckets_are_not_looked_at(hosts, examined, monkeypatch):
    one, two = hosts
    foreign, own = bucket_of(one.store("1.1")), bucket_of(two.store("1.2"))
    looked: list[str] = []
    content = recovery.layout.content
    monkeypatch.setattr(
        recovery.layout, "content", lambda root, name: looked.append(name) or content(root, name)
    )
    found = two.start()
    assert own in looked
    assert foreign not in looked
    assert examined == []
    assert found == recovery.Found()
    assert one.index.find("1.1").holder == "ONE"


def test_nor_are_its_files_in_a_bucket_that_both_use(hosts, examined):
    one, two = hosts
    two.tokens = one.tokens
    assert bucket_of(one.store("1.1")) == bucket_of(two.store("1.2"))
    assert two.start() == one.start() == recovery.Found()
    assert examined == []
    assert one.index.find("1.1").holder == "ONE"


def moved(host: Host, path: str) -> str:
    """Put a stored file into a bucket of its own, as if nobody had noted it."""
    new = "20260101/000000000-7/" + path.rpartition("/")[2].replace(
        bucket_of(path).replace("/", "-"), "20260101-000000000-7"
    )
    target = host.archive.root / new
    target.parent.mkdir(parents=True, exist_ok=True)
    (host.archive.root / path).rename(target)
    return new


def test_one_that_nobody_noted_is_whose_rows_say_it(hosts, examined):
    one, two = hosts
    path = one.store("1.1")
    new = moved(one, path)
    one.index.relocate(one.index.find("1.1")._replace(path=new))
    assert not two.index.has_only_files_of("TWO", "20260101/000000000-7")
    two.start()
    assert examined == []
    assert one.index.has_only_files_of("ONE", "20260101/000000000-7")


def test_a_file_that_was_left_without_a_row_is_indexed_by_its_own_host(hosts, examined):
    one, two = hosts
    one.store("1.0")
    left = instance(SOPInstanceUID="1.1")
    claim, whole = one.claimed(left)
    path = one.archive.root / one.archive.place(claim)
    name = str(path.relative_to(one.archive.root))
    one.index.note_buckets("ONE", {bucket_of(name): 0})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(whole)
    two.start()
    assert examined == []
    assert one.start().indexed == [name]
    assert one.index.find("1.1").holder == "ONE"
    assert one.index.count(Query(Level.IMAGE)) == 2


def test_a_bucket_is_noted_before_the_first_file_is_there(hosts, monkeypatch):
    one, _ = hosts
    keep = one.archive.keep

    def noted_first(offers, **more):
        for offer in offers:
            bucket = bucket_of(one.archive.place(offer.claim))
            assert bucket in one.index.buckets("ONE")
            assert f"conflicts/{bucket}" in one.index.buckets("ONE")
        return keep(offers, **more)

    monkeypatch.setattr(one.archive, "keep", noted_first)
    one.store("1.1")
