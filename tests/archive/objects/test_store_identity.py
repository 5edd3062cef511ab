"""A gateway with another store than that of its index is refused, in one sentence."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway.errors import ConfigError
from tests.archive.objects.conftest import archive_of, ask
from tests.peers import procfs
from tests.workers.test_storage import Running, offer
from workers.archive import moving, store_identity
from workers.archive.index import Index
from workers.archive.index.records import IndexedFile, SharingGateway
from workers.archive.objects.object_store import ObjectStore
from workers.archive.objects.store_failure import StoreFailure
from workers.archive.reindex import Reindex
from workers.archive.store_identity import PATH, check_store, identity_of

if TYPE_CHECKING:
    from pathlib import Path

    from workers.archive.objects.object_place import ObjectPlace


@pytest.fixture
def other(place: ObjectPlace, store_settings: dict) -> dict[str, object]:
    """The settings with another bucket."""
    made = replace(place, bucket=f"{place.bucket}-other")
    ask(made, "PUT")
    return {**store_settings, "store": made.url}


@pytest.fixture
def stored(running: Running) -> Running:
    """One that has an object, and has stopped."""
    assert running.ask(offer(None)) == 0x0000
    running.storage.stop()
    return running


def sentence_of(folder: Path, settings: dict) -> str:
    with pytest.raises(ConfigError) as caught:
        Running(folder, **settings)
    return str(caught.value)


def test_another_store_than_that_of_the_objects(stored, store_settings, other) -> None:
    told = sentence_of(stored.folder, other)
    assert "are in s3://bucket-" in told
    assert "-other/some/prefix" not in told.partition(", and")[0]
    assert told.count("archive move --to directory") == 1
    for change in ({"store": f"{store_settings['store']}/deeper"}, {"store": ""}):
        assert "are in s3://bucket-" in sentence_of(stored.folder, {**store_settings, **change})
    with Running(stored.folder, **store_settings) as again:
        assert not again.storage.trouble


def test_another_prefix_may_follow_once_there_are_no_objects(running, other) -> None:
    one = offer(None)
    assert running.ask(one) == 0x0000
    known = IndexedFile(running.row(one.uid), is_conflict=False)
    assert moving.to_directory(archive_of(running).stored, running.storage.index, known)
    running.storage.stop()
    with Running(running.folder, **other) as again:
        assert again.ask(offer(None)) == 0x0000
        again.storage.stop()
    with Running(running.folder, **other):
        pass


def test_before_anything_is_stored_another_gateway_counts(
    running, other, store_settings, monkeypatch
) -> None:
    running.storage.stop()
    two = SharingGateway("TWO", "identity", "TWO", "10.0.0.2", 11112, tls=False, age=1.0)
    monkeypatch.setattr(Index, "gateways", lambda _: {"TWO": two, "": replace(two, holder="")})
    assert "archive.store" in sentence_of(running.folder, other)
    Running(running.folder, **store_settings).storage.stop()
    monkeypatch.setattr(Index, "gateways", lambda _: {"TWO": replace(two, age=99.0)})
    Running(running.folder, **other).storage.stop()


def test_a_copy_of_the_store_is_that_of_the_index(stored, place, store_settings, other) -> None:
    first = ObjectStore(place)
    copy = ObjectStore(replace(place, bucket=f"{place.bucket}-other"))
    (one,) = first.listed("objects/ONE")
    copy.put(one.path, first.read(one.path, 0, one.size))
    for settings in (store_settings, other):  # without the identity, a sample says what it is
        with Running(stored.folder, **settings) as again:
            assert not again.storage.trouble
    assert identity_of(copy) == identity_of(first) != ""
    first.delete(PATH)
    Running(stored.folder, **store_settings).storage.stop()
    assert identity_of(first) == identity_of(copy)


def test_the_commands_and_a_reindex_change_nothing(stored, place, other) -> None:
    settings = replace(stored.storage.settings, store=str(other["store"]))
    with pytest.raises(ConfigError, match="archive move --to directory"):
        list(Reindex(stored.folder, settings))
    with pytest.raises(ConfigError, match="is to use none"):
        list(Reindex(stored.folder, replace(settings, store="")))
    with Running(stored.folder, **{**other, "store": place.url}) as again:
        index = again.storage.index
        with pytest.raises(ConfigError, match="archive move --to directory"):
            check_store(index, ObjectStore(replace(place, prefix="else")), settings)
        check_store(index, archive_of(again).store, settings)
        again.storage.stop()
    assert len(work(Reindex(stored.folder, stored.storage.settings)).found.indexed) == 1
    path = stored.folder / "archive/index.sqlite"
    with sqlite3.connect(path) as index:
        assert index.execute("SELECT identity FROM object_store").fetchall() == [
            (identity_of(ObjectStore(place)),)
        ]
    index.close()


def work(reindex: Reindex) -> Reindex:
    assert list(reindex)
    return reindex


def test_a_store_that_was_away_at_the_start_is_checked_later(stored, other, monkeypatch) -> None:
    def away(*_: object) -> None:
        failure = StoreFailure("away")
        failure.is_outage = True
        raise failure

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(ObjectStore, "check_writing", away)
        again = Running(stored.folder, **other, stage="spool")
    left: list[str] = []
    with again:
        monkeypatch.setattr(again.storage, "leave", left.append)
        archive_of(again).note(None)
        procfs.until(lambda: left, what="the reason to leave")
        assert left[0].startswith("archive.store: the objects of the index are in s3://bucket-")


def test_of_gateways_that_begin_at_the_same_time_one_names_it(place) -> None:
    store = ObjectStore(place)
    assert store.create(store_identity.PATH, b"one")
    assert not store.create(store_identity.PATH, b"two")
    assert identity_of(store) == "one"
