"""The threads of the spool: fewer, or none, while the system has none to give."""

from __future__ import annotations

import threading

import pytest

from gateway.spool.threads import BUSY, Threads
from tests.patience import WALL


class Scarce:
    """Threads that can be started, before the system has no more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, left: int) -> None:
        self.left = left
        start = threading.Thread.start

        def scarce(thread: threading.Thread) -> None:
            if not self.left:
                raise RuntimeError("can't start new thread")
            self.left -= 1
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", scarce)


@pytest.mark.parametrize("left", [0, 1, 2])
def test_every_call_is_made(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, left: int
) -> None:
    scarce = Scarce(monkeypatch, left)
    threads, made = Threads(3, "test"), []
    for number in range(10):
        threads.submit(lambda number=number: made.append(number))
    scarce.left = 3
    threads.submit(lambda: made.append(10))
    threads.close()
    assert sorted(made) == list(range(11))
    assert [record.getMessage() for record in caplog.records] == [
        f"{left} of 3 threads: can't start new thread"
    ]


def test_a_call_that_fails_in_the_callers_thread_is_logged_as_elsewhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Scarce(monkeypatch, 0)
    threads = Threads(1, "test")
    threads.submit(lambda: 1 // 0)
    assert "a call on a thread of the spool failed" in caplog.text


class Gate:
    """Calls that go on when they may, and the most that were in one at the same time."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)

    def pass_through(self) -> None:
        self.entered.release()
        assert self.open.wait(WALL)

    def has(self, count: int) -> bool:
        """Wait until so many calls are at the gate; return whether there are no more."""
        for _ in range(count):
            assert self.entered.acquire(timeout=WALL)
        return not self.entered.acquire(blocking=False)


def test_few_threads_work_at_a_time() -> None:
    threads, gate = Threads(BUSY + 3, "test"), Gate()
    for _ in range(BUSY + 3):
        threads.submit(gate.pass_through)
    assert gate.has(BUSY)
    gate.open.set()
    assert gate.has(3)
    threads.close()


def test_those_that_wait_for_the_disk_do_not_count() -> None:
    threads, disk, work, done = Threads(BUSY + 3, "test"), Gate(), Gate(), []

    def sync(number: int) -> None:
        with threads.waiting():
            disk.pass_through()
        done.append(number)

    for number in range(3):
        threads.submit(lambda number=number: sync(number))
    assert disk.has(3)
    for _ in range(BUSY + 1):
        threads.submit(work.pass_through)
    assert work.has(BUSY)
    disk.open.set()
    work.open.set()
    assert work.has(1)
    threads.close()
    assert sorted(done) == [0, 1, 2]


def test_no_call_is_lost_when_they_end() -> None:
    threads, disk, made = Threads(2, "test"), Gate(), []

    def sync(number: int) -> None:
        if number < 2:
            disk.pass_through()
        with threads.waiting():
            made.append(number)
        made.append(number)

    for number in range(20):
        threads.submit(lambda number=number: sync(number))
    assert disk.has(2)
    closer = threading.Thread(target=threads.close)
    closer.start()
    disk.open.set()
    closer.join(WALL)
    assert not closer.is_alive()
    assert sorted(made) == sorted([*range(20), *range(20)])
    threads.submit(lambda: made.append(20))  # they begin again
    threads.close()
    assert 20 in made


def test_a_wait_that_fails_gives_the_place_back() -> None:
    threads, made = Threads(1, "test"), []

    def fail() -> None:
        with threads.waiting():
            raise OSError(5, "no disk")

    for number in range(BUSY + 2):
        threads.submit(fail)
        threads.submit(lambda number=number: made.append(number))
    threads.close()
    assert sorted(made) == list(range(BUSY + 2))
