"""A log handler that never makes its caller wait, and that a flood of records cannot fill.

Standard error is often a pipe, and whoever reads it may stop. So lines go into a queue of bounded
size, and a thread of its own writes them. When the queue is full, lines are dropped and counted,
and the count is logged as soon as lines can be written again. Warnings and errors that a peer can
cause are limited as well: of one kind so many are written in a period, the rest is counted.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections import Counter, deque
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

QUEUE = 4 * 1024 * 1024
"""Bytes that wait to be written; further lines are dropped."""
PERIOD = 10.0
"""Seconds for which records of one kind are counted."""
FLUSH = 1.0
"""Seconds for which a process that ends waits for its last lines to be written."""

_OURS = ("gateway", "workers")
"""The loggers whose records are limited; what a worker's author logs is not."""
_SELF = "gateway.log"


def write_to_standard_error(data: bytes) -> None:
    """Write to file descriptor 2, which may be non-blocking; raises OSError."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(2, rest) :]
        except BlockingIOError:
            poll = select.poll()
            poll.register(2, select.POLLOUT)
            poll.poll()


class QueuedHandler(logging.Handler):
    """Writes records in a thread of its own, and drops them rather than wait."""

    def __init__(
        self,
        write: Callable[[bytes], object] = write_to_standard_error,
        *,
        repeats: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.dropped = 0
        """Lines that were dropped because the queue was full."""
        self.suppressed = 0
        """Records that were not written because there were too many of their kind."""
        self._write = write
        self._repeats = repeats
        self._clock = clock
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._told = 0
        self._is_writing = False
        self._period = clock()
        self._kinds: Counter[tuple[str, str]] = Counter()
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record, or count it; logging calls this with the handler's lock."""
        if self._repeats and self._is_one_too_many(record):
            self.suppressed += 1
            return
        self._queue(record)

    def flush(self) -> None:
        """Wait until all lines are written, for at most `FLUSH` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self._lines and not self._is_writing, FLUSH)

    def tell_suppressed(self) -> None:
        """Log how many records of each kind were not written in the period that is over."""
        self.acquire()
        try:
            counts, self._kinds = self._kinds, Counter()
            self._period = self._clock()
            for (name, message), count in counts.items():
                if (more := count - self._repeats) > 0:
                    self._queue(_record("suppressed=%d like=%r of=%s", more, message, name))
        finally:
            self.release()

    def _is_one_too_many(self, record: logging.LogRecord) -> bool:
        """Count a record; a kind is what one statement of the program logs."""
        if record.levelno < logging.WARNING or record.name.partition(".")[0] not in _OURS:
            return False
        if self._clock() - self._period >= PERIOD:
            self.tell_suppressed()
        kind = record.name, str(record.msg)
        self._kinds[kind] += 1
        return self._kinds[kind] > self._repeats

    def _queue(self, record: logging.LogRecord) -> None:
        try:
            line = f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
        except Exception:  # logging's contract: a bad message is reported, and ends nothing
            self.handleError(record)
            return
        with self._changed:
            if self._size + len(line) > QUEUE:
                self.dropped += 1
                return
            self._lines.append(line)
            self._size += len(line)
            self._changed.notify_all()

    # the thread

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines, PERIOD if self._kinds else None)
                lines = self._taken()
                self._is_writing = bool(lines)
            if lines:
                with suppress(OSError, ValueError):  # nobody reads any more
                    self._write(lines)
                with self._changed:
                    self._is_writing = False
                    self._changed.notify_all()
            if self.dropped > self._told:
                self._tell_dropped()
            if self._kinds and self._clock() - self._period >= PERIOD:
                self.tell_suppressed()

    def _taken(self) -> bytes:
        """Take the lines that one write can pass whole beside those of other processes."""
        taken: list[bytes] = []
        size = 0
        while self._lines and (not taken or size + len(self._lines[0]) <= select.PIPE_BUF):
            size += len(self._lines[0])
            taken.append(self._lines.popleft())
        self._size -= size
        return b"".join(taken)

    def _tell_dropped(self) -> None:
        dropped, self._told = self.dropped - self._told, self.dropped
        self._queue(_record("dropped=%d lines: standard error was not read in time", dropped))


def _record(message: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord(_SELF, logging.WARNING, "", 0, message, args, None)
