"""Deliver lines of the journal to a receiver outside, each at least once and in their order.

The journal is the queue, and the number of the last line that was delivered is all that is kept, so
a receiver that is away for days costs nothing (`receiver_cursor`). What it does not take is tried
again at growing intervals. A line that it *refuses* is left out after some attempts, and any line
when `keep_for` is over, so that one line never stops the others for ever.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from gateway.sdk import GatewayError
from workers.archive.index.records import IndexFailure
from workers.complete.receiver_cursor import RENEW, ReceiverCursor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workers.archive.index import Index
    from workers.archive.index.records import JournalEntry

LOOK = 1.0
"""Seconds between two looks at the journal."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 600.0
"""Seconds between attempts: each pause is twice the last, and varied by a tenth."""
REFUSALS = 5
"""Attempts of a line that the receiver refuses."""
NO_RESPONSE = "no response"
"""The reason for which nothing was taken if there was no valid response."""

log = logging.getLogger("workers.complete")


class NotTaken(GatewayError):  # noqa: N818 - the state of a receiver
    """A receiver did not take a line; the text says why."""

    def __init__(self, text: str, *, is_refusal: bool = False, reason: str = NO_RESPONSE) -> None:
        super().__init__(text)
        self.is_refusal = is_refusal
        """Whether the receiver has read it, and will not take it later either."""
        self.reason = reason
        """For the metrics, where it is counted: few words, always the same for the same cause."""


class LineReceiver(Protocol):
    """Something outside that takes lines."""

    name: str
    """For log lines, status and the file of its position; without secrets."""
    kinds: tuple[str, ...]
    """The kinds of lines that it wants."""

    def send(self, seq: int, message: dict[str, Any]) -> None:
        """Deliver one line; raises NotTaken."""
        ...

    def close(self) -> None:
        """End its connections."""
        ...


@dataclass
class Deliverer:
    """Delivers to one receiver, in a thread of its own."""

    index: Index
    receiver: LineReceiver
    cursor: ReceiverCursor
    keep_for: float
    enrich: Callable[[JournalEntry, dict[str, Any]], None] = lambda *_: None
    """Adds to a message; raises IndexFailure."""
    now: Callable[[], float] = time.time
    pause: Callable[[float], object] | None = None
    """Waits for some seconds, or until the end; None: `stop` ends it."""
    sent: int = 0
    left_out: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    """Attempts that failed, by reason."""
    waits_since: float = 0.0
    """The time of the line that the receiver does not take at present; 0.0: it takes all."""
    trouble: str = ""
    """Why the receiver takes nothing at present; empty: it does."""
    is_telling: bool = False
    """Whether this process delivers, and not another one that shares the index."""
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to deliver."""
        self._thread = threading.Thread(target=self._run, name=self.receiver.name, daemon=True)
        self._thread.start()

    def stop(self, patience: float = 5.0) -> None:
        """End after the attempt under way."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(patience)
        self.receiver.close()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self.look()
            except IndexFailure as error:
                self.trouble = str(error)
                log.warning("receiver=%s %s", self.receiver.name, error)
            except Exception:  # a bug must not end the thread: it is told, and tried again
                self.trouble = "delivering failed: see the log"
                log.exception("receiver=%s delivering failed", self.receiver.name)
            self._over.wait(LOOK)
        with suppress(IndexFailure):
            self.cursor.keep(over=True)

    def look(self) -> None:
        """Deliver what is new, unless another process does; raises IndexFailure."""
        position = self.cursor.take()
        self.is_telling = position is not None
        if position is None:
            self.trouble, self.waits_since = "", 0.0
            return
        for seq in self.deliver(position):
            if not self.cursor.advance(seq):
                return
        self.cursor.keep()

    def _wait(self, seconds: float) -> bool:
        """Wait, and renew the lease meanwhile; return False if another process delivers by now."""
        if self.pause is not None:
            self.pause(seconds)
            return True
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._over.wait(min(left, RENEW)):
            if not self.cursor.keep():
                return False
        return True

    def deliver(self, position: int) -> Iterator[int]:
        """Deliver the lines after a number; yield the number of each line that is done with."""
        while not self._over.is_set():
            lines = self.index.journal(position)
            if not lines:
                return
            for line in lines:
                if self._is_wanted(line) and not self._deliver(line):
                    return
                position = line.seq
                yield position

    def _is_wanted(self, line: JournalEntry) -> bool:
        return line.kind in self.receiver.kinds

    def _deliver(self, line: JournalEntry) -> bool:
        """Deliver a line, or leave it out; return False if this process has to stop before."""
        pause, refusals = FIRST_PAUSE, 0
        while not self._over.is_set():
            if self.now() - line.at > self.keep_for:
                return self._leave_out(line, "it is too old")
            try:
                message = message_of(line)
                self.enrich(line, message)
                self.receiver.send(line.seq, message)
            except NotTaken as error:
                self.failed[error.reason] = self.failed.get(error.reason, 0) + 1
                self.waits_since = line.at
                if error.is_refusal and (refusals := refusals + 1) >= REFUSALS:
                    return self._leave_out(line, str(error))
                if not self.trouble:
                    log.warning("receiver=%s seq=%d not taken: %s", *self._names(line), error)
                self.trouble = str(error)
                if not self._wait(pause * random.uniform(0.9, 1.1)):
                    return False
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            if self.trouble:
                log.info("receiver=%s seq=%d taken: it is back", *self._names(line))
            self.trouble, self.waits_since = "", 0.0
            self.sent += 1
            return True
        return False

    def _leave_out(self, line: JournalEntry, why: str) -> bool:
        log.error("receiver=%s seq=%d is left out: %s", *self._names(line), why)
        self.left_out += 1
        self.waits_since = 0.0
        return True

    def _names(self, line: JournalEntry) -> tuple[str, int]:
        return self.receiver.name, line.seq


def message_of(line: JournalEntry) -> dict[str, Any]:
    """Return what a receiver is told of a line: UIDs, and nothing of the patient."""
    entry = line.entry
    message = {
        "seq": line.seq,
        "kind": line.kind,
        "time": datetime.fromtimestamp(line.at, UTC).isoformat(timespec="milliseconds"),
        "gateway": entry.holder,
        "study_instance_uid": line.study_instance_uid,
        "series_instance_uid": line.series_instance_uid,
    }
    if entry.sop_instance_uid:
        message["sop_class_uid"] = entry.sop_class_uid
        message["sop_instance_uid"] = entry.sop_instance_uid
    return message
