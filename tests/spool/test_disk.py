from __future__ import annotations

import asyncio
import errno
import os
import threading

import pytest

from gateway.errors import SpoolError
from gateway.free_space import FreeSpace
from gateway.settings import SpoolSettings
from gateway.spool import Spool, disk
from gateway.spool.chunks import CHUNK, KEPT, MANY
from gateway.spool.digest import digest_of
from gateway.spool.writer import BEHIND
from tests.spool.conftest import META, SMALL, at_rest, completed, fill, names, pattern, seal, whole


class TestSlowDisk:
    """A disk that takes nothing until it is told to go on."""

    @pytest.fixture
    def go_on(self, monkeypatch):
        event, writev = threading.Event(), os.writev
        monkeypatch.setattr(disk.os, "writev", lambda *a: (event.wait(), writev(*a))[1])
        yield event
        event.set()

    def test_the_loop_writes_nothing_itself(self, spool, monkeypatch):
        by: set[str] = set()
        writev = os.writev
        monkeypatch.setattr(
            disk.os,
            "writev",
            lambda *a: (by.add(threading.current_thread().name), writev(*a))[1],
        )
        data = pattern(3 * CHUNK + 17)
        sealed = seal(spool, fill(spool.create(META), data, 65536))
        assert whole(sealed) == META + data
        assert sealed.claim.digest == digest_of(data)
        assert by
        assert all(name.startswith("spool") for name in by)

    def test_a_writer_that_is_behind_says_so_and_catches_up(self, spool, go_on):
        writer = spool.create(META)
        written = 0
        while not writer.behind:
            fill(writer, bytes(65536))
            written += 65536
            assert written <= BEHIND + 2 * CHUNK

        async def catch_up() -> None:
            task = asyncio.create_task(writer.caught_up())
            go_on.set()
            await task

        asyncio.run(catch_up())
        assert not writer.behind
        writer.discard()

    def test_discarding_does_not_wait(self, spool, root, go_on):
        writer = fill(spool.create(META), bytes(5 * CHUNK), 65536)
        writer.discard()
        go_on.set()
        at_rest(spool)
        assert names(root) == ["incoming/0/lock"]

    def test_one_that_waits_does_not_hold_up_the_others(self, spool, monkeypatch):
        event, writev = threading.Event(), os.writev

        def wait_for_the_slow(fd: int, views: tuple[memoryview]) -> int:
            if bytes(views[0][-1:]) == b"s":
                event.wait()
            return writev(fd, views)

        monkeypatch.setattr(disk.os, "writev", wait_for_the_slow)

        async def both() -> None:
            slow = asyncio.create_task(completed(spool, fill(spool.create(META), b"s" * 5000)))
            await asyncio.sleep(0)
            quick = await completed(spool, fill(spool.create(META), b"q" * 5000))
            assert not slow.done()
            event.set()
            assert {whole(quick)[-1:], whole(await slow)[-1:]} == {b"q", b"s"}

        asyncio.run(both())


class TestRoom:
    def test_a_full_disk_is_refused_and_looked_at_again_in_time(self, root, monkeypatch):
        now = 0.0
        spool = Spool(root, 0, SpoolSettings(min_free=1 << 60), durable=True, clock=lambda: now)
        with pytest.raises(SpoolError, match="full"):
            spool.admit()
        real = os.statvfs(root)
        looked: list[int] = []

        class Roomy:
            f_bavail = f_blocks = 1 << 60
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
        spool = Spool(root, 0, SMALL, durable=True, clock=lambda: 0.0)
        looked: list[int] = []
        statvfs = os.statvfs
        monkeypatch.setattr(disk.os, "statvfs", lambda p: (looked.append(1), statvfs(p))[1])
        spool.admit()
        fill(spool.create(META), bytes(2 * CHUNK)).discard()
        spool.admit()
        assert len(looked) == 2
        asyncio.run(spool.close())

    def test_the_longest_that_is_arriving_gives_way_when_room_runs_short(self, root, monkeypatch):
        now, free = 0.0, 1 << 40
        settings = SpoolSettings(inline_max=1000, min_free=1 << 30)
        spool = Spool(root, 0, settings, durable=True, clock=lambda: now)
        monkeypatch.setattr(disk, "free_space", lambda _: FreeSpace("disk", free, 1 << 41, None))
        long = fill(spool.create(META), bytes(4 * CHUNK))
        short = fill(spool.create(META), b"s" * 2 * CHUNK)
        now, free = 1.0, 1 << 20
        data = b"s" * 3 * CHUNK
        fill(short, b"s" * CHUNK)

        async def work() -> None:
            with pytest.raises(SpoolError, match="No space left"):
                await completed(spool, long)
            assert whole(await completed(spool, short))[len(META) :] == data

        asyncio.run(work())
        assert not spool._context.long
        asyncio.run(spool.close())
        assert names(root / "ready") != []

    def test_no_inodes_is_full_too(self, spool, monkeypatch):
        class NoInodes:
            f_bavail = f_blocks = f_frsize = 1 << 20
            f_files, f_favail = 1000, 3

        monkeypatch.setattr(disk.os, "statvfs", lambda _: NoInodes)
        with pytest.raises(SpoolError, match="spool is full: 3 inodes are free"):
            spool.admit()

    def test_a_disk_that_is_gone_is_refused_in_words(self, spool, monkeypatch):
        def gone(path):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")

        monkeypatch.setattr(disk.os, "statvfs", gone)
        with pytest.raises(SpoolError, match="No such file or directory"):
            spool.admit()


class TestCrowd:
    """More data sets at once than there are buffers for."""

    def test_none_holds_more_than_it_must(self, spool, root):
        chunks = spool._context.chunks
        writers = [spool.create(META) for _ in range(2 * MANY)]
        for round_ in range(3):
            for writer in writers:
                fill(writer, bytes([round_]) * 5000)
                writer.relieve()
            at_rest(spool)
        assert chunks.are_scarce is False
        for writer in writers:
            sealed = seal(spool, writer)
            assert whole(sealed) == META + b"".join(bytes([n]) * 5000 for n in range(3))
        assert chunks._made <= 2 * MANY

    def test_one_that_waits_for_the_disk_should_not_read_on(self, spool, monkeypatch):
        go_on, writev = threading.Event(), os.writev
        monkeypatch.setattr(disk.os, "writev", lambda *a: (go_on.wait(), writev(*a))[1])
        crowd = [fill(spool.create(META), b"xx") for _ in range(MANY + 1)]
        writer = fill(spool.create(META), bytes(5000))
        assert not writer.behind
        writer.relieve()
        assert writer.behind
        for other in crowd:
            other.discard()
        assert not writer.behind
        go_on.set()
        at_rest(spool)

    def test_what_may_travel_inline_still_does(self, spool, root):
        crowd = [fill(spool.create(META), b"xx") for _ in range(MANY + 1)]
        for writer in crowd:
            writer.relieve()
            assert seal(spool, writer).data == META + b"xx"
        assert names(root) == ["incoming/0/lock"]

    def test_buffers_of_a_crowd_are_not_kept_for_ever(self, spool):
        for writer in [fill(spool.create(META), b"xx") for _ in range(3 * MANY)]:
            writer.discard()
        fill(spool.create(META), b"xx").discard()
        assert spool._context.chunks._made <= KEPT + 1

    def test_a_short_data_set_in_one_piece_needs_no_buffer(self, spool):
        writer = spool.create(META)
        data = bytearray(b"short")
        writer.write(memoryview(data))
        data[:] = bytes(5)
        assert seal(spool, writer).data == META + b"short"
        assert spool._context.chunks._made == 0
