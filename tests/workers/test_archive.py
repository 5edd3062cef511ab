from __future__ import annotations

import errno
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.errors import ConfigError, SpoolError
from tests.workers.conftest import fails, keep, offer, stored, unfinished
from workers.archive import Archive, batch_writer, file_system


class TestKeep:
    def test_an_instance_gets_a_name_that_is_a_function_of_its_token(self, archive, root, offered):
        kept = keep(archive, offered.claim, offered.data)
        assert kept == root / archive.place(offered.claim)
        assert re.fullmatch(
            r"\d{8}/\d{9}-0/\d{8}-\d{9}-0-[0-9a-f]{37}\.dcm", str(kept.relative_to(root))
        )
        assert stored(root) == {kept.name: offered.whole}
        assert kept.stat().st_mode & 0o777 in (0o600, 0o644)
        assert not unfinished(root)

    def test_a_spooled_file_is_moved_not_copied(self, archive, ready):
        offered = offer(ready)
        inode = os.stat(offered.claim.path).st_ino
        assert keep(archive, offered.claim, None).stat().st_ino == inode
        assert not list(ready.iterdir())

    def test_folders_hold_a_thousand_files_at_the_most(self, root):
        archive = Archive(root, durable=False)
        for _ in range(2500):
            offered = offer(None, b"x")
            keep(archive, offered.claim, offered.data)
        folders = [sum(1 for _ in d.iterdir()) for d in root.glob("2*/*")]
        assert sum(folders) == 2500
        assert max(folders) <= 1000
        archive.close()

    def test_folders_are_for_this_user_alone(self, archive, root, offered):
        keep(archive, offered.claim, offered.data)
        for path in (root, *root.rglob("*")):
            assert not path.is_dir() or path.stat().st_mode & 0o077 == 0, path

    def test_peer_text_names_nothing(self, archive, offered):
        for token in ("../../x", "/etc/x", "", "a/b", offered.claim.token + "/../x"):
            with pytest.raises(SpoolError):
                keep(archive, offered.claim._replace(token=token), offered.data)


class TestTwice:
    def test_the_second_attempt_finds_the_final_file_and_goes_on(self, archive, root, offered):
        first = keep(archive, offered.claim, offered.data, 1)
        inode = first.stat().st_ino
        assert keep(archive, offered.claim, offered.data, 2) == first
        assert keep(archive, offered.claim, offered.data, 1) == first  # a late first attempt
        assert first.stat().st_ino == inode
        assert stored(root) == {first.name: offered.whole}
        assert not unfinished(root)

    def test_by_another_process(self, archive, root, offered):
        first = keep(archive, offered.claim, offered.data, 1)
        other = Archive(root, durable=True)
        assert keep(other, offered.claim, offered.data, 2) == first
        other.close()

    def test_at_the_same_moment(self, archive, root, ready):
        for n in range(20):
            offered = offer(ready if n % 2 else None)
            with ThreadPoolExecutor(4) as pool:
                kept = {
                    f.result()
                    for f in [
                        pool.submit(keep, archive, offered.claim, offered.data, attempt)
                        for attempt in (1, 2, 3, 4)
                    ]
                }
            assert len(kept) == 1
        assert len(stored(root)) == 20
        assert not unfinished(root)

    def test_both_names_of_an_interrupted_link_are_one_instance(self, archive, root, ready):
        offered = offer(ready)
        final = archive.root / archive.place(offered.claim)
        final.parent.mkdir(parents=True)
        os.link(offered.claim.path, final)
        assert keep(archive, offered.claim, None, 2) == final
        assert stored(root) == {final.name: offered.whole}

    def test_thirty_two_threads(self, archive, root, ready):
        offers = [offer(ready if n % 2 else None, bytes([n]) * 2000) for n in range(256)]
        with ThreadPoolExecutor(32) as pool:
            kept = list(pool.map(lambda o: keep(archive, o.claim, o.data), offers))
        assert stored(root) == {p.name: o.whole for p, o in zip(kept, offers, strict=True)}
        assert not unfinished(root)


class TestRefusal:
    def test_a_claim_whose_file_is_gone(self, archive, root, ready):
        offered = offer(ready)
        os.unlink(offered.claim.path)
        for attempt in (1, 2):
            with pytest.raises(FileNotFoundError):
                keep(archive, offered.claim, None, attempt)
        assert not stored(root)

    @pytest.mark.parametrize("change", [b"", b"short", b"d" * 5001])
    def test_a_file_of_another_size(self, archive, root, ready, change):
        offered = offer(ready)
        Path(offered.claim.path).write_bytes(change)
        with pytest.raises(OSError, match="claimed"):
            keep(archive, offered.claim, None)
        assert not stored(root)

    def test_a_link_in_place_of_the_file(self, archive, root, ready, tmp_path):
        offered = offer(ready)
        os.rename(offered.claim.path, tmp_path / "elsewhere")
        os.symlink(tmp_path / "elsewhere", offered.claim.path)
        with pytest.raises(OSError, match="claimed"):
            keep(archive, offered.claim, None)
        assert not stored(root)

    def test_inline_data_that_is_missing_or_not_what_was_claimed(self, archive, root):
        offered = offer(None)
        for data in (
            None,
            b"",
            offered.whole[:-1],
            offered.whole + b"d",
            offered.whole[:-1] + b"x",
        ):
            with pytest.raises(SpoolError):
                keep(archive, offered.claim, data)
        assert not stored(root)
        assert not unfinished(root)

    def test_a_final_name_that_is_taken_by_something_else(self, archive, offered):
        final = archive.root / archive.place(offered.claim)
        final.parent.mkdir(parents=True)
        final.write_bytes(b"foreign")
        for attempt in (1, 2):
            with pytest.raises(OSError, match="claimed"):
                keep(archive, offered.claim, offered.data, attempt)
        assert final.read_bytes() == b"foreign"

    def test_a_place_that_cannot_be_written_to(self, tmp_path):
        (tmp_path / "archive").write_text("in the way")
        with pytest.raises(ConfigError, match="--data") as error:
            Archive(tmp_path / "archive", durable=True)
        assert "\n" not in str(error.value)


