"""The threads that perform the calls of handlers, and the calls that wait for one.

Threads are made when they are needed. Whoever puts calls here wakes one thread, and each thread
that takes a call while others wait wakes the next one first. So calls that return at once are all
performed by the first thread, before the second has even begun, and one that blocks holds up no
other.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING

from gateway.sdk.jobs import BatchQueue, HandlerCall

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("gateway.sdk")


class HandlerThreads:
    """At most `concurrency` threads, each of which runs `work`.

    Callers hold a lock, but for `wait`. `work` calls `wait`, then `looks`, then `take` until
    there is no more call, and all that again until `wait` returns False.
    """

    def __init__(self, concurrency: int, work: Callable[[], None]) -> None:
        self._concurrency = concurrency
        self._work = work
        self._due: deque[HandlerCall | BatchQueue] = deque()
        self._wake: SimpleQueue[bool] = SimpleQueue()
        self._number = 0
        self._idle = 0
        """The number of threads that wait and are not summoned."""
        self._summoned = False
        """A thread was woken and has not looked for calls yet."""
        self._running = False
        self._is_short = False
        """The system has no thread to give."""

    @property
    def has_due(self) -> bool:
        """Whether a call waits."""
        return bool(self._due)

    def start(self) -> None:
        """Make the first thread; calls may wait already."""
        self._running = True
        self._start_thread()
        self.summon()

    def stop(self) -> None:
        """End each thread once it has nothing to do."""
        self._running = False
        for _ in range(self._number):
            self._wake.put(False)

    def put(self, work: HandlerCall | BatchQueue) -> None:
        """Add a call, or the queue of a batch handler; `summon` follows."""
        self._due.append(work)

    def summon(self) -> bool:
        """Have a thread look for calls, if any wait, unless one is about to do so.

        Returns False if all threads are busy: each looks for calls before it waits again.
        """
        if self._summoned or not self._due:
            return self._summoned
        if not self._idle and self._running and self._number < self._concurrency:
            self._start_thread()
        if not self._idle:
            return False
        self._idle -= 1
        self._summoned = True
        self._wake.put(True)
        return True

    def replace(self) -> None:
        """Make a thread in place of one that hangs, and that ends when its handler returns."""
        self._number -= 1
        self._start_thread()
        self.summon()

    def wait(self) -> bool:
        """Wait, in a thread that is idle, until there may be calls; False at the end."""
        return self._wake.get()

    def looks(self) -> None:
        """Say that a thread, which has been woken, looks for calls now."""
        self._summoned = False

    def take(self) -> HandlerCall | None:
        """Return the next call, or None, and count the thread as idle."""
        while self._due:
            work = self._due.popleft()
            call = work if isinstance(work, HandlerCall) else work.take()
            if call is not None:
                self.summon()
                return call
        self._idle += 1
        return None

    def _start_thread(self) -> None:
        """Start a thread; without one, calls wait for those that there are, and for `summon`."""
        name = f"handler-{self._number}"
        try:
            threading.Thread(target=self._work, name=name, daemon=True).start()
        except RuntimeError as error:
            if not self._is_short:
                self._is_short = True
                log.warning("%d of %d threads: %s", self._number, self._concurrency, error)
            return
        self._is_short = False
        self._number += 1
        self._idle += 1
