"""Run calls in several threads, for a caller that waits for all of them.

An executor creates a future for each call, with a lock and a condition, which takes longer than
writing a small file. Here the threads and the caller take items from one list until it is empty.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")


class ParallelCalls:
    """At most `count` threads besides the caller's; they start when they are first needed."""

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Return the result for each item, in order; raises what `work` raises."""
        left = deque(enumerate(items))
        results: dict[int, Result] = {}
        errors: list[BaseException] = []
        done: SimpleQueue[None] = SimpleQueue()

        def run() -> None:
            while left:
                try:
                    number, item = left.popleft()
                except IndexError:  # another thread took the last one
                    return
                try:
                    results[number] = work(item)
                except BaseException as error:  # raised below, in the thread that waits
                    errors.append(error)
                done.put(None)

        helpers = min(self._count, len(items) - 1)
        for _ in range(self._start(helpers)):
            self._jobs.put(run)
        run()
        for _ in items:
            done.get()
        if errors:
            raise errors[0]
        return [results[number] for number in range(len(items))]

    def close(self) -> None:
        """End the threads; `map` must not be called any more."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _start(self, count: int) -> int:
        """Start threads until there are so many; return how many there are, of these.

        Without memory for another thread, the others do its work, and the caller's own.
        """
        if len(self._threads) < count:
            with self._lock, suppress(RuntimeError, MemoryError):
                while len(self._threads) < count:
                    name = f"{self._name}-{len(self._threads)}"
                    thread = threading.Thread(target=self._serve, name=name, daemon=True)
                    thread.start()
                    self._threads.append(thread)
        return min(count, len(self._threads))

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
