"""Store and forward to DICOMweb services: a stranger's, Orthanc's, and one of a gateway."""

from __future__ import annotations

import os
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
import requests
from pydicom import dcmread

from tests.bench.servers import orthanc
from tests.peers import instances, procfs, wire
from tests.peers.orthanc import settings
from tests.peers.scp import free_port
from tests.peers.web_store import Reply, WebStore, matches, module, searched_uids
from tests.system import test_transcoding as transcoding
from tests.system.test_forward import (
    QUICK,
    rows_of,
    running,
    status_of,
    store,
    wait_empty,
)
from tests.workers.forward.test_service_syntaxes import refusing, syntaxes_of

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "a-token-of-the-tests-1"


def to(url: str, *lines: str) -> str:
    more = "\n".join(lines)
    return f'{QUICK}[destinations.WEB]\nurl = "{url}"\n{more}\n[[routes]]\ndestinations = ["WEB"]\n'


def test_a_service_that_was_down_gets_everything_when_it_returns() -> None:
    sent, peer = instances.many(30), WebStore()
    with running(to(peer.url)) as gateway:
        store(gateway, sent)
        procfs.until(lambda: "WEB: failing" in status_of(gateway), what="a status that says so")
        assert "Connection refused" in status_of(gateway)
        with peer.running():
            assert set(peer.wait_for(30)) == {one.uid for one in sent}
            wait_empty(gateway)
        assert all(peer.files[one.uid].endswith(one.data_set) for one in sent)
        assert all(len(times) == 1 for times in peer.times.values())
        assert "Traceback" not in gateway.program.err.text


def test_what_a_service_fails_is_parked_and_a_login_page_is_no_success() -> None:
    sent, peer = instances.many(4), WebStore()
    bad = sent[2].uid
    peer.answer = lambda asked: Reply(200, b"<html>", {"Content-Type": "text/html"})
    with peer.running(), running(to(peer.url)) as gateway:
        store(gateway, sent)
        procfs.until(lambda: "says nothing of the instances" in status_of(gateway), what="a status")
        peer.answer = lambda asked: module(
            [uid for uid in asked.uids if uid != bad], {bad: 0xA900} if bad in asked.uids else {}
        )
        (row,) = procfs.until(lambda: rows_of(gateway, "--state", "parked"), what="a parked row")
        assert row["instance"] == bad
        assert "A900" in row["reason"]
        procfs.until(lambda: len(rows_of(gateway)) == 1, what="the others sent")


def test_another_gateway_takes_what_is_sent_by_stow(tmp_path: Path) -> None:
    sent, port = instances.many(12), free_port()
    secret = tmp_path / "token"
    secret.write_text(TOKEN)
    other = f'[dicomweb]\nport = {port}\ntoken = "{TOKEN}"\n[workers.dicomweb]\n'
    url = f"http://127.0.0.1:{port}/dicom-web"
    config = to(url, f'token_file = "{secret}"', 'confirm = "find"')
    with running(other) as receiver, running(config) as gateway:
        store(gateway, sent)
        wait_empty(gateway)
        files = [path.read_bytes() for path in receiver.archive.rglob("*.dcm")]
        assert len(files) == len(sent)
        assert all(any(data.endswith(one.data_set) for data in files) for one in sent)
        secret.write_text("a-wrong-token-is-refused")
        store(gateway, instances.many(1))
        procfs.until(lambda: "HTTP 401" in status_of(gateway), what="a status that says so")
        assert "a-wrong-token" not in gateway.program.err.text


@pytest.mark.peer("Orthanc")
@pytest.mark.peer("orthanc-dicomweb")
def test_orthanc_takes_what_is_sent_by_stow(tmp_path: Path) -> None:
    sent, port = instances.many(5), free_port()
    base = f"http://127.0.0.1:{port}"
    with (
        orthanc(tmp_path, **settings(port)),
        running(to(f"{base}/dicom-web", 'confirm = "find"')) as gateway,
    ):
        store(gateway, sent)
        wait_empty(gateway)
        numbers = requests.get(f"{base}/instances", timeout=60).json()
        kept = [requests.get(f"{base}/instances/{n}/file", timeout=60).content for n in numbers]
        assert len(kept) == len(sent)
        assert all(any(data.endswith(one.data_set) for data in kept) for one in sent)


def test_a_service_gets_what_is_de_identified_and_is_asked_for_that(tmp_path: Path) -> None:
    peer, sent, searched = WebStore(), instances.many(3), []

    def find(path: str) -> Reply:
        searched.append(path)
        kept = [uid for uid in searched_uids(path) if len(peer.times.get(uid, ())) > 1]
        return matches(*kept)  # what came once is lost

    peer.find = find
    key = tmp_path / "key"
    with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write("0123456789abcdef" * 4)
    config = to(peer.url, 'confirm = "find"') + 'transform = ["deidentify"]\n'
    config += f'[workers.deidentify.options]\nkey_file = "{key}"\n'
    with peer.running(), running(config) as gateway:
        store(gateway, sent)
        uids = peer.wait_for(3)
        wait_empty(gateway)
        assert sorted(len(times) for times in peer.times.values()) == [2, 2, 2]
        for uid in uids:
            made = dcmread(BytesIO(peer.files[uid]))
            assert made.PatientIdentityRemoved == "YES"
            assert made.SOPInstanceUID == uid
            place = f"/studies/{made.StudyInstanceUID}/series/{made.SeriesInstanceUID}/instances?"
            assert any(place in path and uid in path for path in searched)
        assert not {one.uid for one in sent} & set(peer.files)
        assert not any(one.uid in path for one in sent for path in searched)
        assert not list(gateway.data.glob("transformed-to-forward/*/*"))


@pytest.mark.filterwarnings("ignore")
def test_a_service_gets_what_it_takes_and_the_rest_is_parked_with_the_reason() -> None:
    peer = refusing(transcoding.RLE)
    config = to(peer.url, "transcode = true", "associations = 2")
    with peer.running(), running(config) as gateway:
        transcoding.send(
            gateway,
            transcoding.stored("1.2.9.2", damaged=False),
            transcoding.stored("1.2.9.3", damaged=True),
        )
        (row,) = procfs.until(lambda: rows_of(gateway, "--state", "parked"), what="a parked row")
        assert row["instance"] == "1.2.9.3"
        assert "frame 1 is not decoded" in row["reason"]
        procfs.until(lambda: len(rows_of(gateway)) == 1, what="the other one sent")
        assert transcoding.FRAMES.tobytes() in peer.files["1.2.9.2"]
        tried = [one for asked in peer.requests for one in syntaxes_of(asked)]
        assert ("1.2.9.2", wire.EXPLICIT) in tried
        assert ("1.2.9.3", wire.EXPLICIT) not in tried
        assert "Traceback" not in gateway.program.report()
