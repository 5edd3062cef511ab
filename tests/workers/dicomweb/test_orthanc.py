"""Orthanc's DICOMweb plugin as the client: it stores here, searches, and gets back what it had."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
import requests

from tests.bench.servers import orthanc
from tests.peers import instances
from tests.peers.orthanc import settings
from tests.peers.scp import free_port
from tests.workers.dicomweb.conftest import TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.workers.dicomweb.conftest import Service

pytestmark = [pytest.mark.peer("Orthanc"), pytest.mark.peer("orthanc-dicomweb")]


class Orthanc(NamedTuple):
    base: str

    def ask(self, path: str, **body: object):
        answered = requests.post(f"{self.base}{path}", json=body, timeout=60)
        assert answered.status_code == 200, answered.text
        return answered.json()


@pytest.fixture
def client(service: Service, tmp_path: Path) -> Iterator[Orthanc]:
    port = free_port()
    known = {"Url": service.base, "HttpHeaders": {"Authorization": f"Bearer {TOKEN}"}}
    with orthanc(tmp_path, **settings(port, here=known)):
        yield Orthanc(f"http://127.0.0.1:{port}")


def test_orthanc_stores_here_and_gets_it_back(client: Orthanc) -> None:
    sent = instances.many(3)
    numbers = []
    for one in sent:
        posted = requests.post(f"{client.base}/instances", data=one.part10(), timeout=60)
        numbers.append(posted.json()["ID"])
    told = client.ask("/dicom-web/servers/here/stow", Resources=numbers, Synchronous=True)
    assert int(told["InstancesCount"]) == 3

    for number in numbers:
        assert requests.delete(f"{client.base}/instances/{number}", timeout=60).status_code == 200
    stem = sent[0].uid.rpartition(".")[0]
    found = client.ask(
        "/dicom-web/servers/here/qido",
        Uri="/studies",
        Arguments={"StudyInstanceUID": f"{stem}.1"},
    )
    assert len(found) == 1

    study = {"Study": f"{stem}.1"}
    client.ask("/dicom-web/servers/here/retrieve", Resources=[study], Synchronous=True)
    for number, one in zip(numbers, sent, strict=True):
        back = requests.get(f"{client.base}/instances/{number}/file", timeout=60)
        assert back.content.endswith(one.data_set)
