"""`archive path` and `archive export`: names that people can read, and nothing overwritten."""

from __future__ import annotations

import getpass
import re

import pytest

from tests.archive.test_command import Archive
from tests.peers.process import run_cli
from tests.workers.holdings import instance
from tests.workers.test_storage import Running, offer
from workers.archive.export import name_of
from workers.archive.index import SqliteIndex

VALUES = {
    "PatientID": "P1",
    "PatientName": "Doe^Jane",
    "StudyInstanceUID": "1.1",
    "StudyDate": "20260102",
    "StudyDescription": "CT/Thorax",
    "SeriesInstanceUID": "1.2",
    "SeriesNumber": "3",
    "Modality": "CT",
    "SeriesDescription": "",
    "SOPInstanceUID": "1.3",
    "InstanceNumber": "7",
}


def test_a_name_tells_patient_study_series_and_number():
    pattern = (
        r"P1_Doe-Jane/20260102_CT-Thorax_[0-9a-f]{10}/003_CT_[0-9a-f]{10}/00007_[0-9a-f]{10}\.dcm"
    )
    assert re.fullmatch(pattern, name_of(VALUES))


@pytest.mark.parametrize(
    "text",
    ["../../etc/passwd", "/abs", "..", "a\0b", "$(rm -rf)", "\x1b[2J", "a\nb", "x" * 300, "‮", ""],
)
def test_no_text_leaves_its_place(text):
    name = name_of(dict.fromkeys(VALUES, text))
    parts = name.split("/")
    assert len(parts) == 4
    assert all(re.fullmatch(r"\w[\w.-]*", part) and len(part.encode()) < 256 for part in parts)
    assert ".." not in name


def test_other_uids_have_other_names():
    names = {name_of({**VALUES, "SOPInstanceUID": uid}) for uid in ("1.3", "1.4", "1.4 ")}
    assert len(names) == 3


@pytest.fixture
def archive(tmp_path) -> Archive:
    made = Archive.__new__(Archive)
    made.data, made.root = tmp_path / "data", tmp_path / "data/archive"
    with Running(made.data) as running:
        for number in range(3):
            texts = {"PatientID": "A/B", "PatientName": "Doe^J", "InstanceNumber": str(number)}
            uids = {"StudyInstanceUID": "1.1", "SeriesInstanceUID": f"1.2.{number // 2}"}
            sent = instance(SOPInstanceUID=f"1.3.{number}", **texts, **uids)
            assert running.ask(offer(None, sent.data_set, f"1.3.{number}")) == 0x0000
    return made


def run(archive: Archive, command: str, *arguments: object):
    program = run_cli("archive", command, *arguments, "--data", archive.data)
    return program.popen.returncode, program.out.lines, program.err.text


def test_path_prints_the_files(archive):
    status, lines, _ = run(archive, "path", "1.2.0", "1.3.2")
    assert status == 0
    assert len(lines) == 3
    assert set(lines) == {str(p) for p in archive.root.rglob("*.dcm")}
    status, lines, error = run(archive, "path", "1.9")
    assert (status, lines) == (1, [])
    assert "nothing in the archive" in error


@pytest.mark.parametrize("link", [False, True])
def test_export_makes_a_tree_and_leaves_what_is_there(archive, tmp_path, link):
    target = tmp_path / "out"
    options = ("--to", target, *(["--link"] if link else []))
    status, lines, _ = run(archive, "export", "1.1", "1.3.0", *options)
    assert (status, lines) == (0, [f"3 instances exported to {target}"])
    files = sorted(target.rglob("*.dcm"))
    assert len(files) == 3
    assert all(file.is_symlink() is link for file in files)
    assert {f.read_bytes() for f in files} == {p.read_bytes() for p in archive.root.rglob("*.dcm")}
    assert {file.relative_to(target).parts[0] for file in files} == {"A-B_Doe-J"}
    assert len({file.parent for file in files}) == 2
    status, lines, _ = run(archive, "export", "1.1", *options)
    assert (status, lines) == (0, [f"0 instances exported to {target}, 3 there already"])
    with SqliteIndex(archive.root / "index.sqlite") as index:
        (noted,) = [line for line in index.journal() if line.kind == "exported"]
    assert (noted.study_instance_uid, noted.entry.size) == ("1.1", 3)
    assert noted.entry.path == f"{getpass.getuser()} {target}"
    files[0].unlink()
    files[0].write_bytes(b"mine")
    status, lines, error = run(archive, "export", "1.1", *options)
    assert (status, lines) == (1, [f"0 instances exported to {target}, 2 there already, 1 failed"])
    assert f"{files[0]} is there and is not this instance" in error
    assert files[0].read_bytes() == b"mine"


def test_a_file_that_is_gone_is_named(archive, tmp_path):
    next(archive.root.rglob("*.dcm")).unlink()
    status, lines, error = run(archive, "export", "1.1", "--to", tmp_path / "out")
    assert status == 1
    assert lines[-1].startswith("2 instances exported")
    assert "is gone" in error
