"""Tests of SQLite alone: durable commits, and files that are damaged, missing or foreign."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading

import pytest

from gateway.sdk import Unavailable
from tests.archive.conftest import entry, kept
from tests.archive.test_index import query
from tests.patience import WALL
from workers.archive.attributes import Level
from workers.archive.index import SqliteIndex
from workers.archive.index.search import Statement


def test_commits_are_synced(tmp_path):
    index = SqliteIndex(tmp_path / "index.sqlite")
    assert index._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert index._writer.execute("PRAGMA synchronous").fetchone() == (2,)
    index.close()


def test_commits_wait_for_a_lock_that_blocks(tmp_path):
    index = SqliteIndex(tmp_path / "index.sqlite")
    other = os.open(tmp_path / "index.sqlite.lock", os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
    done = threading.Event()
    thread = threading.Thread(
        target=lambda: (index.add(entry("1.1"), kept("1.1")), done.set()), daemon=True
    )
    thread.start()
    assert index.find("1.1") is None  # who reads does not wait
    assert not done.is_set()
    os.close(other)
    assert done.wait(WALL)
    thread.join()
    assert index.find("1.1") is not None
    index.close()


def test_a_damaged_one_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "index.sqlite"
    index = SqliteIndex(path)
    for n in range(200):
        index.add(entry(f"1.{n}"), kept(f"1.{n}"))
    index.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    whole = path.read_bytes()
    page = 4096
    for damaged in (
        b"no database at all",
        b"",
        b"\0" * len(whole),
        whole[:page] + b"\xff" * (len(whole) - page),
        whole[: len(whole) // 2],
    ):
        path.write_bytes(damaged)
        with pytest.raises(Unavailable, match="archive reindex") as error:
            SqliteIndex(path, create=False)
        assert "\n" not in str(error.value)
        assert path.read_bytes() == damaged
    path.write_bytes(whole)
    index = SqliteIndex(path, create=False)
    assert index.find("1.7") == entry("1.7")
    index.close()


def test_a_missing_one_is_not_made_silently(tmp_path):
    with pytest.raises(Unavailable, match=r"no index .* archive reindex"):
        SqliteIndex(tmp_path / "index.sqlite", create=False)
    assert not (tmp_path / "index.sqlite").exists()


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(Unavailable, match="cannot write to"):
        SqliteIndex(tmp_path / "nowhere" / "index.sqlite")


@pytest.mark.parametrize(
    ("level", "keys"),
    [
        (Level.STUDY, {"StudyInstanceUID": "1.2"}),
        (Level.STUDY, {"PatientID": "P1"}),
        (Level.STUDY, {"AccessionNumber": "A1"}),
        (Level.STUDY, {"StudyInstanceUID": "1.2\\1.3"}),
        (Level.SERIES, {"SeriesInstanceUID": "1.2"}),
        (Level.PATIENT, {"PatientID": "P1"}),
    ],
)
def test_a_query_uses_an_index(tmp_path, level, keys):
    with SqliteIndex(tmp_path / "index.sqlite") as index, index._reading() as execute:
        text, values = Statement(query(level, **keys), index.dialect).page(0)
        plan = [row[3] for row in execute(f"EXPLAIN QUERY PLAN {text}", values).fetchall()]
    assert "_by_" in plan[0], plan
