from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from workers.archive.temporary_copies import TemporaryCopies

if TYPE_CHECKING:
    from pathlib import Path


def write(fd: int) -> None:
    os.write(fd, b"content")


def test_a_copy_stays_for_a_while(tmp_path: Path) -> None:
    now = [0.0]
    copies = TemporaryCopies(tmp_path / "copies", lambda: now[0])
    path = copies.add(write)
    assert path.read_bytes() == b"content"
    now[0] = 59.0
    copies.sweep()
    assert path.exists()
    now[0] = 61.0
    assert copies.add(write).exists()
    assert not path.exists()
    copies.close()
    assert not (tmp_path / "copies").exists()


def test_one_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    def fail(_: int) -> None:
        raise OSError("full")

    copies = TemporaryCopies(tmp_path / "copies")
    with pytest.raises(OSError, match="full"):
        copies.add(fail)
    assert list((tmp_path / "copies").iterdir()) == []


def test_what_an_earlier_process_has_left_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies/old").touch()
    TemporaryCopies(tmp_path / "copies")
    assert not (tmp_path / "copies/old").exists()
