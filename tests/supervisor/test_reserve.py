"""The reserve is given up where a disk is full, and made again where there is plenty of room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.free_space import MIN_FILES, FreeSpace
from gateway.supervisor import reserve
from gateway.supervisor.reserve import FILES, PLENTY, SIZE, Reserve

if TYPE_CHECKING:
    from pathlib import Path


def room(monkeypatch: pytest.MonkeyPatch, free: int, files: int | None) -> None:
    space = FreeSpace("disk", free, 1 << 40, files)
    monkeypatch.setattr(reserve, "free_space", lambda _: space)


@pytest.mark.parametrize(("free", "files"), [(0, 10_000), (1 << 30, 0)], ids=["bytes", "inodes"])
def test_it_is_given_up_and_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, files: int
) -> None:
    kept = Reserve(tmp_path)
    room(monkeypatch, PLENTY, None)
    kept.keep()
    assert (tmp_path / "reserve").stat().st_size == SIZE
    assert len(list((tmp_path / "reserve-files").iterdir())) == FILES
    kept.give_up_if_full()
    assert (tmp_path / "reserve").exists(), "there is room"
    room(monkeypatch, free, files)
    kept.give_up_if_full()
    kept.keep()
    assert list(tmp_path.iterdir()) == []
    room(monkeypatch, PLENTY, MIN_FILES)
    kept.keep()
    assert len(list(tmp_path.iterdir())) == 2
