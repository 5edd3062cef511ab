"""`echo`, `find`, `get` and `move` with DCMTK's image archive, with cancel; and its worklist."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset

from gateway.datasets.coding import decode, encoder
from gateway.part10 import read_file_meta
from gateway.requestor import Address, Proposal, Timeouts, associate, identify
from gateway.requestor.get_contexts import get_contexts
from gateway.requestor.received import Folder
from gateway.uid import EXPLICIT_VR_LITTLE_ENDIAN, KEYWORDS
from tests.cli import peers
from tests.peers import instances
from tests.peers.process import run_cli
from tests.requestor.conftest import TEST_FILES

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.peer("dcmtk")

STUDY = "1.3.6.1.4.1.5962.1.1.0.0.0.1196527414.5534.0.1"
"""Three computed radiographs of pydicom's DICOMDIR tests."""
MANY = 400
QR = "--aec", "QR"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("qr")
    many = instances.write_folder(folder / "many", instances.many(MANY))
    with peers.dcmqrscp(folder) as scp:
        paths = TEST_FILES / "dicomdirtests", TEST_FILES / "CT_small.dcm", many
        program = run_cli("store", *scp.address, *paths, *QR, "--ignore-other")
        assert program.popen.returncode == 0, program.report()
        yield scp


@pytest.fixture(scope="module")
def expected() -> dict[str, str]:
    """The study's instances, with the hash of their data sets."""
    found = {}
    for path in (TEST_FILES / "dicomdirtests" / "77654033").rglob("*"):
        if path.is_file() and dcmread(path).StudyInstanceUID == STUDY:
            one = identify(path)
            found[one.sop_instance_uid] = digest(path, one.offset)
    assert len(found) == 3
    return found


def digest(path: Path, offset: int) -> str:
    return hashlib.sha256(path.read_bytes()[offset:]).hexdigest()


def files_of(folder: Path) -> dict[str, str]:
    return {
        read_file_meta(path).sop_instance_uid: digest(path, read_file_meta(path).offset)
        for path in folder.iterdir()
    }


def test_echo(archive) -> None:
    program = run_cli("echo", *archive.address, *QR, "--repeat", 5)
    assert program.popen.returncode == 0
    assert program.out.text.count("success (status 0x0000") == 5
    assert "5 responses, 5 successes; min" in program.out.text


def test_find_studies(archive) -> None:
    program = run_cli("find", *archive.address, *QR, "-k", "PatientName=Doe*", "-k", "StudyDate")
    assert program.popen.returncode == 0, program.report()
    head, *rows, last = program.out.lines
    assert "StudyInstanceUID" in head.split("\t")
    assert any(STUDY in row for row in rows)
    assert last == f"{len(rows)} matches"


def test_find_series_and_images_as_json(archive) -> None:
    keys = "--level", "series", "-k", f"0020,000D={STUDY}", "-k", "Modality=CR"
    program = run_cli("find", *archive.address, *QR, *keys, "--json")
    matches = [one["match"] for one in peers.events(program.out.text, "match")]
    assert len(matches) == 3
    assert {one["Modality"] for one in matches} == {"CR"}
    assert {one["StudyInstanceUID"] for one in matches} == {STUDY}
    summary = peers.summary(program.out.text)
    assert (summary["matches"], summary["status"]) == (3, 0)


def test_find_patients(archive) -> None:
    options = "--root", "patient", "--level", "patient", "-k", "PatientID=77654033"
    program = run_cli("find", *archive.address, *QR, *options)
    assert program.popen.returncode == 0
    assert "Doe^Archibald\t77654033" in program.out.text
    assert program.out.lines[-1] == "1 match"


def test_find_nothing_is_a_success(archive) -> None:
    program = run_cli("find", *archive.address, *QR, "-k", "PatientID=nobody")
    assert program.popen.returncode == 0
    assert program.out.lines == ["0 matches"]


def test_get_writes_the_files_as_they_are(archive, expected, tmp_path) -> None:
    out = tmp_path / "new" / "folder"
    options = "-k", f"StudyInstanceUID={STUDY}", "-o", out
    program = run_cli("get", *archive.address, *QR, *options, "--json")
    assert program.popen.returncode == 0, program.report()
    assert files_of(out) == expected
    assert {path.name for path in out.iterdir()} == {f"{uid}.dcm" for uid in expected}
    summary = peers.summary(program.out.text)
    assert (summary["completed"], summary["failed"], summary["written"]) == (3, 0, 3)
    assert len(peers.events(program.out.text, "progress")) >= 1


def test_get_of_what_was_not_proposed_fails_in_words(archive, tmp_path) -> None:
    options = "-k", f"StudyInstanceUID={STUDY}", "--sop-class", "MRImageStorage", "-o", tmp_path
    program = run_cli("get", *archive.address, *QR, *options)
    assert program.popen.returncode == 1
    assert "3 failed" in program.out.text
    assert list(tmp_path.iterdir()) == []


def test_move(archive, expected) -> None:
    options = "--dest", "DEST", "-k", f"StudyInstanceUID={STUDY}"
    program = run_cli("move", *archive.address, *QR, *options)
    assert program.popen.returncode == 0, program.report()
    assert program.out.lines[-1] == "3 moved; success (status 0x0000)"
    assert files_of(archive.received) == expected


def test_move_to_nowhere(archive) -> None:
    options = "--dest", "NOWHERE", "-k", f"StudyInstanceUID={STUDY}"
    program = run_cli("move", *archive.address, *QR, *options)
    assert program.popen.returncode == 1
    assert "move destination unknown (status 0xA801)" in program.out.text


