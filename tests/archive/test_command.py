"""`dicom-gateway archive`, run as a user would on an archive that a storage worker has made."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import pytest
from blake3 import blake3

from gateway.cli.app import main
from gateway.spool.digest import BLAKE3_LENGTH
from tests.peers.process import run_cli
from tests.workers.holdings import instance
from tests.workers.test_storage import Running, of_patient, offer
from workers.archive.conflicts import accept
from workers.archive.index import SqliteIndex
from workers.archive.stored_files import StoredFiles

if TYPE_CHECKING:
    from pathlib import Path


class Archive:
    """Ten instances of one study, below `data`."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.root = data / "archive"
        with Running(data) as running:
            self.offers = [offer(None) for _ in range(10)]
            assert {running.ask(one) for one in self.offers} == {0x0000}

    def path(self, number: int) -> Path:
        with SqliteIndex(self.root / "index.sqlite") as index:
            return self.root / index.find(self.offers[number].uid).path

    def run(self, command: str, *arguments: str):
        program = run_cli("archive", command, *arguments, "--data", self.data, "--json")
        lines = [json.loads(line) for line in program.out.lines]
        return program.popen.returncode, lines[:-1], lines[-1] if lines else program.err.text


@pytest.fixture
def archive(tmp_path) -> Archive:
    return Archive(tmp_path)


def test_ls(archive):
    status, (study,), summary = archive.run("ls")
    assert status == 0
    assert (study["series"], study["instances"], study["modalities"]) == (1, 10, "CT")
    assert study["size"] == summary["size"] == sum(one.claim.size for one in archive.offers)


def test_verify_names_each_kind_of_problem(archive):
    assert archive.run("verify")[0] == 0
    flipped, gone, rowless = (archive.path(n) for n in (0, 1, 2))
    content = bytearray(flipped.read_bytes())
    content[-5] ^= 1
    flipped.write_bytes(content)
    gone.unlink()
    with sqlite3.connect(archive.root / "index.sqlite") as connection:
        connection.execute(
            "DELETE FROM instance WHERE sop_instance_uid = ?", (archive.offers[2].uid,)
        )
    connection.close()
    (flipped.parent / "foreign.dcm").write_bytes(content)
    (flipped.parent / "link").symlink_to(flipped)
    status, problems, summary = archive.run("verify")
    assert status == 1
    name = {path: str(path.relative_to(archive.root)) for path in (flipped, gone, rowless)}
    bucket = str(flipped.parent.relative_to(archive.root))
    assert {(p["kind"], p["path"]) for p in problems} == {
        ("damaged", name[flipped]),
        ("missing", name[gone]),
        ("no row", name[rowless]),
        ("foreign", f"{bucket}/foreign.dcm"),
        ("foreign", f"{bucket}/link"),
    }
    assert {p["sop_instance_uid"] for p in problems} - {""} == {
        archive.offers[n].uid for n in (0, 1)
    }
    assert summary["problems"] == 5


def test_verify_and_conflicts_know_digests_of_earlier_versions(tmp_path):
    first, second = offer(None), offer(None)
    other = offer(None, first.whole[first.claim.offset : -1] + b"?", first.uid)
    with Running(tmp_path) as running:
        for one in (first, second, other):
            earlier = one.claim._replace(digest=blake3(one.whole[one.claim.offset :]).digest())
            running.answer(one._replace(claim=earlier))
        index = running.storage.index
        assert len(index.find(second.uid).digest) == BLAKE3_LENGTH
        damaged = tmp_path / "archive" / index.find(second.uid).path
        (conflict,) = index.conflicts_of(first.uid)
        accept(StoredFiles(tmp_path / "archive"), index, conflict)
        assert index.find(first.uid).size == len(other.whole) - other.claim.offset
    verify = ("archive", "verify", "--data", tmp_path, "--json")
    assert run_cli(*verify).popen.returncode == 0
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    program = run_cli(*verify)
    assert json.loads(program.out.lines[0])["kind"] == "damaged"


def test_verify_in_words(archive):
    archive.path(3).unlink()
    program = run_cli("archive", "verify", "--data", archive.data)
    assert program.popen.returncode == 1
    assert f"{archive.offers[3].uid}: the file is missing" in program.err.text
    assert program.out.lines[-1].endswith("1 problems")


@pytest.mark.parametrize("how", ["damaged", "deleted"])
def test_reindex(archive, how):
    index = archive.root / "index.sqlite"
    with SqliteIndex(index) as opened:
        last = opened.journal()[-1].seq
    index.write_bytes(b"damaged") if how == "damaged" else index.unlink()
    status, _, said = archive.run("verify")
    assert status == 1
    assert "archive reindex" in said
    status, _, summary = archive.run("reindex")
    assert (status, summary["indexed"], summary["damaged"]) == (0, 10, 0)
    status, problems, summary = archive.run("verify")
    assert (status, problems, summary["checked"]) == (0, [], 10)
    with SqliteIndex(index) as opened:
        assert len(opened.journal(last)) == 10  # a consumer's cursor misses none of them
    with Running(archive.data) as running:
        assert running.ask(offer(None)) == 0x0000


