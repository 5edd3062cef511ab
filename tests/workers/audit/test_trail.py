"""The files of the trail: rotation, the cursor of the sender, and what a crash leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from workers.audit.trail import Trail

if TYPE_CHECKING:
    from pathlib import Path


def opened(folder: Path, *, rotate_at: int = 100, keep: int = 3, sends: bool = True) -> Trail:
    return Trail(folder, rotate_at=rotate_at, keep=keep, durable=False, sends=sends)


def drained(trail: Trail) -> list[str]:
    lines: list[str] = []
    while trail.waiting():
        more, cursor = trail.next_lines()
        lines += [one.decode() for one in more]
        trail.sent(cursor)
    return lines


def test_files_are_for_the_owner_alone(tmp_path: Path) -> None:
    trail = opened(tmp_path / "audit")
    trail.append("one")
    trail.close()
    assert (tmp_path / "audit").stat().st_mode & 0o777 == 0o700
    assert trail.path.stat().st_mode & 0o777 == 0o600
    assert trail.path.read_text() == "one\n"


def test_a_full_file_is_followed_by_the_next_and_the_oldest_goes(tmp_path: Path) -> None:
    trail = opened(tmp_path, sends=False)
    for number in range(50):
        trail.append(f"{number:09d}")
    files = sorted(path.name for path in tmp_path.glob("*.log"))
    assert files == ["audit-00000003.log", "audit-00000004.log", "audit-00000005.log"]
    assert all(path.stat().st_size == 100 for path in tmp_path.glob("*.log"))
    assert trail.take_unsent() == 0, "nothing is to be sent"


def test_the_sender_reads_over_files_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    trail = opened(tmp_path, keep=9)
    for number in range(15):
        trail.append(f"{number:09d}")
    lines, cursor = trail.next_lines()
    trail.sent(cursor)
    assert len(lines) == 10
    trail.close()
    again = opened(tmp_path, keep=9)
    again.append("last")
    assert drained(again) == [*(f"{number:09d}" for number in range(10, 15)), "last"]
    assert not again.waiting()


def test_what_goes_before_it_was_sent_is_counted_once(tmp_path: Path) -> None:
    trail = opened(tmp_path)
    for number in range(45):
        trail.append(f"{number:09d}")
    assert trail.take_unsent() == 20
    assert trail.take_unsent() == 0
    assert drained(trail) == [f"{number:09d}" for number in range(20, 45)]


def test_a_message_that_was_cut_by_a_crash_is_no_message(tmp_path: Path) -> None:
    trail = opened(tmp_path)
    trail.append("whole")
    trail.close()
    with trail.path.open("a") as file:
        file.write("hal")
    again = opened(tmp_path)
    again.append("next")
    assert again.path.read_text() == "whole\nnext\n"


def test_a_full_disk_raises_and_leaves_no_part(tmp_path: Path, monkeypatch) -> None:
    trail = opened(tmp_path)
    trail.append("one")
    with monkeypatch.context() as patch:
        import workers.audit.trail as module

        real = module.os.write
        patch.setattr(module.os, "write", lambda fd, data: real(fd, data[:2]))
        with pytest.raises(OSError, match="No space left"):
            trail.append("two")
    trail.append("three")
    assert trail.path.read_text() == "one\nthree\n"


def test_a_first_start_sends_what_is_written_from_then_on(tmp_path: Path) -> None:
    before = opened(tmp_path, sends=False)
    before.append("earlier")
    before.close()
    trail = opened(tmp_path)
    trail.append("now")
    assert drained(trail) == ["now"]
