"""Threads for disk operations.

This is a small substitute for `concurrent.futures`, whose overhead is larger than most of these
calls take. Here a call is put in a queue and, if its result is needed, one callback of the event
loop delivers it.
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
    """A fixed number of threads, started with the first call; calls start in order.

    While the system has no thread to give, fewer do the work, and without any a call is made at
    once, in the thread of the event loop.
    """

    def __init__(self, number: int, name: str) -> None:
        self._number = number
        self._name = name
        self._threads: list[threading.Thread] = []
        self._is_complete = False
        self._is_short = False
        self._calls: SimpleQueue[Callable[[], object] | None] = SimpleQueue()

    def submit(self, call: Callable[[], object]) -> None:
        """Run a call in a thread. Only for the thread of the event loop."""
        if not self._is_complete:
            self._start()
            if not self._threads:
                _make(call)
                return
        self._calls.put(call)

    def close(self) -> None:
        """Wait until all calls are done and the threads have ended."""
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()
        self._threads = []
        self._is_complete = False

    def _start(self) -> None:
        while len(self._threads) < self._number:
            name = f"{self._name}-{len(self._threads)}"
            thread = threading.Thread(target=self._run, name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                if not self._is_short:
                    self._is_short = True
                    log.warning("%d of %d threads: %s", len(self._threads), self._number, error)
                return
            self._threads.append(thread)
        self._is_complete, self._is_short = True, False

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            _make(call)
            del call  # it would keep a buffer alive until the next call


def _make(call: Callable[[], object]) -> None:
    try:
        call()
    except Exception:  # a bug of a call must not end the thread
        log.exception("a call on a thread of the spool failed")


class Strand:
    """A sequence of calls that run one after the other, in any thread.

    So the data that they share needs no locks. `submit` and `perform` are for the thread of the
    event loop.
    """

    __slots__ = ("_calls", "_is_running", "_lock", "_threads")

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._calls: deque[Callable[[], object]] = deque()
        self._is_running = False

    def submit(self, call: Callable[[], object]) -> None:
        """Run a call after those that were submitted before."""
        with self._lock:
            self._calls.append(call)
            if self._is_running:
                return
            self._is_running = True
        self._threads.submit(self._run)

    def perform(
        self, loop: asyncio.AbstractEventLoop, call: Callable[[], Value]
    ) -> asyncio.Future[Value]:
        """Run a call in the same way; return a future for its result or exception."""
        future: asyncio.Future[Value] = loop.create_future()

        def run() -> None:
            try:
                tell = partial(_give, future, call())
            except Exception as error:  # whoever awaits the future gets it
                tell = partial(_fail, future, error)
            with suppress(RuntimeError):  # the loop is closed: the result is not needed
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
            except Exception:  # a bug of a call must not end those that follow
                log.exception("a call for a spool file failed")


def _give(future: asyncio.Future[Value], value: Value) -> None:
    if not future.done():  # cancelled
        future.set_result(value)


def _fail(future: asyncio.Future[Value], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
