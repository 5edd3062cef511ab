"""Objects: created once, read back, read in parts, listed, deleted; and stores that refuse."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway.errors import ConfigError
from tests.archive.objects.conftest import ask
from workers.archive.objects import object_store
from workers.archive.objects.listing import own_buckets
from workers.archive.objects.object_store import PART, SINGLE, ObjectStore
from workers.archive.objects.store_failure import StoreFailure

if TYPE_CHECKING:
    from pathlib import Path

    from workers.archive.objects.object_place import ObjectPlace

BUCKET = "objects/ONE/20260101/120000000-0"
PATH = f"{BUCKET}/one.dcm"


def test_one_is_created_once_and_never_replaced(store: ObjectStore, place: ObjectPlace) -> None:
    store.check_writing("probe")
    store.put(PATH, b"content")
    store.put(PATH, b"content")  # another attempt
    assert ask(place, "GET", "some/prefix/ONE/20260101/120000000-0/one.dcm") == b"content"
    with pytest.raises(StoreFailure, match="what is there is not what was sent"):
        store.put(PATH, b"another")
    with pytest.raises(StoreFailure, match="what is there is not what was sent"):
        store.put(PATH, b"longer than before")
    assert store.read(PATH, 0, 7) == b"content"
    assert [one.path for one in store.listed("objects/ONE")] == [PATH]  # the probe is gone


@pytest.mark.parametrize("kind", ["bytes", "file"])
def test_a_long_one_is_sent_in_parts(store: ObjectStore, tmp_path: Path, kind: str) -> None:
    data = os.urandom(SINGLE + 12345)
    source: bytes | str = data
    if kind == "file":
        (tmp_path / "file").write_bytes(data)
        source = str(tmp_path / "file")
    store.put(PATH, source)
    store.put(PATH, source)
    found = store.head(PATH)
    assert (found.size, found.etag[-2:]) == (len(data), f"-{-(-len(data) // PART)}")
    assert b"".join(store.pieces(PATH, 7, len(data) - 7)) == data[7:]
    assert b"".join(store.pieces(PATH, 7, 100)) == data[7:107]
    with pytest.raises(StoreFailure):
        store.put(PATH, os.urandom(len(data)))


def test_an_etag_of_another_kind_has_all_of_it_read_back(store: ObjectStore, monkeypatch) -> None:
    monkeypatch.setattr(object_store, "etag_of", lambda _: "of another kind")
    store.put(PATH, b"content")
    monkeypatch.setattr(store, "read", lambda *_: b"contEnt")
    with pytest.raises(StoreFailure, match="not what was sent"):
        store.put(PATH.replace("one", "two"), b"content")
    with pytest.raises(FileNotFoundError):  # what is not as it was sent does not stay
        store.head(PATH.replace("one", "two"))


def test_what_is_not_there(store: ObjectStore) -> None:
    store.delete(PATH)
    with pytest.raises(FileNotFoundError):
        store.head(PATH)
    with pytest.raises(FileNotFoundError):
        store.read(PATH, 0, 1)
    with pytest.raises(OSError, match="no such object"):
        list(store.pieces(PATH, 0, 1))
    assert list(store.listed(BUCKET)) == []


def test_one_that_is_too_short_ends_what_is_sent(store: ObjectStore) -> None:
    store.put(PATH, b"content")
    with pytest.raises(OSError, match="it has 3 bytes of 9 at 4"):
        list(store.pieces(PATH, 4, 9))


def test_own_buckets_are_listed_those_aside_last(store: ObjectStore) -> None:
    for path in (
        "objects/ONE/conflicts/20260101/120000000-0/c.dcm",
        "objects/ONE/20260102/120000000-0/b.dcm",
        f"{BUCKET}/a.dcm",
        f"{BUCKET}/b.dcm",
        "objects/TWO/20260101/120000000-0/other.dcm",
    ):
        store.put(path, b"1")
    assert [(bucket, len(found)) for bucket, found in own_buckets(store)] == [
        (BUCKET, 2),
        ("objects/ONE/20260102/120000000-0", 1),
        ("objects/ONE/conflicts/20260101/120000000-0", 1),
    ]


def test_a_copy(store: ObjectStore) -> None:
    store.put(PATH, b"content")
    store.copy(PATH, f"{BUCKET}/two.dcm")
    assert store.read(f"{BUCKET}/two.dcm", 0, 7) == b"content"
    with pytest.raises(FileNotFoundError):
        store.copy(f"{BUCKET}/none.dcm", f"{BUCKET}/three.dcm")


def test_a_bucket_that_is_not_there(place: ObjectPlace) -> None:
    other = ObjectStore(replace(place, bucket="not-there"))
    with pytest.raises(ConfigError, match=r"there is no bucket not-there at http://127\.0\.0\.1"):
        other.check_writing("probe")
    with pytest.raises(StoreFailure, match="there is no bucket") as caught:
        other.put(PATH, b"1")
    assert not caught.value.is_outage


def test_a_store_that_is_out_of_reach(place: ObjectPlace) -> None:
    other = ObjectStore(replace(place, endpoint="http://127.0.0.1:9"), is_hasty=True)
    for work in (
        other.check,
        lambda: other.check_writing("probe"),
        lambda: other.put(PATH, b"1"),
        lambda: other.read(PATH, 0, 1),
        lambda: list(other.listed(BUCKET)),
    ):
        with pytest.raises(StoreFailure) as caught:
            work()
        assert caught.value.is_outage
        assert "\n" not in str(caught.value)


def test_a_certificate_that_cannot_be_read(place: ObjectPlace, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"archive\.store_ca"):
        ObjectStore(place, ca=str(tmp_path / "none.pem"))
