"""DCMTK's findscu, getscu, movescu and termscu against a user's worker of 60 lines."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from tests.conftest import running
from tests.peers import dcmtk, instances
from tests.peers.raw import echo_ok
from tests.peers.scp import free_port
from tests.peers.workers import STORAGE_OFF, UserWorker

pytestmark = pytest.mark.peer("dcmtk")

SOURCE = (Path(__file__).parent / "folder_worker.py").read_text()
COUNT = 150
ALL = ("-k", "QueryRetrieveLevel=IMAGE", "-k", "PatientID=T1", "-k", "SOPInstanceUID")


class Folder:
    """A gateway, its worker's files, and the port that C-MOVE's destination listens on."""

    def __init__(self, gateway, files: list[instances.Instance], port: int) -> None:
        self.address, self.files, self.port = gateway.address, files, port

    def run(self, tool: str, *options: object, code: int | None = 0) -> str:
        done = dcmtk.run(tool, "-v", *options, *self.address)
        if code is not None:
            assert done.returncode == code, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place, port = tmp_path_factory.mktemp("folder"), free_port()
    mine = instances.many(COUNT)
    instances.write_folder(place / "files", mine)
    config = f'{STORAGE_OFF}[destinations]\nMOVESCU = "127.0.0.1:{port}"\nGONE = "127.0.0.1:1"\n'
    with running(config) as gateway:
        options = ("--config", gateway.folder / "gateway.toml")
        with UserWorker(place, SOURCE, gateway.data, *options) as worker:
            worker.wait_ready()
            yield Folder(gateway, mine, port)
            worker.terminate()
            assert worker.wait() == 0


def test_the_worker_is_short() -> None:
    assert len(SOURCE.splitlines()) <= 60


def one(folder: Folder) -> tuple[str, ...]:
    """The keys of one instance."""
    uid = folder.files[0].uid
    return ("-k", "QueryRetrieveLevel=IMAGE", "-k", f"SOPInstanceUID={uid}")


def received(place: Path) -> set[str]:
    return {str(pydicom.dcmread(path).SOPInstanceUID) for path in place.iterdir()}


def responses(text: str) -> list[str]:
    return re.findall(r"Find Response: \d+ \(Pending\)", text)


@pytest.mark.parametrize("model", ["-P", "-S"])
def test_findscu(folder, tmp_path, model: str) -> None:
    text = folder.run("findscu", model, "-X", "-od", tmp_path, *ALL)
    assert "Received Final Find Response (Success)" in text
    found = {str(pydicom.dcmread(p, force=True).SOPInstanceUID) for p in tmp_path.iterdir()}
    assert found == {file.uid for file in folder.files}


def test_findscu_without_a_match(folder) -> None:
    text = folder.run("findscu", "-P", "-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientID=T2")
    assert "Received Final Find Response (Success)" in text
    assert responses(text) == []


def test_findscu_cancels(folder) -> None:
    # The last match may be on its way before the C-CANCEL comes, but not time and again.
    for _ in range(10):
        text = folder.run("findscu", "-P", "--cancel", 2, *ALL)
        if "Cancel" in text.rpartition("Received Final Find Response")[2]:
            break
        assert len(responses(text)) == COUNT
    else:
        raise AssertionError(text)
    assert 2 <= len(responses(text)) < COUNT


@pytest.mark.parametrize("syntax", ["-x=", "-xi", "-xd"])
def test_findscu_in_other_transfer_syntaxes(folder, syntax: str) -> None:
    text = folder.run("findscu", "-P", syntax, *one(folder))
    assert len(responses(text)) == 1, text


@pytest.mark.parametrize("model", ["-P", "-S"])
def test_getscu(folder, tmp_path, model: str) -> None:
    text = folder.run("getscu", model, "+B", "-od", tmp_path, *ALL)
    assert f"Completed Suboperations : {COUNT}" in text
    assert received(tmp_path) == {file.uid for file in folder.files}


def test_getscu_of_one_keeps_its_bytes(folder, tmp_path) -> None:
    folder.run("getscu", "-P", "+B", "-od", tmp_path, *one(folder))
    (path,) = tmp_path.iterdir()
    assert path.read_bytes().endswith(folder.files[0].data_set)


@pytest.mark.parametrize("tool", ["findscu", "getscu", "movescu"])
def test_a_tool_that_aborts(folder, tmp_path, tool: str) -> None:
    place = () if tool == "findscu" else ("-od", tmp_path)
    port = ("+P", folder.port) if tool == "movescu" else ()
    folder.run(tool, "-P", "--abort", *place, *port, *one(folder))
    assert echo_ok(folder.address)


@pytest.mark.parametrize("model", ["-P", "-S"])
def test_movescu(folder, tmp_path, model: str) -> None:
    text = folder.run("movescu", model, "+P", folder.port, "-od", tmp_path, *ALL)
    assert "Received Final Move Response (Success)" in text
    assert received(tmp_path) == {file.uid for file in folder.files}


def test_movescu_of_one_gets_what_the_file_says(folder, tmp_path) -> None:
    folder.run("movescu", "-P", "+P", folder.port, "-od", tmp_path, *one(folder))
    (path,) = tmp_path.iterdir()
    assert pydicom.dcmread(path) == pydicom.dcmread(BytesIO(folder.files[0].part10()))


def test_movescu_cancels(folder, tmp_path) -> None:
    options = ("-P", "--cancel", 2, "+P", folder.port, "-od", tmp_path)
    text = folder.run("movescu", *options, *ALL, code=None)
    assert "Cancel" in text.rpartition("Received Final Move Response")[2], text
    assert 2 <= len(list(tmp_path.iterdir())) < COUNT


@pytest.mark.parametrize(
    ("destination", "status"),
    [("NOWHERE", "MoveDestinationUnknown"), ("GONE", "OutOfResourcesSubOperations")],
)
def test_movescu_to_nowhere(folder, destination: str, status: str) -> None:
    """DCMTK's words for A801 and A702: GONE is in the configuration, and down."""
    text = folder.run("movescu", "-P", "-aem", destination, *one(folder), code=None)
    assert status in text, text


def test_termscu_terminates_nothing(folder) -> None:
    folder.run("termscu", code=None)
    assert echo_ok(folder.address)
