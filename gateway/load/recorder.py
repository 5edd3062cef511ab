"""Counts what happens in a child, by slices of time and by steps of a ramp, and reports it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from gateway.load.tally import HISTOGRAMS, Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.load.plan import Plan

SLICE, STEP = "slice", "step"


class Report(Protocol):
    """Where reports go: `gateway.process.Inherited.report`."""

    def __call__(self, **fields: Any) -> None: ...


class Recorder:
    """Everything is counted in the slice, and in the step, in which it happens."""

    def __init__(self, plan: Plan, start: float, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.start = start
        self._width = plan.slice
        rate = plan.rate
        self._step = rate.length / rate.steps if rate is not None and rate.steps > 1 else 0.0
        self._last_step = rate.steps - 1 if rate is not None else 0
        self._changed: dict[tuple[str, int], Tally] = {}
        self.good = start
        """When the peer was last known to be alive."""

    def _tallies(self, now: float) -> list[Tally]:
        since = max(now - self.start, 0.0)
        keys = [(SLICE, int(since / self._width))]
        if self._step and (step := int(since / self._step)) <= self._last_step:
            keys.append((STEP, step))
        return [self._changed.setdefault(key, Tally()) for key in keys]

    def arrived(self, due: float, *, open_loop: bool) -> None:
        """An operation is due, in an open loop at a moment that was set."""
        now = self.clock()
        for tally in self._tallies(due):
            tally.offered += 1
        if open_loop:
            for tally in self._tallies(now):
                tally.lateness.add(now - due)

    def began(self) -> None:
        """An operation starts."""
        for tally in self._tallies(self.clock()):
            tally.started += 1

    def answered(self, outcome: Outcome) -> None:
        """Its final response came."""
        now = self.good = self.clock()
        for tally in self._tallies(now):
            tally.answered += 1
            tally.matches += outcome.matches
            tally.sent += outcome.size
            tally.last = max(now - self.start, 0.0)
            if outcome.is_good:
                tally.acknowledged += 1
            else:
                tally.refused += 1
            tally.note("statuses", outcome.status)
            tally.latency.add(now - outcome.due)
            tally.service.add(now - outcome.began)

    def unanswered(self, due: float, why: str) -> None:
        """It will have no response."""
        now = self.clock()
        for tally in self._tallies(now):
            tally.unanswered += 1
            tally.note("failures", why)
            tally.latency.add(now - due)

    def associated(self, seconds: float) -> None:
        """An association was established."""
        now = self.good = self.clock()
        for tally in self._tallies(now):
            tally.associations += 1
            tally.setup.add(seconds)

    def not_associated(self, why: str, *, rejected: bool) -> None:
        """There is no association."""
        for tally in self._tallies(self.clock()):
            tally.associations_failed += 1
            tally.note("rejects" if rejected else "failures", why)

    def flush(self, report: Report) -> None:
        """Report what was counted since the last time, each histogram in a line of its own."""
        changed, self._changed = self._changed, {}
        for (kind, index), tally in changed.items():
            for name in HISTOGRAMS:
                if (histogram := getattr(tally, name)).count:
                    report(histogram=histogram.to_map(), name=name, kind=kind, index=index)
            report(tally=tally.numbers(), kind=kind, index=index)


class Outcome:
    """A final response, as it is counted."""

    __slots__ = ("began", "due", "is_good", "matches", "size", "status")

    def __init__(self, due: float, began: float) -> None:
        self.due = due
        """When the operation should have started."""
        self.began = began
        self.status = ""
        """In words."""
        self.is_good = False
        self.matches = 0
        self.size = 0
        """Bytes that were sent."""
