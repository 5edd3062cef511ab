"""The history of associations: searched, paged, bounded, and no trouble for others."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from workers.web.history import COLUMNS, MOST_WAITING, PAGE, History

if TYPE_CHECKING:
    from pathlib import Path


def ended(number: int = 0, **more: Any) -> dict[str, Any]:
    told = dict.fromkeys(COLUMNS[1:], 0)
    return {**told, "calling": f"AE{number}", "called": "GATEWAY", "ended": "released", **more}


def filled(path: Path, *told: dict[str, Any], **how: Any) -> History:
    history = History(path / "web" / "history.sqlite", **how)
    for number, one in enumerate(told):
        history.take(float(number), one)
    history.write()
    assert not history.trouble
    return history


def test_newest_first_a_page_at_a_time(tmp_path: Path) -> None:
    history = filled(tmp_path, *map(ended, range(PAGE + 5)))
    first = history.search()
    assert [len(first), first[0]["calling"]] == [PAGE, f"AE{PAGE + 4}"]
    rest = history.search(before=first[-1]["id"])
    assert [row["calling"] for row in rest] == ["AE4", "AE3", "AE2", "AE1", "AE0"]


def test_text_is_found_as_it_is_written(tmp_path: Path) -> None:
    hostile = "100%_' OR 1=1; --"
    history = filled(tmp_path, ended(1, why=hostile), ended(2, why="100 percent", ended="aborted"))
    assert [row["calling"] for row in history.search(hostile)] == ["AE1"]
    assert [row["calling"] for row in history.search("100%")] == ["AE1"]
    assert [row["calling"] for row in history.search("PERCENT")] == ["AE2"]
    assert [row["calling"] for row in history.search(ended="aborted")] == ["AE2"]
    assert history.search("' OR 1")
    assert not history.search("!")


def test_it_is_bounded_on_disk_and_in_memory(tmp_path: Path) -> None:
    history = filled(tmp_path, *map(ended, range(30)), kept=10)
    assert [row["calling"] for row in history.search()] == [f"AE{n}" for n in range(29, 19, -1)]
    (long,) = filled(tmp_path / "b", ended(why="x" * 5000)).search()
    assert len(long["why"]) == 500
    for number in range(MOST_WAITING + 5):
        history.take(0.0, ended(number))
    history.write()
    assert history.search()[0]["calling"] == f"AE{MOST_WAITING - 1}"


def test_it_outlives_the_process_and_a_value_of_another_version(tmp_path: Path) -> None:
    filled(tmp_path, ended(1, seconds=("odd", 1)))
    again = History(tmp_path / "web" / "history.sqlite")
    assert again.search()[0]["seconds"] == "('odd', 1)"
    with closing(sqlite3.connect(tmp_path / "old.sqlite")) as old:
        old.execute("CREATE TABLE ended (id INTEGER PRIMARY KEY, other)")
    assert History(tmp_path / "old.sqlite").search() == []


def test_a_file_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "web").write_text("not a directory")
    history = History(tmp_path / "web" / "history.sqlite")
    history.take(0.0, ended())
    history.write()
    assert history.trouble.startswith("the history of associations: ")
    assert history.search() == []


def test_a_damaged_file_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    path.write_bytes(b"not a database" * 1000)
    history = History(path)
    history.take(0.0, ended(1))
    history.write()
    assert "not a database" in history.trouble
    history.take(1.0, ended(2))
    history.write()
    assert [row["calling"] for row in history.search()] == ["AE2"]
    assert not history.trouble
    assert path.with_suffix(".damaged").exists()
