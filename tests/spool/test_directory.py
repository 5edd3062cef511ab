from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from gateway.errors import ConfigError, SpoolError
from gateway.spool import Spool, Tokens, check_data_dir, check_file_system, directory
from gateway.spool.chunks import CHUNK
from tests.spool.conftest import META, SMALL, fill, names, seal


def open_spool(root: Path, index: int = 0) -> Spool:
    return Spool(root, index, SMALL, durable=True)


def close(*spools: Spool) -> None:
    for spool in spools:
        asyncio.run(spool.close())


def one_line(error: pytest.ExceptionInfo[BaseException]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_folders_and_files_are_for_this_user_alone(root):
    spool = open_spool(root)
    seal(spool, fill(spool.create(META), bytes(5000)))
    fill(spool.create(META), bytes(5000)).discard()
    for path in (root, *root.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
    close(spool)


def test_folders_that_are_open_to_others_are_tightened(root):
    (root / "ready").mkdir(parents=True, mode=0o755)
    close(open_spool(root))
    assert (root / "ready").stat().st_mode & 0o777 == 0o700


def test_the_root_itself_may_be_a_link_and_stays_as_its_owner_made_it(root):
    elsewhere = root.parent / "elsewhere"
    elsewhere.mkdir(mode=0o750)
    root.symlink_to(elsewhere)
    close(open_spool(root))
    assert elsewhere.stat().st_mode & 0o777 == 0o750
    assert (elsewhere / "ready").is_dir()


def test_two_acceptors_with_one_number_are_refused(root):
    spool = open_spool(root)
    with pytest.raises(SpoolError, match="another acceptor") as error:
        open_spool(root)
    one_line(error)
    other = open_spool(root, 1)
    close(spool, other)
    close(open_spool(root))


@pytest.mark.parametrize("spoil", ["file", "link", "no write", "read only"])
def test_a_spool_that_cannot_be_written_to_is_refused_in_one_line(root, spoil, monkeypatch):
    if spoil == "file":
        root.write_text("in the way")
    elif spoil == "link":
        root.mkdir()
        (root.parent / "elsewhere").mkdir()
        (root / "ready").symlink_to(root.parent / "elsewhere")
    elif spoil == "no write":
        monkeypatch.setattr(directory.os, "access", lambda *_: False)
    else:

        def refuse(*_: object) -> int:
            raise OSError(30, "Read-only file system")

        monkeypatch.setattr(directory.os, "open", refuse)
    with pytest.raises(ConfigError, match="--data") as error:
        open_spool(root)
    assert str(root) in one_line(error)


class TestSweep:
    def leave_behind(self, root: Path, index: int) -> None:
        """Return the files of a dead acceptor: one data set arriving, and one on offer."""
        spool = open_spool(root, index)
        fill(spool.create(META), bytes(2 * CHUNK))
        seal(spool, fill(spool.create(META), bytes(5000)))
        close(spool)

    def test_a_starting_acceptor_deletes_its_own_and_counts(self, root):
        self.leave_behind(root, 0)
        self.leave_behind(root, 1)
        spool = open_spool(root)
        assert (spool.swept.partial, spool.swept.sealed, spool.swept.foreign) == (1, 1, 0)
        left = names(root)
        assert len(left) == 4
        assert all(name.endswith("lock") or "-1-" in name for name in left)
        close(spool)

    def test_number_1_is_not_number_11(self, root):
        self.leave_behind(root, 11)
        spool = open_spool(root, 1)
        assert (spool.swept.partial, spool.swept.sealed) == (0, 0)
        close(spool)

    def test_foreign_files_and_links_are_neither_deleted_nor_followed(self, root):
        close(open_spool(root))
        precious = root.parent / "precious"
        precious.write_text("keep")
        token = Tokens(0).draw()
        (root / "incoming/0" / f"{token}.part").symlink_to(precious)
        (root / "ready" / token).symlink_to(precious)
        (root / "ready" / Tokens(0).draw()).mkdir()
        (root / "ready" / "notes.txt").write_text("keep")
        (root / "incoming/0" / f"{token}.partial").write_text("keep")
        before = names(root)
        spool = open_spool(root)
        assert spool.swept.foreign == 5
        assert (spool.swept.partial, spool.swept.sealed) == (0, 0)
        assert names(root) == before
        assert precious.read_text() == "keep"
        close(spool)

    def test_quarantine_is_left_alone(self, root):
        spool = open_spool(root)
        sealed = seal(spool, fill(spool.create(META), bytes(5000)))
        spool.quarantine(*sealed)
        close(spool)
        close(open_spool(root))
        assert names(root / "quarantine") == [f"{sealed.claim.token}.dcm"]

    def test_a_file_that_a_worker_takes_this_very_moment_is_not_missed(self, root, monkeypatch):
        self.leave_behind(root, 0)
        taken = root.parent / "taken"
        unlink = os.unlink

        def take_first(path: str) -> None:
            if "ready" in path:
                os.rename(path, taken)
            unlink(path)

        monkeypatch.setattr(directory.os, "unlink", take_first)
        spool = open_spool(root)
        assert (spool.swept.partial, spool.swept.sealed) == (1, 0)
        assert taken.stat().st_size == len(META) + 5000
        close(spool)


class TestFileSystem:
    def test_one_file_system_is_accepted_and_nothing_left(self, tmp_path):
        check_data_dir(tmp_path / "data")
        assert sorted(p.name for p in (tmp_path / "data").iterdir()) == ["archive", "spool"]
        assert names(tmp_path) == []

    def test_two_are_refused_in_one_line(self, tmp_path):
        memory = Path("/dev/shm")
        if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("no second file system at /dev/shm")
        other = memory / f"gateway-test-{os.getpid()}"
        try:
            with pytest.raises(ConfigError, match="different file systems") as error:
                check_file_system(other, tmp_path / "archive")
            one_line(error)
            assert names(other) == names(tmp_path) == []
        finally:
            other.rmdir()

    def test_a_place_that_cannot_be_written_to_is_refused(self, tmp_path):
        (tmp_path / "spool").write_text("in the way")
        with pytest.raises(ConfigError, match="--data"):
            check_data_dir(tmp_path)
