"""Gateways that share an index in PostgreSQL, and transform what they keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.workers.test_storage import offer
from tests.workers.test_transformed import Crash, Transformers, Transforming, anonymous, received
from workers.archive.index.postgres import PostgresIndex
from workers.archive.reindex import Reindex
from workers.archive.stored_files import StoredFiles
from workers.commitment.report import CommittableInstances
from workers.commitment.transactions import Transaction

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workers.test_storage import Offer


class Shared(Transforming):
    """One of the gateways, in a folder of its own."""

    def __init__(self, folder: Path, dsn: str, holder: str) -> None:
        folder.mkdir(exist_ok=True)
        self.dsn, self.holder = dsn, holder
        others = Transformers(anonymous=anonymous)
        super().__init__(folder, "anonymous", others=others, dsn=dsn, holder=holder)

    def failed(self, one: Offer) -> int:
        """How many of these the commitment worker of this gateway would not commit to."""
        with PostgresIndex(self.dsn) as index:
            files = StoredFiles(self.folder / "archive")
            archive = CommittableInstances(files, index, self.holder, shared=False)
            asked = Transaction("1.9", "PEER", "HERE", 0.0, ((one.sop_class, one.uid),))
            return archive.report(asked).failed


@pytest.fixture
def first(tmp_path, postgres_schema):
    with Shared(tmp_path / "first", postgres_schema, "FIRST") as started:
        yield started


def again(one: Offer) -> Offer:
    return offer(None, one.whole[one.claim.offset :], one.uid)


def test_the_same_at_another_gateway_is_one_copy(first, tmp_path) -> None:
    one = received(None)
    assert first.ask(one) == 0x0000
    with Shared(tmp_path / "second", first.dsn, "SECOND") as second:
        assert second.ask(again(one)) == 0x0000
        assert second.others.asked == []
        assert (len(first.kept()), len(second.kept())) == (1, 0)
        assert (first.failed(one), second.failed(one)) == (0, 0)


@pytest.mark.parametrize("point", ["note_originals", "add_all"])
@pytest.mark.parametrize("restarted", [True, False])
def test_a_crash(first, point, restarted, monkeypatch) -> None:
    one = received(None)
    index = first.storage.index
    method = getattr(index, point)

    def die(*args: object, **how: object) -> None:
        monkeypatch.setattr(index, point, method)
        method(*args, **how)
        raise Crash

    monkeypatch.setattr(index, point, die)
    with pytest.raises(Crash):
        first.ask(one)
    if restarted:
        first.restart()
    assert first.ask(one, 2) == first.ask(again(one)) == 0x0000
    assert len(first.kept()) == 1
    assert first.failed(one) == 0


def test_a_reindex(first) -> None:
    one = received(None)
    first.ask(one)
    settings = first.storage.settings
    first.storage.stop()
    list(Reindex(first.folder, settings, processes=1))
    first.storage.start()
    assert first.failed(one) == 0
    assert first.ask(again(one)) == 0x0000
    assert first.others.asked == ["anonymous"]
