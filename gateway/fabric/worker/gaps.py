"""The notifications that a watcher of one topic received or missed: stimulus in, steps out.

Notifications are handed on in the order of their numbers. When one is missing, what follows is
held back and the missing ones are asked for once; what the acceptor no longer has is a gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.fabric.wire.envelopes import Beacon, Notified

HELD_BACK = 4096
"""Notifications held back during a replay; with more, the missing ones are given up."""


@dataclass(frozen=True, slots=True)
class Emit:
    """Hand a notification on."""

    notified: Notified


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask for a replay of these numbers."""

    stream: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Gap:
    """These numbers are lost."""

    stream: str
    first: int
    last: int


Step = Emit | Ask | Gap


class Tracker:
    """One topic of one acceptor, as one watcher sees it."""

    def __init__(self, patience: float, history: int = 0) -> None:
        self._patience = patience
        """Seconds to wait for a replay."""
        self._history = history
        """Notifications from before the subscription that are asked for."""
        self._stream = ""
        self._first = 0
        """The first number that was not published before the subscription."""
        self._next = 0
        self._last = 0
        """The last number known to exist."""
        self._held: dict[int, Notified] = {}
        self._asked_at: float | None = None

    def notified(self, notified: Notified, now: float) -> list[Step]:
        """Take a notification, live or repeated."""
        steps: list[Step] = []
        if notified.stream != self._stream:
            steps += self._begin(notified.stream, notified.seq)
        if notified.seq < self._next:
            return steps
        self._held[notified.seq] = notified
        self._last = max(self._last, notified.seq)
        steps += self._flow()
        if len(self._held) > HELD_BACK:
            steps += self._give_up(max(self._held))
        return steps + self._ask(now)

    def beacon(self, beacon: Beacon, now: float) -> list[Step]:
        """Take the last number that the acceptor has published."""
        steps: list[Step] = []
        if beacon.stream != self._stream:
            steps = self._begin(beacon.stream, beacon.seq + 1)
        self._last = max(self._last, beacon.seq)
        return steps + self._ask(now)

    @property
    def is_current(self) -> bool:
        """Whether every notification that is known to exist has been received."""
        return self._next > self._last

    def replayed(self, stream: str, last: int, now: float) -> list[Step]:
        """Take note that the acceptor has repeated what it still had up to `last`."""
        if stream != self._stream or self._asked_at is None:
            return []
        self._asked_at = None
        return self._give_up(last) + self._ask(now)

    def tick(self, now: float) -> list[Step]:
        """Give up on a replay that does not come."""
        if self._asked_at is None or now - self._asked_at < self._patience:
            return []
        self._asked_at = None
        return self._give_up(self._last)

    def _begin(self, stream: str, seq: int) -> list[Step]:
        """Begin with another run of the acceptor; nothing more arrives from the former."""
        steps = self._give_up(self._last) if self._stream else []
        self._stream, self._first, self._last = stream, seq, seq - 1
        self._next, self._history = max(1, seq - self._history), 0
        self._held.clear()
        self._asked_at = None
        return steps

    def _flow(self) -> list[Step]:
        steps: list[Step] = []
        while self._next in self._held:
            steps.append(Emit(self._held.pop(self._next)))
            self._next += 1
        return steps

    def _give_up(self, last: int) -> list[Step]:
        """Report what is missing up to `last` as lost."""
        steps: list[Step] = []
        while self._next <= last:
            present = min((seq for seq in self._held if seq <= last), default=last + 1)
            if present > (first := max(self._next, self._first)):
                steps.append(Gap(self._stream, first, present - 1))
            self._next = present
            steps += self._flow()
        return steps

    def _ask(self, now: float) -> list[Step]:
        if self._asked_at is not None or self._next > self._last:
            return []
        self._asked_at = now
        return [Ask(self._stream, self._next, min(self._held, default=self._last + 1) - 1)]
