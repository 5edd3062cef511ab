from __future__ import annotations

import http.client
import time
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.workers.test_storage import Running
from workers.archive import object_upkeep
from workers.archive.object_archive import ObjectArchive
from workers.archive.objects.abandoned_uploads import signed
from workers.archive.objects.object_place import ObjectPlace
from workers.archive.objects.object_store import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_buckets = count()


def ask(
    place: ObjectPlace, method: str, key: str = "", query: str = "", body: bytes = b""
) -> bytes:
    """Send a request to the store without its client."""
    host = place.endpoint.removeprefix("http://")
    path = f"/{place.bucket}/{key}".rstrip("/")
    headers = signed(place, host, method, path, query, time.gmtime())
    connection = http.client.HTTPConnection(host)
    connection.request(method, f"{path}?{query}" if query else path, headers=headers)
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    assert response.status < 300, answer
    return answer


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of a store in memory, in this process."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def place(s3_endpoint: str) -> ObjectPlace:
    """A bucket of the test's own."""
    made = ObjectPlace(
        f"bucket-{next(_buckets)}", "some/prefix", "ONE", s3_endpoint, "us-east-1", "key", "secret"
    )
    ask(made, "PUT")
    return made


@pytest.fixture
def store(place: ObjectPlace) -> ObjectStore:
    return ObjectStore(place)


@pytest.fixture
def prompt(place: ObjectPlace) -> ObjectStore:
    return ObjectStore(place, is_hasty=True)


@pytest.fixture
def store_settings(place: ObjectPlace, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", place.key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", place.secret)
    return {
        "store": f"s3://{place.bucket}/{place.prefix}",
        "store_endpoint": place.endpoint,
        "holder": place.holder,
    }


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The upkeep does only what a test calls."""
    monkeypatch.setattr(object_upkeep, "_LOOK", 3600.0)


@pytest.fixture
def running(tmp_path: Path, store_settings: dict, quiet: None) -> Iterator[Running]:
    with Running(tmp_path, **store_settings) as one:
        yield one


def archive_of(running: Running) -> ObjectArchive:
    assert isinstance(running.storage.archive, ObjectArchive)
    return running.storage.archive
