"""Requests to workers: the acceptor's records of them."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from gateway.events import DEADLINE

if TYPE_CHECKING:
    from gateway.errors import Unanswered
    from gateway.fabric.acceptor.lease import Member
    from gateway.fabric.acceptor.request_queue import RequestQueue
    from gateway.fabric.wire.terms import Answer

WINDOW = 32
"""Answers of one stream that may be on their way."""
next_number = count().__next__
_NOTHING: dict[str, Any] = {}


class Sink(Protocol):
    """The receiver of an intervention's answers; called on the server's loop, must not block."""

    def answered(self, answer: Answer) -> None:
        """Take an answer; nothing follows one that is final."""

    def unanswered(self, error: Unanswered) -> None:
        """Take note that no answer will come; nothing follows."""


class Intervention:
    """A request to a worker, until its last answer.

    It is in one place at a time: it waits in a queue, is in hand at a member, or is closed.
    """

    attempt = 1
    deaths_alone = 0
    """The number of members that died with only this request in hand."""
    given = 0
    """The number of answers so far, without the final one."""
    due: float | None = None
    """The time at which the next answer is late; None while the clock does not run."""
    duration = DEADLINE
    redeliver = False
    cancelled = False
    closed = False
    """Whether it has ended: answered, failed or abandoned."""
    queue: RequestQueue[Intervention] | None = None
    member: Member | None = None
    unsent = False
    """Whether it could not be sent to the member that it was given to, which is gone."""
    token = ""
    given_at = 0.0
    """The time at which it was given to a member, the last one if several died with it."""

    def __init__(  # noqa: PLR0913 - everything that is asked
        self,
        event: str,
        payload: dict[str, Any],
        assoc: bytes,
        data: bytes | None = None,
        *,
        sink: Sink,
        sop_class: str = "",
        asker: str = "",
        shared: dict[str, Any] = _NOTHING,
        window: int = 0,
    ) -> None:
        self.event = event
        self.payload = payload
        self.assoc = assoc
        self.data = data
        self.sink = sink
        """Belongs to the asker; the registry does not look at it."""
        self.sop_class = sop_class
        """The abstract syntax of its context, which chooses the worker; empty: negotiation. Of an
        event that is held by name, the worker's name."""
        self.asker = asker
        """The address of the peer, whose requests share what a worker can do with those of others;
        empty: it is not known, or not counted."""
        self.shared = shared
        """The part of the payload that other requests have as well, by the same object: it is sent
        once for all of them that leave together."""
        self.window = self.owed = window
        """Answers of a stream that may be under way at once, and that the member may still send;
        0: there is one answer only."""
        self.number = next_number()
        """Order of arrival."""

    def enter(self, queue: RequestQueue[Intervention]) -> None:
        self.queue = queue
        queue.add(self)

    def leave_queue(self) -> None:
        if self.queue is not None:
            self.queue.remove(self)
            self.queue = None

    def close(self) -> None:
        """End it: remove it from its member or queue, and stop its clock."""
        if self.queue is not None:
            self.leave_queue()
        self.member = self.due = None
        self.closed = True