def test_wrong_called_title_in_words(archive) -> None:
    program = run_cli("find", *archive.address, "--aec", "WRONG", "-k", "PatientID=1")
    assert program.popen.returncode == 1
    assert "called AE title not recognized (result 1, source 1, reason 7)" in program.err.text


def test_find_is_cancelled(archive) -> None:
    model = KEYWORDS["PatientRootQueryRetrieveInformationModelFind"]

    async def work() -> list[int]:
        query = Dataset()
        query.QueryRetrieveLevel = "IMAGE"
        query.PatientID = "T1"
        query.StudyInstanceUID = await find_one(archive, "StudyInstanceUID")
        query.SeriesInstanceUID = await find_one(archive, "SeriesInstanceUID")
        query.SOPInstanceUID = ""
        proposal = Proposal(((model, (EXPLICIT_VR_LITTLE_ENDIAN,)),), called_ae_title="QR")
        association = await associate(
            Address(*archive.address), proposal, timeouts=Timeouts.all(20)
        )
        operation = await association.c_find(model, encoder(query))
        await operation.cancel()
        statuses = [answered.status async for answered in operation]
        await association.release()
        return statuses

    *pending, final = asyncio.run(work())
    assert final == 0xFE00
    assert len(pending) < MANY
    assert set(pending) <= {0xFF00}


async def find_one(archive, keyword: str) -> str:
    model = KEYWORDS["PatientRootQueryRetrieveInformationModelFind"]
    levels = {"StudyInstanceUID": "STUDY", "SeriesInstanceUID": "SERIES"}
    query = Dataset()
    query.QueryRetrieveLevel = levels[keyword]
    query.PatientID = "T1"
    if keyword != "StudyInstanceUID":
        query.StudyInstanceUID = await find_one(archive, "StudyInstanceUID")
    setattr(query, keyword, "")
    proposal = Proposal(((model, (EXPLICIT_VR_LITTLE_ENDIAN,)),), called_ae_title="QR")
    association = await associate(Address(*archive.address), proposal, timeouts=Timeouts.all(20))
    operation = await association.c_find(model, encoder(query))
    match = await operation.next()
    await operation.final()
    await association.release()
    return str(decode(match.data_set, EXPLICIT_VR_LITTLE_ENDIAN)[keyword].value)


def test_get_is_cancelled(archive, tmp_path) -> None:
    model = KEYWORDS["PatientRootQueryRetrieveInformationModelGet"]
    told = []

    async def work() -> int:
        query = Dataset()
        query.QueryRetrieveLevel = "PATIENT"
        query.PatientID = "T1"
        contexts, roles = get_contexts(model)
        association = await associate(
            Address(*archive.address),
            Proposal(contexts, roles=roles, called_ae_title="QR"),
            timeouts=Timeouts.all(20),
            handler=Folder(tmp_path, told.append),
        )
        operation = await association.c_get(model, encoder(query))
        await operation.next()
        await operation.cancel()
        final = await operation.final()
        await association.release()
        return final.status

    assert asyncio.run(work()) == 0xFE00
    assert 0 < len(told) < MANY
    assert len(list(tmp_path.glob("*.dcm"))) == len(told)
    assert not list(tmp_path.glob(".*"))


def test_worklist(tmp_path) -> None:
    (tmp_path / "ANY-SCP").mkdir()
    (tmp_path / "ANY-SCP" / "lockfile").touch()
    step = Dataset()
    step.Modality = "CT"
    step.ScheduledStationAETitle = "SCANNER"
    step.ScheduledProcedureStepStartDate = "20240131"
    step.ScheduledProcedureStepStartTime = "1200"
    step.ScheduledPerformingPhysicianName = "Doe^John"
    step.ScheduledProcedureStepDescription = "Abdomen"
    step.ScheduledProcedureStepID = "S1"
    item = Dataset()
    item.file_meta = FileMetaDataset()
    item.file_meta.TransferSyntaxUID = EXPLICIT_VR_LITTLE_ENDIAN
    item.file_meta.MediaStorageSOPClassUID = KEYWORDS["ModalityWorklistInformationModelFind"]
    item.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    item.SpecificCharacterSet = "ISO_IR 100"
    item.AccessionNumber = "A1"
    item.PatientName = "Miller^Jane"
    item.PatientID = "P1"
    item.PatientBirthDate = "19700101"
    item.PatientSex = "F"
    item.StudyInstanceUID = "1.2.3.4"
    item.RequestedProcedureID = "R1"
    item.RequestedProcedureDescription = "CT of the abdomen"
    item.ScheduledProcedureStepSequence = [step]
    item.save_as(tmp_path / "ANY-SCP" / "one.wl", enforce_file_format=True)
    with peers.wlmscpfs(tmp_path) as address:
        key = "ScheduledProcedureStepSequence.Modality=CT"
        program = run_cli("find", *address, "--root", "worklist", "-k", key, "--json")
        assert program.popen.returncode == 0, program.report()
        (match,) = peers.events(program.out.text, "match")
        found = match["match"]
        assert found["PatientName"] == "Miller^Jane"
        (sequence,) = found["ScheduledProcedureStepSequence"]
        assert sequence["ScheduledStationAETitle"] == "SCANNER"
        program = run_cli("find", *address, "--root", "worklist", "-k", key)
        assert "ScheduledProcedureStepSequence.ScheduledStationAETitle" in program.out.lines[0]
        key = "ScheduledProcedureStepSequence.Modality=MR"
        program = run_cli("find", *address, "--root", "worklist", "-k", key)
        assert program.out.lines == ["0 matches"]
