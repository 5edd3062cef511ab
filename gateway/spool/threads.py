"""Threads for what may be slow, and the way back to the loop.

A lean substitute for `concurrent.futures`, which costs more than what most of these calls do: a
call here is put in a queue and, if somebody waits for it, one callback of the loop tells him.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

Value = TypeVar("Value")

log = logging.getLogger("gateway.spool")


class Threads:
    """So many threads, started when the first call comes; calls begin in their order."""

    def __init__(self, number: int, name: str) -> None:
        self._number = number
        self._name = name
        self._threads: list[threading.Thread] = []
        self._calls: SimpleQueue[Callable[[], object] | None] = SimpleQueue()

    def submit(self, call: Callable[[], object]) -> None:
        """Have a thread do it; from the loop's thread only."""
        if not self._threads:
            self._start()
        self._calls.put(call)

    def close(self) -> None:
        """Return when everything is done and the threads have ended."""
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _start(self) -> None:
        for number in range(self._number):
            thread = threading.Thread(target=self._run, name=f"{self._name}-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except Exception:
                log.exception("a call on a thread of the spool failed")
            del call  # it must not keep a buffer alive until the next one


class Strand:
    """Calls that run one after the other, never two at once, on whichever thread is free.

    So what they share needs no locks. `submit` and `perform` belong to the loop's thread.
    """

    __slots__ = ("_calls", "_is_running", "_lock", "_threads")

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._calls: deque[Callable[[], object]] = deque()
        self._is_running = False

    def submit(self, call: Callable[[], object]) -> None:
        """Do it after those that were submitted before."""
        with self._lock:
            self._calls.append(call)
            if self._is_running:
                return
            self._is_running = True
        self._threads.submit(self._run)

    def perform(
        self, loop: asyncio.AbstractEventLoop, call: Callable[[], Value]
    ) -> asyncio.Future[Value]:
        """The same, for one who waits for the value, or for what it raises."""
        future: asyncio.Future[Value] = loop.create_future()

        def run() -> None:
            try:
                tell = partial(_give, future, call())
            except Exception as error:
                tell = partial(_fail, future, error)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(tell)

        self.submit(run)
        return future

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._calls:
                    self._is_running = False
                    return
                call = self._calls.popleft()
            try:
                call()
            except Exception:
                log.exception("a call for a spool file failed")


def _give(future: asyncio.Future[Value], value: Value) -> None:
    if not future.done():  # cancelled
        future.set_result(value)


def _fail(future: asyncio.Future[Value], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
