"""A lane: a thread that sends queued instances over an association or link of its own."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING, Any

from gateway.sdk import GatewayError
from workers.archive.index.records import IndexFailure
from workers.forward.outcomes import SendOutcome, SendVerdict, of_error, of_status

if TYPE_CHECKING:
    from workers.archive.outbox_rows import QueuedInstance
    from workers.forward.destination_links import DestinationLink
    from workers.forward.destination_queue import DestinationQueue

MOST = 32
"""Rows that a lane takes at once."""
IDLE = 2.0
"""Seconds without anything to send after which the association is released."""

log = logging.getLogger("workers.forward")


class Lane:
    """Takes rows of one destination, sends them, and hands over what became of them."""

    def __init__(self, queue: DestinationQueue, number: int) -> None:
        self._queue = queue
        self._number = number
        self._link: DestinationLink | None = None
        self._in_flight: dict[Future[Any], QueuedInstance] = {}
        self.taken: dict[int, QueuedInstance] = {}
        """The rows that it has, whose lease is renewed meanwhile."""
        self.is_over = False
        self.is_stale = False
        """Whether the destination has another entry in the configuration than its association."""
        self._thread = threading.Thread(
            target=self._work, name=f"{queue.name}-{number}", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def join(self, patience: float) -> None:
        """Wait for the end; abort the association if it takes too long."""
        self._thread.join(patience)
        if self._thread.is_alive() and (link := self._link) is not None:
            link.abort()
            self._thread.join(patience)

    def _work(self) -> None:
        idle = 0.0
        while not self.is_over:
            try:
                rows = self._queue.take(self, MOST)
            except IndexFailure as error:
                log.warning("destination=%s the outbox cannot be read: %s", self._queue.name, error)
                rows = []
            if self.is_stale:
                self.is_stale = False
                self._let_go()
            if rows:
                idle = 0.0
                self.taken = {row.id: row for row in rows}
                self._send_all(rows)
                self.taken = {}
                continue
            idle += self._queue.wait(self)
            if idle >= IDLE and self._link is not None:
                self._let_go()
        self._let_go()

    def _let_go(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.release()

    # sending

    def _send_all(self, rows: list[QueuedInstance]) -> None:
        """Send rows one after the other; what is not sent is given back."""
        left = list(reversed(rows))
        try:
            while left and not self.is_over and not self._queue.must_stop(self):
                row = left.pop()
                if (outcome := self._send(row)) is not None:
                    self._settle(row, outcome)
                self._harvest(wait_for_one=False)
            while self._in_flight:
                self._harvest(wait_for_one=True)
        except Exception as error:  # a bug must not end the lane, and its rows are settled
            log.exception("destination=%s sending failed", self._queue.name)
            for one in [one for one in self.taken.values() if one not in left]:
                self._settle(one, of_error(error))
        finally:
            for row in reversed(left):
                self.taken.pop(row.id, None)
                self._queue.give_back(row)
            if self._link is not None and not self._link.is_open:
                self._link = None

    def _send(self, row: QueuedInstance) -> SendOutcome | None:
        """Begin to send a row; return its outcome if that is known already."""
        if self._queue.is_late(row):
            return SendOutcome(SendVerdict.LATE, row.reason or "it could not be sent")
        try:
            return self._begin(row)
        except (LookupError, GatewayError, OSError, ValueError) as error:
            return of_error(error)

    def _begin(self, row: QueuedInstance) -> SendOutcome | None:
        opened = self._queue.opener.open(row)
        if row.transform and not isinstance(opened, SendOutcome):
            opened = self._queue.transforms.apply(row, opened)
        if isinstance(opened, SendOutcome):
            return opened
        self._queue.pace(opened.size, self)
        link = self._link = self._link or self._queue.connect()
        while self._in_flight and link.is_full:
            self._harvest(wait_for_one=True)
        self._in_flight[link.begin(opened, None).answered] = row
        return None

    def _harvest(self, *, wait_for_one: bool) -> None:
        """Settle what has been answered."""
        if wait_for_one and self._in_flight:
            wait(self._in_flight, return_when=FIRST_COMPLETED)
        for future in [one for one in self._in_flight if one.done()]:
            row = self._in_flight.pop(future)
            try:
                answered = future.result()
                is_outcome = isinstance(answered, SendOutcome)
                outcome = answered if is_outcome else of_status(answered.status)
            except Exception as error:  # it becomes what is done with the row
                outcome = of_error(error)
            self._settle(row, outcome)

    def _settle(self, row: QueuedInstance, outcome: SendOutcome) -> None:
        self.taken.pop(row.id, None)
        self._queue.transforms.discard(row)
        self._queue.settle(row, outcome)
