"""Build the index anew: from files and an index as an earlier version wrote them."""

from __future__ import annotations

import errno
import os
import random
import sqlite3
from pathlib import Path

import pytest

from gateway.sdk import ConfigError
from gateway.settings import ArchiveSettings
from tests.archive.test_patients import told
from tests.workers.holdings import instance
from workers.archive import upkeep
from workers.archive.index import SqliteIndex
from workers.archive.layout import FOLDER, INDEX, received
from workers.archive.opening import open_index
from workers.archive.reindex import Reindex
from workers.archive.stored_files import StoredFiles

SCHEMA_3 = (Path(__file__).parent / "schema_3.sql").read_text().partition("\n")[2].split(";\n")
BUCKETS = "20260101/093000123-0", "20260101/093000124-1", "20260102/000000000-0"
PLACES = [(bucket, number) for bucket in BUCKETS for number in range(8)]


def old_name(bucket: str, digits: int) -> str:
    """A name as versions before the time of receipt gave it."""
    return f"{bucket}/{bucket.replace('/', '-')}-{digits:024x}.dcm"


def write(data: Path, chance: random.Random) -> None:
    """Twelve studies, each under two Patient IDs, in files whose names have no order."""
    for number, (bucket, _) in enumerate(PLACES):
        study, second = divmod(number, 2)
        made = instance(
            SOPInstanceUID=f"1.{number}",
            StudyInstanceUID=f"3.{study}",
            SeriesInstanceUID=f"2.{study}",
            PatientID="AB"[second],
            PatientName=f"Name^{number % 3}",
            StudyDescription=f"Study {number}",
        )
        path = data / FOLDER / old_name(bucket, chance.getrandbits(96))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made.part10())
        os.utime(path, ns=(10**18 + number, 10**18 + number))


def old_tables(execute, types: dict[str, str]) -> None:
    for statement in filter(str.strip, SCHEMA_3):
        execute(statement.format(**types))


@pytest.fixture(params=["sqlite", "postgres"])
def archive(request, tmp_path) -> tuple[Path, ArchiveSettings]:
    """An archive of an earlier version, with its index."""
    write(tmp_path, random.Random(1))
    if request.param == "sqlite":
        with sqlite3.connect(tmp_path / FOLDER / INDEX) as connection:
            old_tables(connection.execute, SqliteIndex.TYPES)
            connection.execute("PRAGMA user_version=3")
        connection.close()
        return tmp_path, ArchiveSettings()
    import psycopg

    from workers.archive.index.postgres import PostgresIndex

    dsn = request.getfixturevalue("postgres_schema")
    with psycopg.connect(dsn, autocommit=True) as connection:
        old_tables(connection.execute, PostgresIndex.TYPES)
        connection.execute("CREATE TABLE schema_version (version INTEGER NOT NULL)")
        connection.execute("INSERT INTO schema_version VALUES (3)")
    return tmp_path, ArchiveSettings(dsn=dsn, holder="HERE")


def test_an_old_index_is_refused_and_built_anew(archive):
    data, settings = archive
    with pytest.raises(ConfigError, match=r"stop the gateway and build .* archive reindex"):
        open_index(data, settings)
    work = Reindex(data, settings, processes=2)
    assert list(work) == [0, 8, 16, 24]
    assert (len(work.found.indexed), work.found.damaged, work.continued) == (24, [], 0)
    with open_index(data, settings) as index:
        patients = [study.patient_id for study in index.studies(mismatched=True)]
        assert (patients.count("A"), patients.count("B")) == (12, 12)
        steps = list(upkeep.verify(StoredFiles(data / FOLDER), index, settings.holder_of_files))
        assert [step.problem for step in steps if step.problem] == []
        assert {entry.holder for entry in index.everything()} == {settings.holder_of_files}


def test_an_interrupted_one_is_continued(archive):
    data, settings = archive
    first = iter(Reindex(data, settings, processes=1))
    assert [next(first), next(first)] == [0, 8]
    first.close()
    work = Reindex(data, settings, processes=1)
    assert list(work) == [8, 16, 24]
    assert (work.continued, len(work.found.indexed)) == (8, 16)
    with open_index(data, settings) as index:
        before = told(index)
    # and again, which starts from the beginning: nothing was interrupted
    assert list(Reindex(data, settings, processes=1)) == [0, 8, 16, 24]
    with open_index(data, settings) as index:
        assert told(index) == before
        kinds = [one.kind for one in index.journal()]
    assert kinds.count("stored") == (24 if not settings.dsn else 48)


def test_one_that_was_interrupted_can_be_started_over(archive):
    data, settings = archive
    first = iter(Reindex(data, settings, processes=1))
    assert [next(first), next(first)] == [0, 8]
    first.close()
    assert list(Reindex(data, settings, processes=1, anew=True)) == [0, 8, 16, 24]


def test_the_order_of_the_names_does_not_matter(tmp_path):
    ways = []
    for seed in range(2):
        data = tmp_path / str(seed)
        write(data, random.Random(seed))
        list(Reindex(data, ArchiveSettings(), processes=1))
        with open_index(data, ArchiveSettings()) as index:
            found = told(index)
        found["files"] = [one._replace(path="") for one in found["files"]]
        ways.append(found)
    assert ways[0] == ways[1]


@pytest.mark.parametrize("policy", ["keep_first", "replace"])
def test_two_files_of_one_instance(tmp_path, policy):
    """The one that was received first is the instance, or the last: whatever their names are."""
    outcomes = []
    for digits in ((1, 2), (2, 1)):
        data = tmp_path / f"{digits[0]}"
        for number, digit in enumerate(digits):
            made = instance(SOPInstanceUID="1.1", PatientName=f"Name^{number}")
            path = data / FOLDER / old_name(BUCKETS[0], digit)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(made.part10())
            os.utime(path, ns=(10**18 + number, 10**18 + number))
        settings = ArchiveSettings(duplicates=policy)
        work = Reindex(data, settings, processes=1)
        list(work)
        assert len(work.found.conflicts) == 1
        with open_index(data, settings) as index:
            outcomes.append([study.patient_name for study in index.studies()])
            assert len(index.conflicts()) == 1
    expected = {"keep_first": "Name^0", "replace": "Name^1"}[policy]
    assert outcomes == [[expected], [expected]]


def test_times_of_receipt_order_files_of_both_kinds():
    names = [
        (old_name("20260101/093000123-0", 9), 5),
        (old_name("20260101/093000123-0", 1), 6),
        (old_name("20260101/093000123-1", 0), 1),
        (old_name("20260101/093000124-0", 0), 0),
        (f"20260101/b/20260101-093000124-0-{1_767_259_800_124_001:013x}{0:024x}.dcm", 0),
    ]
    times = [received(name, changed) for name, changed in names]
    assert times == sorted(set(times))
    assert received("20260101/a/b.dcm") == ""


def test_one_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    write(tmp_path, random.Random(1))
    before = sorted(path.name for path in (tmp_path / FOLDER).iterdir())

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(SqliteIndex, "end_rebuild", fail)
    with pytest.raises(OSError, match="No space left"):
        list(Reindex(tmp_path, ArchiveSettings()))
    left = {path.name for path in (tmp_path / FOLDER).iterdir()} - set(before)
    assert left <= {"tmp", f"{INDEX}.open"}
