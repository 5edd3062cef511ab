"""Threads for disk operations.

This is a small substitute for `concurrent.futures`, whose overhead is larger than most of these
calls take. Here a call is put in a queue and, if its result is needed, a callback of the event
loop delivers it with all others that have come.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from contextlib import contextmanager, suppress
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Value = TypeVar("Value")

log = logging.getLogger("gateway.spool")


BUSY = 2
"""Threads that work at the same time, beside those that wait for the disk. Each has to get the
interpreter lock after each system call, and the event loop waits for all that want it as well."""


class ThreadResults:
    """Hands what threads have done to the event loop, which wakes once for all that waits."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], object]] = deque()
        self._woken: asyncio.AbstractEventLoop | None = None
        """The loop that is about to take what waits."""

    def put(self, loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
        """Let the loop make a call. From any thread; nothing is called if the loop is closed."""
        self._waiting.append(call)
        if self._woken is not loop:
            self._woken = loop
            with suppress(RuntimeError):  # it is closed: the result is not needed
                loop.call_soon_threadsafe(self._take)

    def _take(self) -> None:
        self._woken = None  # first: what comes from now on wakes it again
        waiting = self._waiting
        for _ in range(len(waiting)):
            _make(waiting.popleft())


class Threads:
    """A fixed number of threads, started with the first call; calls start nearly in order.

    Few of them work at a time: another one begins when one of these waits for the disk, or has
    nothing to do. While the system has no thread to give, fewer do the work, and without any a call
    is made at once, in the thread of the event loop.
    """

    def __init__(self, number: int, name: str) -> None:
        self._number = number
        self._name = name
        self._lock = threading.Lock()
        self._busy = 0
        """Threads that have a call, or are about to get one, and do not wait for the disk."""
        self._later: deque[Callable[[], object]] = deque()
        """Calls that no thread has, because enough of them are busy."""
        self._threads: list[threading.Thread] = []
        self._is_complete = False
        self._is_closing = False
        self._is_short = False
        self._calls: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self.results = ThreadResults()

    def submit(self, call: Callable[[], object]) -> None:
        """Run a call in a thread. Only for the thread of the event loop."""
        if not self._is_complete:
            self._start()
            if not self._threads:
                _make(call)
                return
        with self._lock:
            if self._busy >= BUSY:
                self._later.append(call)
                return
            self._busy += 1
        self._calls.put(call)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """While this lasts, the thread waits for the disk: another one may work.

        Only for calls that were submitted.
        """
        self._pass_on()
        try:
            yield
        finally:
            with self._lock:
                self._busy += 1

    def close(self) -> None:
        """Wait until all calls are done and the threads have ended."""
        with self._lock:
            self._is_closing = True  # a call behind the end of the queue would be lost
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()
        self._threads = []
        self._is_complete = self._is_closing = False

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
            while (call := self._next()) is not None:
                _make(call)
                del call

    def _next(self) -> Callable[[], object] | None:
        """Return the next call of this thread; None: it has nothing to do."""
        with self._lock:
            if self._later and self._busy <= BUSY:
                return self._later.popleft()
            self._busy -= 1
        return None

    def _pass_on(self) -> None:
        """Let another thread work in place of this one."""
        with self._lock:
            if not self._later or self._busy > BUSY or self._is_closing:
                self._busy -= 1
                return
            call = self._later.popleft()
        self._calls.put(call)


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

    def perform(self, call: Callable[[], Value], done: Callable[[Value | Exception], None]) -> None:
        """Run a call in the same way; then the event loop calls `done` with its result or error."""
        loop = asyncio.get_running_loop()

        def run() -> None:
            result: Value | Exception
            try:
                result = call()
            except Exception as error:  # whoever waits for it gets it
                result = error
            self._threads.results.put(loop, partial(done, result))

        self.submit(run)

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