class TestPatients:
    """Two studies of one UID, listed and mended, which a reindex does not undo."""

    @pytest.fixture
    def archive(self, tmp_path) -> Archive:
        made = Archive.__new__(Archive)
        made.data, made.root = tmp_path, tmp_path / "archive"
        with Running(tmp_path) as running:
            for patient in ("A", "A", "B", ""):
                assert running.ask(of_patient(patient)) == 0x0000
        return made

    def patients(self, archive: Archive, command: str = "ls") -> list[tuple[str, str, int]]:
        _, studies, _ = archive.run(command)
        return [(one["patient_id"], one["patient_name"], one["instances"]) for one in studies]

    def test_mismatches_and_assign(self, archive):
        three = [("", "Name^", 1), ("A", "Name^A", 2), ("B", "Name^B", 1)]
        assert self.patients(archive, "mismatches") == three
        assert archive.run("assign", "9.9", "B")[0] == 1
        status, _, summary = archive.run("assign", "1.3", "B")
        assert (status, summary["instances"]) == (0, 4)
        assert self.patients(archive, "mismatches") == []
        assert self.patients(archive) == [("B", "Name^B", 4)]
        assert archive.run("verify")[:2] == (0, [])
        assert archive.run("reindex")[0] == 0
        assert self.patients(archive) == [("B", "Name^B", 4)]
        assert archive.run("assign", "1.3", "--undo")[2]["instances"] == 4
        assert self.patients(archive, "mismatches") == three
        assert archive.run("reindex")[0] == 0
        assert self.patients(archive, "mismatches") == three

    def test_an_unknown_patient_must_be_told_from_several(self, archive):
        status, _, said = archive.run("assign", "1.3", "NEW")
        assert status == 2
        assert "give one of the names 'Name^', 'Name^A', 'Name^B' with --name" in said
        assert archive.run("assign", "1.3", "NEW", "--name", "Name^A")[0] == 0
        assert self.patients(archive) == [("NEW", "Name^A", 4)]


def test_verify_compares_attributes(archive):
    with sqlite3.connect(archive.root / "index.sqlite") as connection:
        connection.execute(
            "UPDATE instance SET instance_number = '77' WHERE sop_instance_uid = ?",
            (archive.offers[0].uid,),
        )
        connection.execute("UPDATE study SET patient_name = 'Other^Name'")
    connection.close()
    status, problems, _ = archive.run("verify")
    assert status == 1
    assert {one["kind"] for one in problems} == {"attributes"}
    assert {one["text"].partition(":")[0] for one in problems} == {
        "attributes in the index are not those of the file",
        "PatientName",
    }


def test_ls_incomplete(tmp_path):
    made = instance(StudyInstanceUID="", SeriesInstanceUID="", SOPInstanceUID="1.9")
    with Running(tmp_path, incomplete="keep") as running:
        assert running.ask(offer(None, made.data_set, "1.9")) == 0x0000
    program = run_cli("archive", "ls", "--incomplete", "--data", tmp_path)
    assert program.popen.returncode == 0
    assert program.out.lines[0].startswith("1.9 ")
    lacking = "without a Study Instance UID and without a Series Instance UID"
    assert program.out.lines[0].endswith(lacking)
    assert program.out.lines[1] == "1 incomplete instances"


def test_reindex_not_while_a_gateway_runs(archive):
    with Running(archive.data):
        program = run_cli("archive", "reindex", "--data", archive.data)
    assert program.popen.returncode == 2
    assert program.err.text == "dicom-gateway: a gateway runs on this archive: stop it first"


def test_rm(archive):
    uid = archive.offers[0].uid
    path = archive.path(0)
    status, found, summary = archive.run("rm", uid, "--dry-run")
    assert (status, [one["uid"] for one in found], summary["removed"]) == (0, [uid], 0)
    assert path.exists()
    status, _, summary = archive.run("rm", uid)
    assert (status, summary["removed"]) == (0, 1)
    assert not path.exists()
    assert archive.run("rm", uid)[0] == 1
    study = archive.run("ls")[1][0]
    assert study["instances"] == 9
    status, found, _ = archive.run("rm", study["study_instance_uid"])
    assert (status, len(found)) == (0, 9)
    assert not list(archive.root.rglob("*.dcm"))
    assert archive.run("verify")[0] == 0


def test_an_archive_that_is_not_there(tmp_path):
    program = run_cli("archive", "reindex", "--data", tmp_path / "no")
    assert program.popen.returncode == 2
    assert "there is no archive" in program.err.text


def test_ls_in_words_with_filters_and_paths(archive):
    def ls(*options: str) -> list[str]:
        return run_cli("archive", "ls", *options, "--data", archive.data).out.lines

    head, study, last = ls()
    assert head.split() == ["DATE", "MOD", "SERIES", "INSTANCES", "SIZE", "STUDY", "PATIENT"]
    assert study.split()[1:4] == ["CT", "1", "10"]
    assert " kB" in last
    assert ls("--modality", "CT") == ls("--patient", "*") == [head, study, last]
    nothing = ["0 studies, 0 instances, 0 B"]
    assert ls("--modality", "MR") == ls("--patient", "nobody?") == nothing
    paths = ls("--paths")
    assert len(paths) == 10
    assert str(archive.path(0)) in paths


def test_rm_of_nothing_says_so(archive):
    program = run_cli("archive", "rm", "9.9.9", "--data", archive.data)
    assert program.popen.returncode == 1
    assert program.err.lines == ["nothing in the archive has any of these UIDs"]


@pytest.mark.parametrize("command", ["archive ls", "archive reindex", "outbox ls", "mpps ls"])
def test_a_wrong_data_directory_is_not_taken_for_an_empty_archive(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for wrong in ("typo", "file"):
        assert main([*command.split(), "--data", str(tmp_path / wrong)]) == 2
        assert f"there is no archive: {tmp_path / wrong} is not a dir" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["file"], "nothing was made"
