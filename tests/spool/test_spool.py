from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import SpoolError
from gateway.spool import Spool, disk, file
from gateway.spool.chunks import CHUNK
from gateway.spool.digest import digest_of
from tests.spool.conftest import (
    META,
    SMALL,
    at_rest,
    completed,
    fails,
    fill,
    names,
    pattern,
    seal,
    whole,
)


class TestSeal:
    @pytest.mark.parametrize("size", [0, 1, 999, 1000])
    def test_a_small_data_set_travels_inline_and_touches_no_disk(self, spool, root, size):
        data = pattern(size)
        sealed = seal(spool, fill(spool.create(META), data, 7))
        assert sealed.data == META + data
        assert sealed.claim.path is None
        assert (sealed.claim.offset, sealed.claim.size) == (len(META), size)
        assert sealed.claim.digest == digest_of(data)
        assert names(root) == ["incoming/0/lock"]

    @pytest.mark.parametrize("size", [1001, 5000, 3_000_001])
    @pytest.mark.parametrize("step", [0, 1000, 65536])
    def test_a_big_one_becomes_a_file(self, spool, root, size, step):
        data = pattern(size)
        sealed = seal(spool, fill(spool.create(META), data, step))
        assert sealed.data is None
        assert whole(sealed) == META + data
        assert (sealed.claim.offset, sealed.claim.size) == (len(META), size)
        assert sealed.claim.digest == digest_of(data)
        assert names(root) == ["incoming/0/lock", f"ready/{sealed.claim.token}"]

    @pytest.mark.parametrize("size", [500, 3_000_001], ids=["inline", "a file"])
    def test_nobody_pays_for_a_digest_that_is_not_wanted(self, spool, size):
        data = pattern(size)
        sealed = seal(spool, fill(spool.create(META, digest=False), data, 65536))
        assert whole(sealed) == META + data
        assert sealed.claim.digest == b""

    @settings(
        max_examples=30,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(
        st.binary(max_size=3000),
        st.lists(st.integers(0, 700), max_size=20),
    )
    def test_any_chunking_gives_the_same(self, spool, data, cuts):
        writer, view = spool.create(META), memoryview(data)
        for cut in cuts:
            writer.write(view[:cut])
            view = view[cut:]
        writer.write(view)
        sealed = seal(spool, writer)
        assert whole(sealed) == META + data
        assert sealed.claim.digest == digest_of(data)
        spool.release(sealed.claim)

    def test_it_is_written_in_pieces(self, spool, monkeypatch):
        writev, lengths = os.writev, []

        def noted(fd: int, views: list[memoryview]) -> int:
            lengths.append(sum(map(len, views)))
            return writev(fd, views)

        monkeypatch.setattr(disk.os, "writev", noted)
        data = pattern(CHUNK + 300_000)
        assert whole(seal(spool, fill(spool.create(META), data))) == META + data
        assert max(lengths) == 128 * 1024
        assert sum(lengths) == len(META) + len(data)

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
        spool = Spool(root, 0, SMALL, durable=durable)
        sealed = seal(spool, fill(spool.create(META), pattern(5000)), sync=sync)
        assert calls == ["sync", "rename"][not synced :]
        assert sealed.claim.synced is synced
        asyncio.run(spool.close())

    def test_discarding_it_meanwhile_leaves_nothing_and_calls_nobody(
        self, spool, root, monkeypatch
    ):
        begun, go_on = threading.Event(), threading.Event()
        called: list[object] = []

        def wait(fd: int) -> None:
            begun.set()
            go_on.wait()

        monkeypatch.setattr(file.os, "fdatasync", wait)

        async def cancel() -> None:
            writer = fill(spool.create(META), pattern(5000))
            spool.seal(writer, sync=True, done=called.append)
            await asyncio.to_thread(begun.wait)
            writer.discard()
            go_on.set()
            await spool.close()

        lock, spool._lock_fd = spool._lock_fd, os.dup(spool._lock_fd)
        asyncio.run(cancel())
        assert not called
        assert names(root) == ["incoming/0/lock"]
        spool._lock_fd = lock

    def test_many_at_once(self, spool, root):
        async def one(n: int):
            return await completed(spool, fill(spool.create(META), pattern(1500 + n), 333))

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
        writer = fill(spool.create(META), pattern(3 * CHUNK))
        at_rest(spool)
        assert writer.failed is None
        with monkeypatch.context() as patch:
            patch.setattr(disk.os, "writev", fails(number))
            fill(writer, pattern(CHUNK))
            at_rest(spool)
        assert os.strerror(number) in str(writer.failed)
        assert names(root) == ["incoming/0/lock"]
        fill(writer, pattern(2 * CHUNK))
        assert writer.size == 6 * CHUNK
        with pytest.raises(SpoolError):
            seal(spool, writer)
        at_rest(spool)
        assert spool.failures == 1
        assert names(root) == ["incoming/0/lock"]

    def test_a_file_that_cannot_be_made(self, spool, root, monkeypatch):
        writer = spool.create(META)
        with monkeypatch.context() as patch:
            patch.setattr(file.os, "open", fails(errno.ENOSPC))
            fill(writer, pattern(2 * CHUNK), 65536)
            at_rest(spool)
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
        at_rest(spool)
        assert len(tries) == 1
        assert names(root) == ["incoming/0/lock"]

    @pytest.mark.parametrize("call", ["open", "rename"])
    def test_other_steps_that_fail_leave_nothing(self, spool, root, call, monkeypatch):
        monkeypatch.setattr(file.os, call, fails(errno.EIO))
        with pytest.raises(SpoolError):
            seal(spool, fill(spool.create(META), pattern(5000)))
        at_rest(spool)
        assert names(root) == ["incoming/0/lock"]

    def test_a_file_that_is_longer_than_it_should_be_is_noticed(self, spool, root):
        writer = fill(spool.create(META), pattern(CHUNK + 5000))
        at_rest(spool)
        os.truncate(root / f"incoming/0/{writer.token}.part", 2 * CHUNK)
        with pytest.raises(SpoolError, match="not as long"):
            seal(spool, writer)
        at_rest(spool)
        assert names(root) == ["incoming/0/lock"]

    def test_a_write_that_goes_wrong_in_any_other_way_is_no_success(
        self, spool, root, monkeypatch, caplog
    ):
        def out_of_memory(*_: object) -> int:
            raise MemoryError

        writer = spool.create(META)
        with monkeypatch.context() as patch:
            patch.setattr(disk.os, "writev", out_of_memory)
            fill(writer, pattern(CHUNK + 5000))
            at_rest(spool)
        with pytest.raises(SpoolError, match="not as long"):
            seal(spool, writer)
        at_rest(spool)
        assert "MemoryError" in caplog.text
        assert names(root) == ["incoming/0/lock"]

    def test_the_next_data_set_is_kept(self, spool, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(disk.os, "writev", fails(errno.ENOSPC))
            with pytest.raises(SpoolError):
                seal(spool, fill(spool.create(META), pattern(5000)))
        assert whole(seal(spool, fill(spool.create(META), pattern(5000))))


class TestEnd:
    @pytest.mark.parametrize("size", [0, 500, 5000, 3_000_000])
    def test_discarding_leaves_nothing(self, spool, root, size):
        before = len(os.listdir("/proc/self/fd"))
        writer = fill(spool.create(META), bytes(size), 65536)
        writer.discard()
        writer.discard()
        fill(writer, bytes(100))
        at_rest(spool)
        assert names(root) == ["incoming/0/lock"]
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


FLAT = """
import asyncio, pathlib, resource, sys
from gateway.settings import SpoolSettings
from gateway.spool import Spool
from gateway.spool.digest import digest_of

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

async def main():
    spool = Spool(pathlib.Path(sys.argv[1]), 0, SpoolSettings(min_free=0), durable=True)
    piece = memoryview(bytes(256 * 1024))
    writer = spool.create(b"meta")
    for n in range(1024):
        writer.write(piece)
        if writer.behind:
            await writer.caught_up()
        if n == 32:
            before = peak()
    outcomes = []
    spool.seal(writer, sync=False, done=outcomes.append)
    await writer.caught_up()
    await asyncio.sleep(0)
    claim = outcomes[0].claim
    spool.release(claim)
    await spool.close()
    print(claim.size >> 20, peak() - before)

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
