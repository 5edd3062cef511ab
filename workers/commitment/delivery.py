"""Deliver the reports: on the peer's own association, or on one to its destination.

A report goes to the association that asked for it, while it lives. After that it goes to the entry
of `[destinations]` with the peer's AE title and to no other address, because a title is anybody's.
A peer that has no entry gets its reports with its next association for storage commitment. What the
peer did not confirm is tried again, at growing intervals, until `keep_for` is over.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.sdk import GatewayError
from workers.archive.peer_shares import address_of, is_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.commitment.report import Report
    from workers.commitment.transactions import Transaction, TransactionFolder

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0
"""Seconds between attempts: each pause is twice the last, up to an hour, and varied by a tenth."""
PATIENCE = 5.0
"""Seconds that the end of the worker waits for attempts under way; they are made again later."""
THREADS = 4
"""Reports on their way at once; peers at an address that do not answer occupy one."""

COMMITTED, FAILED, GIVEN_UP = "committed", "failed", "given_up"
"""All instances are committed to, some are not, or nobody took the report in time."""

Reporter: TypeAlias = "Callable[[Report], int | None]"
"""Sends a report; returns the status that the peer answered, or None. Raises GatewayError."""

log = logging.getLogger("workers.commitment")


class NotReached(GatewayError):  # noqa: N818 - a state of the peer
    """The peer has no association and no destination, or accepts none."""


@dataclass
class _Open:
    """A transaction that waits for its next attempt."""

    due: float = 0.0
    pause: float = FIRST_PAUSE
    association: Any = None
    """One of the peer, which may be over by now; None: connect to its destination."""
    is_busy: bool = False
    again: bool = False
    """Whether another association came while the last attempt was under way."""


@dataclass
class Delivery:
    """The reports to be delivered, and the threads that do so."""

    folder: TransactionFolder
    report: Callable[[Transaction], Report]
    on: Callable[[Any], Reporter]
    """Returns how to report on an association of the peer."""
    to: Callable[[Transaction], Reporter]
    """Returns how to report at the peer's destination; raises NotReached if it has none."""
    keep_for: float
    changed: Callable[[], None] = lambda: None
    over: Callable[[str], None] = lambda _name: None
    """Called with the name of a transaction whose report is delivered, or given up."""
    count: Callable[[str], None] = lambda _outcome: None
    """Called with what became of each: COMMITTED, FAILED or GIVEN_UP."""
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    _open: dict[str, _Open] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _threads: list[threading.Thread] = field(default_factory=list)
    _is_over: bool = False

    def start(self) -> None:
        """Go on with what was open when the worker ended, and start the threads."""
        for name in self.folder.names():
            self._open[name] = _Open()
        for number in range(THREADS):
            thread = threading.Thread(target=self._work, name=f"report-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End the threads, after the attempts under way."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(PATIENCE)

    @property
    def waiting(self) -> int:
        """The number of transactions whose result the peer does not have."""
        with self._changed:
            return len(self._open)

    def begin(self, name: str, association: Any = None) -> None:
        """Report a transaction at once, on an association of the peer if there is one."""
        with self._changed:
            one = self._open.setdefault(name, _Open())
            one.due, one.pause = 0.0, FIRST_PAUSE
            if association is not None:
                one.association = association
            one.again = one.is_busy
            self._changed.notify()

    def associated(self, peer: str, association: Any) -> None:
        """Report all that is open for a peer on an association that it has opened."""
        with self._changed:
            names = [name for name in self._open if is_of(name, peer)]
        for name in names:
            self.begin(name, association)

    def _work(self) -> None:
        while (taken := self._next()) is not None:
            name, one, association = taken
            try:
                is_over = self._attempt(name, association)
            except Exception:  # a bug with one report must not keep back the others
                log.exception("transaction=%s the report failed", name)
                is_over = False
            with self._changed:
                one.is_busy = False
                if one.again:
                    one.again = False
                elif is_over:
                    self._open.pop(name, None)
                else:
                    one.due = self.clock() + one.pause * random.uniform(0.9, 1.1)
                    one.pause = min(one.pause * 2, LONGEST_PAUSE)
                is_gone = name not in self._open
                self._changed.notify_all()
            if is_gone:
                self.over(name)
            self.changed()

    def _next(self) -> tuple[str, _Open, Any] | None:
        """Wait for a transaction that is due; None at the end."""
        with self._changed:
            while not self._is_over:
                busy = {address_of(name) for name, one in self._open.items() if one.is_busy}
                idle = [
                    (one.due, name)
                    for name, one in self._open.items()
                    if address_of(name) not in busy
                ]
                due, name = min(idle, default=(float("inf"), ""))
                left = due - self.clock()
                if left <= 0:
                    one = self._open[name]
                    one.is_busy = True
                    association, one.association = one.association, None
                    return name, one, association
                self._changed.wait(None if left == float("inf") else left)
            return None

    def _attempt(self, name: str, association: Any) -> bool:
        """Deliver a report; return whether the transaction is over."""
        with self.folder.claimed(name) as transaction:
            if transaction is None:
                return name not in self.folder.names()
            if self.now() - transaction.received > self.keep_for:
                log.warning(
                    "peer=%r transaction=%s given up: it was not delivered in time",
                    *(transaction.peer, transaction.transaction_uid),
                )
                self.folder.remove(transaction)
                self.count(GIVEN_UP)
                return True
            is_delivered = self._deliver(transaction, association)
            if is_delivered:
                self.folder.remove(transaction)
            return is_delivered

    def _deliver(self, transaction: Transaction, association: Any) -> bool:
        ways: deque[Callable[[], Reporter]] = deque()
        if association is not None:
            ways.append(lambda: self.on(association))
        ways.append(lambda: self.to(transaction))
        why = ""
        for way in ways:
            try:
                report = self.report(transaction)
                status = way()(report)
            except GatewayError as error:
                why = str(error)
                continue
            if status == 0x0000:
                log.info(
                    "peer=%r transaction=%s reported: %d instances, %d of them not committed to",
                    *(transaction.peer, transaction.transaction_uid),
                    *(len(transaction.references), report.failed),
                )
                self.count(FAILED if report.failed else COMMITTED)
                return True
            why = "no answer" if status is None else f"the peer answered {status:04X}"
        log.info(
            "peer=%r transaction=%s not reported yet: %s",
            *(transaction.peer, transaction.transaction_uid, why),
        )
        return False