class TestFaults:
    @pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
    @pytest.mark.parametrize("call", ["open", "write", "fdatasync"])
    def test_inline_leaves_nothing(self, archive, root, call, number, monkeypatch):
        offered = offer(None)
        with monkeypatch.context() as patch:
            patch.setattr(file_system.os, call, fails(number))
            with pytest.raises(OSError, match=os.strerror(number)):
                keep(archive, offered.claim, offered.data)
        assert not stored(root)
        assert not unfinished(root)
        again = offer(None)
        assert keep(archive, again.claim, again.data).read_bytes() == again.whole

    @pytest.mark.parametrize("kind", ["inline", "spooled"])
    def test_a_rename_that_fails(self, archive, root, ready, kind, monkeypatch):
        offered = offer(ready if kind == "spooled" else None)
        monkeypatch.setattr(batch_writer, "rename_new", fails(errno.EIO))
        with pytest.raises(OSError, match="Input/output"):
            keep(archive, offered.claim, offered.data)
        assert not stored(root)
        assert not unfinished(root)

    def test_a_folder_that_cannot_be_made(self, archive, root, offered, monkeypatch):
        monkeypatch.setattr(os, "mkdir", fails(errno.ENOSPC))
        with pytest.raises(OSError, match="No space"):
            keep(archive, offered.claim, offered.data)
        assert not stored(root)

    def test_a_sync_of_the_data_that_fails_is_not_tried_again(self, archive, root, monkeypatch):
        offered, tries = offer(None), []

        def fail(fd: int) -> None:
            tries.append(fd)
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(file_system.os, "fdatasync", fail)
        with pytest.raises(OSError, match="Input/output"):
            keep(archive, offered.claim, offered.data)
        assert len(tries) == 1
        assert not stored(root)

    def test_a_sync_of_the_folder_that_fails_is_no_success(
        self, archive, root, offered, monkeypatch
    ):
        monkeypatch.setattr(file_system.os, "fsync", fails(errno.EIO))
        with pytest.raises(OSError, match="Input/output"):
            keep(archive, offered.claim, offered.data)
        assert list(stored(root).values()) == [offered.whole]


class TestDurable:
    @pytest.fixture
    def calls(self, monkeypatch):
        """Data and folder syncs and renames, in their order, by the last part of the path."""
        log: list[tuple[str, str]] = []
        lock = threading.Lock()

        def watch(where: object, name: str, path_of) -> None:
            real = getattr(where, name)

            def call(*args: object, **kwargs: object):
                with lock:
                    log.append((name, Path(path_of(*args)).name))
                return real(*args, **kwargs)

            monkeypatch.setattr(where, name, call)

        watch(file_system.os, "fsync", lambda fd: os.readlink(f"/proc/self/fd/{fd}"))
        watch(file_system.os, "fdatasync", lambda fd: os.readlink(f"/proc/self/fd/{fd}"))
        watch(batch_writer, "rename_new", lambda _, target: target)
        return log

    def test_inline_data_then_name_then_each_folder_that_leads_there(self, archive, root, calls):
        offered = offer(None)
        kept = keep(archive, offered.claim, offered.data)
        assert calls[:2] == [
            ("fdatasync", f"{offered.claim.token}.1.part"),
            ("rename_new", kept.name),
        ]
        folders = (kept.parent.name, kept.parent.parent.name, root.name)
        assert sorted(calls[2:]) == sorted(("fsync", folder) for folder in folders)

    def test_the_next_in_the_bucket_syncs_only_that(self, archive, calls):
        for _ in range(2):
            offered = offer(None)
            kept = keep(archive, offered.claim, offered.data)
        assert calls[-2:] == [("rename_new", kept.name), ("fsync", kept.parent.name)]

    @pytest.mark.parametrize("synced", [True, False])
    def test_a_spooled_file_is_synced_unless_it_was(self, archive, ready, calls, synced):
        offered = offer(ready, synced=synced)
        kept = keep(archive, offered.claim, None)
        before = [("fdatasync", offered.claim.token)][synced:]
        assert calls[: len(before) + 1] == [*before, ("rename_new", kept.name)]

    def test_the_second_take_syncs_the_folders_too(self, root, offered, calls):
        first = Archive(root, durable=True)
        kept = keep(first, offered.claim, offered.data, 1)
        first.close()
        second = Archive(root, durable=True)
        calls.clear()
        keep(second, offered.claim, offered.data, 2)
        folders = (kept.parent.name, kept.parent.parent.name, root.name)
        assert sorted(calls) == sorted(("fsync", folder) for folder in folders)
        second.close()

    def test_the_archive_itself_is_synced_when_it_is_opened(self, root, calls):
        Archive(root, durable=True).close()
        assert ("fsync", root.name) in calls
        assert ("fsync", root.parent.name) in calls

    def test_written_syncs_nothing(self, root, ready, calls):
        archive = Archive(root, durable=False)
        for place in (None, ready):
            offered = offer(place, synced=False)
            keep(archive, offered.claim, offered.data)
        assert {name for name, _ in calls} == {"rename_new"}
        archive.close()
