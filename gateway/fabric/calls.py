"""Requests on their way, and the times by which they must be answered."""

from __future__ import annotations

from collections import OrderedDict
from itertools import count
from typing import TYPE_CHECKING, Any

from gateway.events import DEADLINE

if TYPE_CHECKING:
    from gateway.fabric.lease import Member

_numbers = count()


class Call:
    """One intervention from the asking to its last answer.

    At any time it is in one place: a queue, one member's hands, or finished.
    """

    __slots__ = (
        "answered",
        "assoc",
        "attempt",
        "cancelled",
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
        self.queue: dict[Call, None] | None = None
        self.member: Member | None = None
        self.token = ""
        self.sink: Any = None
        """The asker's own; the registry does not look at it."""

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
        self._rows: dict[float, OrderedDict[Call, float]] = {}

    def start(self, call: Call, now: float) -> None:
        """Run, or run anew, from now."""
        row = self._rows.get(call.duration)
        if row is None:
            row = self._rows[call.duration] = OrderedDict()
        row[call] = now + call.duration
        row.move_to_end(call)

    def stop(self, call: Call) -> None:
        row = self._rows.get(call.duration)
        if row is None:
            return
        row.pop(call, None)
        if not row:
            del self._rows[call.duration]

    def left(self, call: Call, now: float) -> float:
        """Seconds left; the whole duration if the clock does not run."""
        row = self._rows.get(call.duration)
        due = None if row is None else row.get(call)
        return call.duration if due is None else max(0.0, due - now)

    def next(self) -> float | None:
        """When the first one is late."""
        return min((row[next(iter(row))] for row in self._rows.values()), default=None)

    def expired(self, now: float) -> list[Call]:
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
