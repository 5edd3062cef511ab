from __future__ import annotations

import errno
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from workers.archive import file_system
from workers.archive.file_system import rename_new, write_new


@pytest.fixture(params=["renameat2", "link"])
def way(request, monkeypatch):
    if request.param == "link":
        monkeypatch.setattr(file_system, "_rename_no_replace", lambda *_: False)
    elif file_system._renameat2 is None:
        pytest.skip("this libc has no renameat2")


class TestRename:
    def test_moves(self, tmp_path, way):
        (tmp_path / "a").write_text("x")
        rename_new(tmp_path / "a", tmp_path / "b")
        assert [p.name for p in tmp_path.iterdir()] == ["b"]

    def test_never_replaces(self, tmp_path, way):
        (tmp_path / "a").write_text("new")
        (tmp_path / "b").write_text("old")
        with pytest.raises(FileExistsError):
            rename_new(tmp_path / "a", tmp_path / "b")
        assert (tmp_path / "b").read_text() == "old"
        assert (tmp_path / "a").read_text() == "new"

    def test_names_what_is_missing(self, tmp_path, way):
        with pytest.raises(FileNotFoundError):
            rename_new(tmp_path / "a", tmp_path / "b")

    def test_one_of_many_wins(self, tmp_path, way):
        for n in range(16):
            (tmp_path / f"{n}").write_text(str(n))

        def attempt(n: int) -> bool:
            try:
                rename_new(tmp_path / f"{n}", tmp_path / "final")
            except FileExistsError:
                return False
            return True

        with ThreadPoolExecutor(16) as pool:
            assert sum(pool.map(attempt, range(16))) == 1

    @pytest.mark.parametrize("number", [errno.ENOSYS, errno.EINVAL])
    def test_a_file_system_without_the_flag_gets_a_link(self, tmp_path, number, monkeypatch):
        monkeypatch.setattr(file_system, "_renameat2", lambda *_: -1)
        monkeypatch.setattr(file_system.ctypes, "get_errno", lambda: number)
        (tmp_path / "a").write_text("x")
        rename_new(tmp_path / "a", tmp_path / "b")
        assert [p.name for p in tmp_path.iterdir()] == ["b"]

    def test_other_errors_are_raised(self, tmp_path, monkeypatch):
        monkeypatch.setattr(file_system, "_renameat2", lambda *_: -1)
        monkeypatch.setattr(file_system.ctypes, "get_errno", lambda: errno.EXDEV)
        with pytest.raises(OSError, match="cross-device"):
            rename_new(tmp_path / "a", tmp_path / "b")


class TestWrite:
    def test_a_short_write_is_finished(self, tmp_path, monkeypatch):
        write = os.write
        monkeypatch.setattr(file_system.os, "write", lambda fd, data: write(fd, data[:7]))
        write_new(tmp_path / "a", b"0123456789" * 10, sync=True)
        assert (tmp_path / "a").read_bytes() == b"0123456789" * 10

    def test_links_are_not_followed(self, tmp_path):
        (tmp_path / "a").symlink_to(tmp_path / "b")
        with pytest.raises(OSError, match="exists"):
            write_new(tmp_path / "a", b"x", sync=False)
        assert not (tmp_path / "b").exists()


class TestFileSystem:
    def test_a_sync_of_all_files(self, tmp_path):
        with file_system.opened_folder(tmp_path) as fd:
            (tmp_path / "a").write_bytes(b"x")
            file_system.sync_file_system(fd)

    def test_a_sync_that_fails_raises(self):
        with pytest.raises(OSError, match="Bad file descriptor"):
            file_system.sync_file_system(-1)

    @pytest.mark.parametrize(
        ("release", "kind", "is_reliable"),
        [
            ("6.1.0-18-amd64", 0xEF53, True),
            ("5.8.0", 0x58465342, True),
            ("5.10.0", 0x9123683E, True),
            ("5.7.19-generic", 0xEF53, False),
            ("4.19.0", 0xEF53, False),
            ("6.1.0", 0x01021994, False),  # tmpfs
            ("6.1.0", 0x6969, False),  # NFS
            ("odd", 0xEF53, False),
        ],
    )
    def test_only_tested_ones_are_synced_as_a_whole(
        self, tmp_path, monkeypatch, release, kind, is_reliable
    ):
        class Libc:
            @staticmethod
            def statfs(path, filled):
                filled[:8] = kind.to_bytes(8, sys.byteorder)
                return 0

        monkeypatch.setattr(file_system, "_libc", Libc)
        monkeypatch.setattr(file_system.os, "uname", lambda: SimpleNamespace(release=release))
        assert file_system.reports_unwritten(tmp_path) is is_reliable

    def test_a_folder_that_is_missing(self, tmp_path):
        assert not file_system.reports_unwritten(tmp_path / "missing")
