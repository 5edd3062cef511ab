from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.spool import Tokens
from workers.archive.unfinished_files import UnfinishedFiles

DIE = """
import os, pathlib, sys
from workers.archive.unfinished_files import UnfinishedFiles
unfinished = UnfinishedFiles(pathlib.Path(sys.argv[1]))
pathlib.Path(unfinished.path_for(sys.argv[2], 1)).write_text("half")
print(unfinished.path.name, flush=True)
if len(sys.argv) > 3:
    sys.stdin.read()
os._exit(9)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "tmp"


def process(root: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", DIE, str(root), Tokens(0).draw(), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def test_what_a_dead_process_left_is_deleted_and_counted(root):
    with process(root) as dead:
        name = dead.communicate()[0].strip()
    assert list((root / name).glob("*.part"))
    unfinished = UnfinishedFiles(root)
    assert unfinished.swept == 1
    assert not (root / name).exists()
    unfinished.close()
    assert [p.name for p in root.iterdir()] == ["lock"]


def test_what_a_living_process_writes_is_left_alone(root):
    with process(root, "live on") as living:
        name = living.stdout.readline().strip()
        unfinished = UnfinishedFiles(root)
        assert unfinished.swept == 0
        assert list((root / name).glob("*.part"))
        unfinished.close()
        living.communicate("")


def test_foreign_files_and_links_are_neither_deleted_nor_followed(root, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    token = Tokens(0).draw()
    (precious / f"{token}.1.part").write_text("keep")
    root.mkdir()
    (root / ("a" * 16)).symlink_to(precious)
    (root / "notes.txt").write_text("keep")
    dead = root / ("b" * 16)
    dead.mkdir()
    (dead / f"{token}.1.part").write_text("half")
    (dead / f"{token}.2.part").symlink_to(precious / f"{token}.1.part")
    (dead / "notes.part").write_text("keep")
    unfinished = UnfinishedFiles(root)
    assert unfinished.swept == 1
    assert sorted(os.listdir(dead)) == [f"{token}.2.part", "notes.part"]
    assert (precious / f"{token}.1.part").read_text() == "keep"
    assert os.listdir(precious) == [f"{token}.1.part"]
    assert (root / "notes.txt").exists()
    unfinished.close()


def test_attempts_have_names_of_their_own(root):
    unfinished = UnfinishedFiles(root)
    token = Tokens(0).draw()
    assert unfinished.path_for(token, 1) != unfinished.path_for(token, 2)
    assert UnfinishedFiles(root).path_for(token, 1) != unfinished.path_for(token, 1)
