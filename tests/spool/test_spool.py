from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import SpoolError
from gateway.settings import SpoolSettings
from gateway.spool import Spool, disk, file
from tests.spool.conftest import META, SMALL, fill, names, seal


def pattern(size: int) -> bytes:
    return bytes(i * 7 % 251 for i in range(size)) if size < 100_000 else os.urandom(size)


def whole(sealed) -> bytes:
    return sealed.data if sealed.data is not None else Path(sealed.claim.path).read_bytes()


def fails(number: int):
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


class TestSeal:
    @pytest.mark.parametrize("size", [0, 1, 999, 1000])
    def test_a_small_data_set_travels_inline_and_touches_no_disk(self, spool, root, size):
        data = pattern(size)
        sealed = seal(spool, fill(spool.create(META), data, 7))
        assert sealed.data == META + data
        assert sealed.claim.path is None
        assert (sealed.claim.offset, sealed.claim.size) == (len(META), size)
        assert sealed.claim.sha256 == hashlib.sha256(data).digest()
        assert names(root) == ["incoming/0/lock"]

    @pytest.mark.parametrize("size", [1001, 5000, 3_000_001])
    @pytest.mark.parametrize("step", [0, 1000, 65536])
    def test_a_big_one_becomes_a_file(self, spool, root, size, step):
        data = pattern(size)
        sealed = seal(spool, fill(spool.create(META), data, step))
        assert sealed.data is None
        assert whole(sealed) == META + data
        assert (sealed.claim.offset, sealed.claim.size) == (len(META), size)
        assert sealed.claim.sha256 == hashlib.sha256(data).digest()
        assert names(root) == ["incoming/0/lock", f"ready/{sealed.claim.token}"]

    @settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.binary(max_size=3000),
        st.lists(st.integers(0, 700), max_size=20),
        st.booleans(),
    )
    def test_any_chunking_gives_the_same(self, spool, data, cuts, flush):
        writer, view = spool.create(META), memoryview(data)
        for cut in cuts:
            writer.write(view[:cut])
            view = view[cut:]
            if flush:
                writer.flush()
        writer.write(view)
        sealed = seal(spool, writer)
        assert whole(sealed) == META + data
        assert sealed.claim.sha256 == hashlib.sha256(data).digest()
        spool.release(sealed.claim)

    def test_more_views_than_one_writev_takes(self, spool):
        writer, data = spool.create(META), pattern(5000)
        for at in range(5000):
            writer.write(memoryview(data)[at : at + 1])
        assert whole(seal(spool, writer)) == META + data

    def test_partial_writes_are_finished(self, spool, monkeypatch):
        writev = os.writev
        monkeypatch.setattr(
            disk.os, "writev", lambda fd, views: writev(fd, [memoryview(views[0])[:100]])
        )
        data = pattern(5000)
        assert whole(seal(spool, fill(spool.create(META), data, 777))) == META + data

    @pytest.mark.parametrize(
        ("durable", "sync", "synced"),
        [(True, True, True), (True, False, False), (False, True, False)],
    )
    def test_data_is_synced_before_it_is_ready_if_asked(
        self, root, durable, sync, synced, monkeypatch
    ):
        calls: list[str] = []
        rename, fdatasync = os.rename, os.fdatasync
        monkeypatch.setattr(file.os, "fdatasync", lambda fd: (calls.append("sync"), fdatasync(fd)))
        monkeypatch.setattr(file.os, "rename", lambda a, b: (calls.append("rename"), rename(a, b)))
        spool = Spool.open(root, 0, SMALL, durable=durable)
        sealed = seal(spool, fill(spool.create(META), pattern(5000)), sync=sync)
        assert calls == ["sync", "rename"][not synced :]
        assert sealed.claim.synced is synced
        asyncio.run(spool.close())

    def test_cancelling_it_leaves_nothing(self, spool, root, monkeypatch):
        begun, go_on = threading.Event(), threading.Event()

        def wait(fd: int) -> None:
            begun.set()
            go_on.wait()

        monkeypatch.setattr(file.os, "fdatasync", wait)

        async def cancel() -> None:
            task = asyncio.create_task(
                spool.seal(fill(spool.create(META), pattern(5000)), sync=True)
            )
            await asyncio.to_thread(begun.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            go_on.set()
            await spool.close()

        lock, spool._lock_fd = spool._lock_fd, os.dup(spool._lock_fd)
        asyncio.run(cancel())
        assert names(root) == ["incoming/0/lock"]
        spool._lock_fd = lock

    def test_many_at_once(self, spool, root):
        async def one(n: int):
            return await spool.seal(fill(spool.create(META), pattern(1500 + n), 333), sync=True)

        async def all_of_them():
            return await asyncio.gather(*(one(n) for n in range(60)))

        for n, sealed in enumerate(asyncio.run(all_of_them())):
            assert whole(sealed) == META + pattern(1500 + n)
            spool.release(sealed.claim)
        assert names(root) == ["incoming/0/lock"]


class TestFailure:
    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
    def test_a_write_that_fails_is_remembered_and_the_file_gone_at_once(
        self, spool, root, number, monkeypatch
    ):
        writer = fill(spool.create(META), pattern(5000))
        assert writer.failed is None
        with monkeypatch.context() as patch:
            patch.setattr(disk.os, "writev", fails(number))
            fill(writer, pattern(2000))
        assert os.strerror(number) in str(writer.failed)
        assert names(root) == ["incoming/0/lock"]
        fill(writer, pattern(2000))
        assert writer.size == 9000
        with pytest.raises(SpoolError):
            seal(spool, writer)
        assert spool.failures == 1
        assert names(root) == ["incoming/0/lock"]

    def test_a_file_that_cannot_be_made(self, spool, root, monkeypatch):
        writer = spool.create(META)
        with monkeypatch.context() as patch:
            patch.setattr(file.os, "open", fails(errno.ENOSPC))
            fill(writer, pattern(5000), 999)
        assert writer.failed is not None
        with pytest.raises(SpoolError):
            seal(spool, writer)

    def test_a_sync_that_fails_is_not_tried_again_and_the_file_dropped(
        self, spool, root, monkeypatch
    ):
        tries: list[int] = []

        def fail(fd: int) -> None:
            tries.append(fd)
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(file.os, "fdatasync", fail)
        with pytest.raises(SpoolError, match="Input/output error"):
            seal(spool, fill(spool.create(META), pattern(5000)))
        assert len(tries) == 1
        assert names(root) == ["incoming/0/lock"]

    @pytest.mark.parametrize("call", ["preadv", "rename"])
    def test_other_steps_that_fail_leave_nothing(self, spool, root, call, monkeypatch):
        monkeypatch.setattr(file.os, call, fails(errno.EIO))
        with pytest.raises(SpoolError):
            seal(spool, fill(spool.create(META), pattern(5000)))
        assert names(root) == ["incoming/0/lock"]

    def test_a_file_that_was_cut_behind_our_back_is_noticed(self, spool, root):
        writer = fill(spool.create(META), pattern(5000))
        os.truncate(root / f"incoming/0/{writer.token}.part", 700)
        with pytest.raises(SpoolError, match="shorter"):
            seal(spool, writer)

    def test_the_next_data_set_is_kept(self, spool, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(disk.os, "writev", fails(errno.ENOSPC))
            assert fill(spool.create(META), pattern(5000)).failed
        assert whole(seal(spool, fill(spool.create(META), pattern(5000))))


class TestSlowDisk:
    @pytest.fixture
    def slow(self, root):
        """A clock by which every write takes too long."""
        now = 0.0

        def clock() -> float:
            nonlocal now
            now += 2 * disk.Disk.SLOW
            return now

        spool = Spool.open(root, 0, SMALL, durable=True, clock=clock)
        yield spool
        asyncio.run(spool.close())

    def test_threads_write_in_order_what_the_loop_would_wait_for(self, slow, monkeypatch):
        by: set[str] = set()
        writev = os.writev
        monkeypatch.setattr(
            disk.os,
            "writev",
            lambda *a: (by.add(threading.current_thread().name), writev(*a))[1],
        )
        data = pattern(3_000_000)
        sealed = seal(slow, fill(slow.create(META), data, 65536))
        assert whole(sealed) == META + data
        assert sealed.claim.sha256 == hashlib.sha256(data).digest()
        assert any(name.startswith("spool") for name in by)

    def test_a_writer_that_is_behind_says_so_and_catches_up(self, slow, monkeypatch):
        go_on = threading.Event()
        writer = fill(slow.create(META), pattern(5000))
        writev = os.writev
        monkeypatch.setattr(disk.os, "writev", lambda *a: (go_on.wait(), writev(*a))[1])
        for _ in range(20):
            fill(writer, bytes(65536))
        assert writer.behind

        async def catch_up() -> None:
            task = asyncio.create_task(writer.caught_up())
            go_on.set()
            await task

        asyncio.run(catch_up())
        assert not writer.behind
        writer.discard()

    def test_one_who_reads_on_is_made_to_wait(self, slow, monkeypatch):
        monkeypatch.setattr(file, "LIMIT", 10_000)
        writer = slow.create(META)
        for _ in range(50):
            fill(writer, bytes(5000))
            assert writer._file.backlog <= 10_000
        assert seal(slow, writer).claim.size == 250_000

    def test_a_write_that_fails_there_is_remembered_too(self, slow, root, monkeypatch):
        writer = fill(slow.create(META), pattern(5000))
        monkeypatch.setattr(disk.os, "writev", fails(errno.ENOSPC))
        fill(writer, pattern(5000))
        asyncio.run(writer.caught_up())
        assert writer.failed is not None
        assert not writer.behind
        assert names(root) == ["incoming/0/lock"]
        with pytest.raises(SpoolError):
            seal(slow, writer)

    def test_discarding_does_not_wait(self, slow, root):
        writer = slow.create(META)
        for _ in range(10):
            fill(writer, bytes(65536))
        writer.discard()
        assert names(root) == ["incoming/0/lock"]


class TestEnd:
    @pytest.mark.parametrize("size", [0, 500, 5000, 3_000_000])
    def test_discarding_leaves_nothing(self, spool, root, size):
        before = len(os.listdir("/proc/self/fd"))
        writer = fill(spool.create(META), bytes(size), 65536)
        writer.discard()
        writer.discard()
        fill(writer, bytes(100))
        assert names(root) == ["incoming/0/lock"]
        spool._place.pool.shutdown()
        assert len(os.listdir("/proc/self/fd")) == before

    def test_discarding_after_sealing_changes_nothing(self, spool):
        writer = fill(spool.create(META), bytes(5000))
        sealed = seal(spool, writer)
        writer.discard()
        assert Path(sealed.claim.path).exists()

    @pytest.mark.parametrize("size", [500, 5000])
    def test_releasing_deletes_what_is_left(self, spool, root, size):
        sealed = seal(spool, fill(spool.create(META), bytes(size)))
        spool.release(sealed.claim)
        spool.release(sealed.claim)
        assert names(root) == ["incoming/0/lock"]

    def test_releasing_does_not_touch_what_was_taken(self, spool, tmp_path):
        sealed = seal(spool, fill(spool.create(META), bytes(5000)))
        os.rename(sealed.claim.path, tmp_path / "taken")
        spool.release(sealed.claim)
        assert (tmp_path / "taken").stat().st_size == len(META) + 5000

    @pytest.mark.parametrize("size", [500, 5000])
    def test_quarantine_keeps_the_whole_file(self, spool, root, size):
        data = pattern(size)
        sealed = seal(spool, fill(spool.create(META), data))
        spool.quarantine(*sealed)
        assert (root / f"quarantine/{sealed.claim.token}.dcm").read_bytes() == META + data
        assert names(root / "ready") == []

    def test_quarantine_of_what_was_taken_is_no_error(self, spool, root, caplog):
        sealed = seal(spool, fill(spool.create(META), bytes(5000)))
        os.unlink(sealed.claim.path)
        spool.quarantine(*sealed)
        assert "a worker took it" in caplog.text

    def test_no_descriptors_are_left(self, spool):
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            seal(spool, fill(spool.create(META), bytes(5000)))
        assert len(os.listdir("/proc/self/fd")) == before


class TestRoom:
    def test_a_full_disk_is_refused_and_looked_at_again_in_time(self, root, monkeypatch):
        now = 0.0
        spool = Spool.open(
            root, 0, SpoolSettings(min_free=1 << 60), durable=True, clock=lambda: now
        )
        with pytest.raises(SpoolError, match="full"):
            spool.admit()
        real = os.statvfs(root)
        looked: list[int] = []

        class Roomy:
            f_bavail = 1 << 60
            f_frsize = real.f_frsize
            f_files = f_favail = 0

        monkeypatch.setattr(disk.os, "statvfs", lambda _: (looked.append(1), Roomy)[1])
        with pytest.raises(SpoolError):
            spool.admit()
        assert not looked
        now = 1.0
        spool.admit()
        spool.admit()
        assert len(looked) == 1
        asyncio.run(spool.close())

    def test_it_is_looked_at_again_when_much_was_written(self, root, monkeypatch):
        spool = Spool.open(root, 0, SMALL, durable=True, clock=lambda: 0.0)
        looked: list[int] = []
        statvfs = os.statvfs
        monkeypatch.setattr(disk.os, "statvfs", lambda p: (looked.append(1), statvfs(p))[1])
        spool.admit()
        fill(spool.create(META), bytes(2_000_000)).discard()
        spool.admit()
        assert len(looked) == 2
        asyncio.run(spool.close())

    def test_no_inodes_is_full_too(self, spool, monkeypatch):
        class NoInodes:
            f_bavail = f_frsize = 1 << 20
            f_files, f_favail = 1000, 3

        monkeypatch.setattr(disk.os, "statvfs", lambda _: NoInodes)
        with pytest.raises(SpoolError):
            spool.admit()


FLAT = """
import asyncio, pathlib, resource, sys
from gateway.settings import SpoolSettings
from gateway.spool import Spool

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

async def main():
    spool = Spool.open(pathlib.Path(sys.argv[1]), 0, SpoolSettings(min_free=0), durable=True)
    piece = memoryview(bytes(256 * 1024))
    writer = spool.create(b"meta")
    for n in range(1024):
        writer.write(piece)
        writer.flush()
        if n == 32:
            before = peak()
    sealed = await spool.seal(writer, sync=False)
    spool.release(sealed.claim)
    await spool.close()
    print(sealed.claim.size >> 20, peak() - before)

asyncio.run(main())
"""


def test_memory_does_not_depend_on_the_size_of_the_object(root):
    run = subprocess.run(
        [sys.executable, "-c", FLAT, str(root)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    mebibytes, growth = map(int, run.stdout.split())
    assert mebibytes == 256
    assert growth < 16


def test_the_spool_brings_no_heavy_modules_along():
    code = (
        "import sys, gateway.spool, gateway.part10;"
        "print({'pydicom', 'pydantic', 'typer', 'rich', 'zmq'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert run.stdout.strip() == "set()"
