from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from workers.archive import files
from workers.archive.files import FolderSyncs, rename_new, write_new


@pytest.fixture(params=["renameat2", "link"])
def way(request, monkeypatch):
    if request.param == "link":
        monkeypatch.setattr(files, "_rename_no_replace", lambda *_: False)
    elif files._renameat2 is None:
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
        monkeypatch.setattr(files, "_renameat2", lambda *_: -1)
        monkeypatch.setattr(files.ctypes, "get_errno", lambda: number)
        (tmp_path / "a").write_text("x")
        rename_new(tmp_path / "a", tmp_path / "b")
        assert [p.name for p in tmp_path.iterdir()] == ["b"]

    def test_other_errors_are_raised(self, tmp_path, monkeypatch):
        monkeypatch.setattr(files, "_renameat2", lambda *_: -1)
        monkeypatch.setattr(files.ctypes, "get_errno", lambda: errno.EXDEV)
        with pytest.raises(OSError, match="cross-device"):
            rename_new(tmp_path / "a", tmp_path / "b")


class TestWrite:
    def test_a_short_write_is_finished(self, tmp_path, monkeypatch):
        write = os.write
        monkeypatch.setattr(files.os, "write", lambda fd, data: write(fd, data[:7]))
        write_new(tmp_path / "a", b"0123456789" * 10, sync=True)
        assert (tmp_path / "a").read_bytes() == b"0123456789" * 10

    def test_links_are_not_followed(self, tmp_path):
        (tmp_path / "a").symlink_to(tmp_path / "b")
        with pytest.raises(OSError, match="exists"):
            write_new(tmp_path / "a", b"x", sync=False)
        assert not (tmp_path / "b").exists()


class TestFolderSyncs:
    @pytest.fixture
    def gate(self, monkeypatch):
        """Syncs that end when they are let; gives the folders synced so far."""

        class Gate:
            def __init__(self) -> None:
                self.open = threading.Semaphore(0)
                self.begun = threading.Semaphore(0)
                self.synced: list[str] = []
                self.failing: set[str] = set()

            def sync(self, path) -> None:
                self.begun.release()
                self.open.acquire()
                self.synced.append(path)
                if path in self.failing:
                    raise OSError(errno.EIO, "Input/output error", path)

        gate = Gate()
        monkeypatch.setattr(files, "sync_folder", gate.sync)
        return gate

    @pytest.fixture
    def busy(self, gate):
        """A round on folder "a" is at work; gives what asks for more of them."""
        syncs, joined = FolderSyncs(), threading.Semaphore(0)

        def told(folders):
            yield from folders
            joined.release()  # read to its end: these are part of the round

        with ThreadPoolExecutor(16) as pool:

            def ask(*wanted):
                futures = [pool.submit(syncs.sync, told(folders)) for folders in wanted]
                for _ in wanted:
                    joined.acquire()
                return futures

            first = ask(["a"])
            gate.begun.acquire()
            yield lambda *wanted: first + ask(*wanted)

    def test_those_who_come_meanwhile_share_the_next_round(self, gate, busy):
        first, *later = busy(*[["a"]] * 10)
        gate.open.release()
        first.result()
        assert not any(future.done() for future in later)
        gate.open.release()
        for future in later:
            future.result()
        assert gate.synced == ["a", "a"]

    def test_a_round_syncs_each_folder_once(self, gate, busy):
        futures = busy(["b"], ["b", "c"], ["c"])
        gate.open.release(3)
        for future in futures:
            future.result()
        assert gate.synced[0] == "a"
        assert sorted(gate.synced[1:]) == ["b", "c"]

    def test_a_failure_reaches_all_of_its_round_and_no_other(self, gate, busy):
        gate.failing = {"b"}
        first, *later = busy(["b"], ["b"], ["b"])
        gate.open.release(2)
        first.result()
        for future in later:
            with pytest.raises(OSError, match="Input/output"):
                future.result()
        assert gate.synced == ["a", "b"]

    def test_after_a_failure_the_next_round_stands_for_itself(self, gate):
        syncs = FolderSyncs()
        gate.failing = {"b"}
        gate.open.release(2)
        with pytest.raises(OSError, match="Input/output"):
            syncs.sync(["b"])
        syncs.sync(["a"])

    def test_a_missing_folder_is_an_error(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            FolderSyncs().sync([tmp_path / "missing"])
