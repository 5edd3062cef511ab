"""The threads of the spool: fewer, or none, while the system has none to give."""

from __future__ import annotations

import threading

import pytest

from gateway.spool.threads import Threads


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
