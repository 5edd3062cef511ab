"""Comparison of acknowledged with stored instances: this gateway, DCMTK, pynetdicom, losses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pydicom
import pytest

from gateway.load import journal, verification
from gateway.load.verification import Verifier
from gateway.uid import KEYWORDS
from tests.cli import peers
from tests.load.conftest import validate
from tests.load.fake import serving
from tests.peers import instances, scp
from tests.peers.process import run_cli
from tests.peers.sender import store_all

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = [
    KEYWORDS[name]
    for name in (
        "CTImageStorage",
        "MRImageStorage",
        "DigitalXRayImageStorageForPresentation",
    )
]
MIXED = "--mix", "ct=70,mr=20,dx=10", "--size", "20k", "--study", "2x3"


def report(folder: Path, address, *options: object) -> dict:
    """Runs the command; its JSON, validated."""
    path = folder / "report.json"
    program = run_cli("load", *address, *options, "--json", path)
    assert program.popen.returncode == 0, program.report()
    assert "Traceback" not in program.err.text
    document = json.loads(path.read_text())
    validate(document)
    return document


def test_this_gateway_has_what_it_acknowledged(gateway_process, tmp_path) -> None:
    document = report(
        tmp_path,
        gateway_process.address,
        *("--associations", 4, "--processes", 2, "--count", 200, *MIXED),
        *("--verify", gateway_process.data),
    )
    checked, totals = document["verification"], document["totals"]
    stored = sum(path.suffix == ".dcm" for path in gateway_process.archive.rglob("*"))
    assert totals["acknowledged"] == checked["acknowledged"] == checked["found"] == stored == 200
    assert checked["good"]
    assert checked["different"] == checked["twice"] == checked["unacknowledged"] == 0


def test_what_a_load_stored_is_removed_afterwards(gateway_process, tmp_path) -> None:
    store_all(gateway_process.address, [kept := instances.make()])
    document = report(
        tmp_path,
        gateway_process.address,
        *("--associations", 2, "--count", 12, *MIXED, "--cleanup", gateway_process.data),
    )
    assert document["cleanup"] == {"removed": 12, "failure": ""}
    left = [pydicom.dcmread(path) for path in gateway_process.archive.rglob("*.dcm")]
    uids = {one.SOPInstanceUID for one in left}
    assert kept.uid in uids
    assert not any(uid.startswith(document["plan"]["root"]) for uid in uids)


def test_a_cleanup_where_nothing_is_fails_in_words(gateway_process, tmp_path) -> None:
    place = ("--count", 1, "--cleanup", tmp_path)
    program = run_cli("load", *gateway_process.address, "--size", "8k", *place)
    assert program.popen.returncode == 1
    assert "not cleaned up: " in program.out.text
    assert "Traceback" not in program.report()


@pytest.mark.peer("dcmtk")
def test_dcmtk_has_what_it_acknowledged(tmp_path) -> None:
    folder = tmp_path / "received"
    folder.mkdir()
    with scp.dcmtk_storescp(folder, "--fork") as address:
        document = report(
            tmp_path,
            address,
            *("--associations", 3, "--count", 100, "--verify", folder, *MIXED),
        )
    assert document["totals"]["acknowledged"] == len(list(folder.iterdir())) == 100
    assert document["verification"]["good"]


def test_pynetdicom_has_what_it_acknowledged(tmp_path) -> None:
    got: peers.Counter = peers.Counter()
    with peers.pynetdicom_storescp(CLASSES, got) as address:
        document = report(tmp_path, address, "--associations", 3, "--count", 60, *MIXED)
    assert document["totals"]["acknowledged"] == 60
    assert sorted(got.values()) == [1] * 60
    root = document["plan"]["root"]
    assert all(uid.startswith(f"{root}.3") for uid, _, _ in got)


@pytest.mark.peer("dcmtk")
def test_an_archive_is_asked_by_find(tmp_path) -> None:
    with peers.dcmqrscp(tmp_path) as archive:
        options = "--aec", "QR", "--count", 12, "--size", "2k", "--study", "2x3", "--verify", "find"
        checked = report(tmp_path, archive.address, *options)["verification"]
    assert checked["by"].startswith("C-FIND")
    assert (checked["acknowledged"], checked["found"], checked["missing"]) == (12, 12, 0)


@pytest.fixture
def stored(load, tmp_path):
    """A folder of instances that were acknowledged, and their verifier."""
    journals, folder = tmp_path / "journals", tmp_path / "stored"
    journals.mkdir()
    folder.mkdir()
    with serving() as server:
        result = load(server.port, operation="store", size=500, count=10, journals=journals)
        for uid, data in server.done.data_sets.items():
            (folder / f"{uid}.dcm").write_bytes(_file(uid, data))
    verifier = Verifier(result.plan, journals)
    return folder, verifier


def _file(uid: str, data: bytes) -> bytes:
    from gateway.part10 import file_meta
    from gateway.uid import EXPLICIT_VR_LITTLE_ENDIAN

    return file_meta(CLASSES[0], uid, EXPLICIT_VR_LITTLE_ENDIAN) + data


def test_nothing_is_missing(stored) -> None:
    folder, verifier = stored
    outcome = verifier.compare_folder(folder)
    assert outcome.is_good
    assert (outcome.acknowledged, outcome.found) == (10, 10)


def test_losses_changes_and_doubles_are_found(stored) -> None:
    folder, verifier = stored
    first, second, third, *_ = sorted(folder.iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1] + b"\x99")
    (folder / "again.dcm").write_bytes(third.read_bytes())
    outcome = verifier.compare_folder(folder)
    assert not outcome.is_good
    assert (outcome.missing, outcome.different, outcome.twice) == (1, 1, 1)
    assert outcome.found == 9
    assert f"acknowledged but not found: {first.stem}" in outcome.problems


def test_a_line_that_a_death_cut_short_is_left_out(tmp_path) -> None:
    path = tmp_path / "0"
    path.write_text("0 0 0 0 1 1 0\n0 0 0 0 1 2 1")
    assert len(list(journal.read([path]))) == 1


def test_a_find_answer_that_is_cut_short_says_nothing() -> None:
    element = verification._implicit((0x00080018, b"1.2"))
    assert verification._value(element, 0x00080018) == "1.2"
    assert verification._value(element[:7], 0x00080018) == ""
