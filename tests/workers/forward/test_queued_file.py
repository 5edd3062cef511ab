"""The file of a queued instance: here, moved, replaced, removed, or at another gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.datasets import Instance
from tests.archive.conftest import entry, kept
from workers.archive.index import SqliteIndex
from workers.archive.outbox_rows import QueuedInstance
from workers.archive.stored_files import StoredFiles
from workers.forward.outcomes import SendOutcome, SendVerdict
from workers.forward.queued_file import Opener

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from workers.archive.index import Index, IndexEntry


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with SqliteIndex(tmp_path / "index.sqlite") as index:
        yield index


class Fetcher:
    """Has the files of other gateways, or says why not."""

    def __init__(self, found: Instance | str) -> None:
        self.found = found

    def fetch(self, entries: list[IndexEntry], lent: object) -> dict[str, Instance | str]:
        return {one.sop_instance_uid: self.found for one in entries}


def write(root: Path, one: IndexEntry) -> IndexEntry:
    path = root / one.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(one.start + one.size))
    return one


def opened(index: Index, root: Path, one: IndexEntry, **more: object) -> Instance | SendOutcome:
    opener = Opener(index, StoredFiles(root), "HERE", is_shared=False, **more)
    return opener.open(QueuedInstance(one, "PACS", "all"))


def test_a_file_that_is_here_is_sent_as_it_is(index: Index, tmp_path: Path) -> None:
    one = write(tmp_path, entry("1.1"))
    found = opened(index, tmp_path, one)
    assert isinstance(found, Instance)
    assert (found.path, found.offset, found.size) == (str(tmp_path / one.path), one.start, one.size)


def test_a_file_with_the_same_content_takes_its_place(index: Index, tmp_path: Path) -> None:
    other = write(tmp_path, entry("1.1", path="20260102/000000000-0/other.dcm"))
    index.add(other, kept("1.1"))
    found = opened(index, tmp_path, entry("1.1"))
    assert isinstance(found, Instance)
    assert found.path == str(tmp_path / other.path)


def test_what_was_removed_or_replaced_is_not_sent(index: Index, tmp_path: Path) -> None:
    found = opened(index, tmp_path, entry("1.1"))
    assert found == SendOutcome(SendVerdict.GONE, "it was removed from the archive")
    index.add(entry("1.1", b"other content"), kept("1.1"))
    found = opened(index, tmp_path, entry("1.1"))
    assert found == SendOutcome(SendVerdict.GONE, "it was replaced by other content")


def test_a_file_that_is_missing_is_tried_again(index: Index, tmp_path: Path) -> None:
    index.add(entry("1.1"), kept("1.1"))
    found = opened(index, tmp_path, entry("1.1"))
    assert isinstance(found, SendOutcome)
    assert (found.verdict, "is gone" in found.reason) == (SendVerdict.AGAIN, True)


def test_a_file_of_another_gateway_is_fetched(index: Index, tmp_path: Path) -> None:
    one = entry("1.1", holder="THERE")
    index.add(one, kept("1.1"))
    instance = Instance("1.2", "1.1", "1.2.840.10008.1.2", 3, tmp_path / "fetched")
    assert opened(index, tmp_path, one, fetcher=Fetcher(instance)) is instance
    away = SendOutcome(SendVerdict.AGAIN, "the gateway THERE is down")
    assert opened(index, tmp_path, one, fetcher=Fetcher("the gateway THERE is down")) == away
    index.remove(["1.1"])
    found = opened(index, tmp_path, one, fetcher=Fetcher(instance))
    assert isinstance(found, SendOutcome)
    assert found.verdict is SendVerdict.GONE
