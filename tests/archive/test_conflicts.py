"""`dicom-gateway archive conflicts`, on an archive in which instances were set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.archive.test_command import Archive
from tests.peers.process import run_cli
from tests.workers.holdings import instance
from tests.workers.test_storage import Running, offer
from workers.archive.index import SqliteIndex

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def archive(tmp_path) -> Archive:
    """One instance of patient A, and two others that came under its UID."""
    made = Archive.__new__(Archive)
    made.data, made.root = tmp_path, tmp_path / "archive"
    with Running(tmp_path) as running:
        for patient, status in (("A", 0x0000), ("B", 0xB000), ("C", 0xB000)):
            sent = instance(SOPInstanceUID="1.1", PatientID=patient)
            answer = running.answer(offer(None, sent.data_set, "1.1"))
            assert getattr(answer, "Status", answer) == status
            if status:
                assert "set aside" in answer.ErrorComment
                assert len(answer.ErrorComment) <= 64
    return made


def run(archive: Archive, command: str, *arguments: str):
    program = run_cli("archive", "conflicts", command, *arguments, "--data", archive.data)
    return program.popen.returncode, program.out.text + program.err.text


def names(archive: Archive) -> list[str]:
    _, text = run(archive, "ls")
    return [line.split()[0] for line in text.splitlines()[1:-1]]


def stored(archive: Archive) -> tuple[str, list[Path], int]:
    """The patient in the index, the files of the archive, and the number that are set aside."""
    with SqliteIndex(archive.root / "index.sqlite") as index:
        (study,) = index.studies()
        return study.patient_id, sorted(archive.root.rglob("*.dcm")), index.conflict_count()


def test_ls_and_show(archive):
    status, text = run(archive, "ls")
    assert (status, text.splitlines()[-1]) == (0, "2 set aside")
    first, second = names(archive)
    status, text = run(archive, "show", first)
    assert status == 0
    assert "PatientID: A -> B" in text
    assert "SOPInstanceUID" not in text
    assert "PatientID: A -> C" in run(archive, "show", second)[1]


def test_accept(archive):
    first, _ = names(archive)
    assert run(archive, "accept", first) == (0, "1.1: accepted")
    patient, files, aside = stored(archive)
    assert (patient, len(files), aside) == ("B", 2, 1)
    assert archive.run("verify")[0] == 0
    with Running(archive.data):  # nothing is left to mend
        pass
    patient, files, aside = stored(archive)
    assert (patient, len(files), aside) == ("B", 2, 1)


def test_drop(archive):
    first, second = names(archive)
    assert run(archive, "drop", first) == (0, "1.1: dropped")
    assert names(archive) == [second]
    with SqliteIndex(archive.root / "index.sqlite") as index:
        (noted,) = [line for line in index.journal() if line.kind == "dropped"]
    assert (noted.entry.sop_instance_uid, bool(noted.study_instance_uid)) == ("1.1", True)
    patient, files, aside = stored(archive)
    assert (patient, len(files), aside) == ("A", 2, 1)
    assert archive.run("verify")[0] == 0
    assert run(archive, "accept", "1.1")[0] == 0  # the only one of this UID by now
    assert stored(archive)[0] == "C"


def test_what_is_not_there_or_not_unique(archive):
    status, text = run(archive, "accept", "9.9")
    assert (status, "nothing was set aside as '9.9'" in text) == (1, True)
    status, text = run(archive, "drop", "1.1")
    assert (status, "2 were set aside as '1.1': name one of" in text) == (1, True)


def test_a_damaged_one_is_not_accepted(archive):
    first, _ = names(archive)
    (file,) = (archive.root / "conflicts").rglob(f"*{first}.dcm")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    status, text = run(archive, "accept", first)
    assert (status, "cannot be accepted: its content has changed" in text) == (1, True)
    assert stored(archive)[0] == "A"
