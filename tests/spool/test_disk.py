from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import threading

import pytest

from gateway.errors import SpoolError
from gateway.settings import SpoolSettings
from gateway.spool import Spool, disk, file
from tests.spool.conftest import META, SMALL, fails, fill, names, pattern, seal, whole


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
