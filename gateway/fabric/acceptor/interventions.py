"""Requests to workers, and the times by which they must be answered."""

from __future__ import annotations

from collections import OrderedDict
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from gateway.events import DEADLINE

if TYPE_CHECKING:
    from gateway.errors import Unanswered
    from gateway.fabric.acceptor.lease import Member
    from gateway.fabric.wire.terms import Answer

_numbers = count()


class Sink(Protocol):
    """What the answers to an intervention go to; called on the server's loop, must not block."""

    def answered(self, answer: Answer) -> None:
        """Take an answer; nothing follows one that is final."""

    def unanswered(self, error: Unanswered) -> None:
        """Take note that no answer will come; nothing follows."""


class Intervention:
    """One request to a worker, from the asking to its last answer.

    It is in one place at a time: a queue, one member, or closed.
    """

    __slots__ = (
        "answered",
        "assoc",
        "attempt",
        "cancelled",
        "closed",
        "data",
        "deaths_alone",
        "duration",
        "event",
        "member",
        "number",
        "owed",
        "payload",
        "queue",
        "redeliver",
        "sink",
        "token",
        "window",
    )

    def __init__(
        self,
        event: str,
        payload: dict[str, Any],
        assoc: bytes,
        data: bytes | None = None,
        *,
        sink: Sink,
        window: int = 0,
    ) -> None:
        self.event = event
        self.payload = payload
        self.assoc = assoc
        self.data = data
        self.window = window
        """Answers of a stream that may be under way at once; 0: there is one answer only."""
        self.number = next(_numbers)
        """Order of arrival."""
        self.duration = DEADLINE
        self.redeliver = False
        self.attempt = 1
        self.deaths_alone = 0
        """Members that died with nothing but this in hand."""
        self.answered = 0
        self.owed = window
        """Answers that the member may still send."""
        self.cancelled = False
        self.queue: dict[Intervention, None] | None = None
        self.member: Member | None = None
        self.token = ""
        self.closed = False
        """It has ended: answered, failed or abandoned."""
        self.sink = sink
        """Belongs to the asker; the registry does not look at it."""

    def leave_queue(self) -> None:
        if self.queue is not None:
            self.queue.pop(self, None)
            self.queue = None


class Deadlines:
    """When each running call is late.

    Calls of the same duration are late in the order they were started, so that each duration has
    an ordered row and nothing is ever searched or sorted.
    """

    def __init__(self) -> None:
        self._rows: dict[float, OrderedDict[Intervention, float]] = {}

    def start(self, call: Intervention, now: float) -> None:
        """Run, or run anew, from now."""
        row = self._rows.get(call.duration)
        if row is None:
            row = self._rows[call.duration] = OrderedDict()
        row[call] = now + call.duration
        row.move_to_end(call)

    def stop(self, call: Intervention) -> None:
        row = self._rows.get(call.duration)
        if row is None:
            return
        row.pop(call, None)
        if not row:
            del self._rows[call.duration]

    def left(self, call: Intervention, now: float) -> float:
        """Seconds left; the whole duration if the clock does not run."""
        row = self._rows.get(call.duration)
        due = None if row is None else row.get(call)
        return call.duration if due is None else max(0.0, due - now)

    def next(self) -> float | None:
        """When the first one is late."""
        return min((row[next(iter(row))] for row in self._rows.values()), default=None)

    def expired(self, now: float) -> list[Intervention]:
        """Take out what is late."""
        late = []
        for row in self._rows.values():
            for call, due in row.items():
                if due > now:
                    break
                late.append(call)
        for call in late:
            self.stop(call)
        return late
