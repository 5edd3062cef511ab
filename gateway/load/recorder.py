"""Counts the operations of a child process by slice of time and by step of a ramp."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from gateway.load.tally import HISTOGRAMS, Tally

if TYPE_CHECKING:
    from gateway.load.load_plan import Plan

SLICE, STEP = "slice", "step"


ReportFunction: TypeAlias = Callable[..., None]
"""Sends a report to the parent: `gateway.process.Inherited.report`."""


class Recorder:
    """Counts each event in the slice, and in the step, in which it happens."""

    def __init__(self, plan: Plan, start: float, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.start = start
        self._width = plan.slice
        rate = plan.rate
        self._step = rate.length / rate.steps if rate is not None and rate.steps > 1 else 0.0
        self._last_step = rate.steps - 1 if rate is not None else 0
        self._changed: dict[tuple[str, int], Tally] = {}
        self.last_sign_of_life = start
        """The time at which the peer last accepted an association or responded."""

    def _tallies(self, now: float) -> list[Tally]:
        since = max(now - self.start, 0.0)
        keys = [(SLICE, int(since / self._width))]
        if self._step and (step := int(since / self._step)) <= self._last_step:
            keys.append((STEP, step))
        return [self._changed.setdefault(key, Tally()) for key in keys]

    def arrived(self, due: float, *, open_loop: bool) -> None:
        """Count an operation that is due; in an open loop, measure how late it was noticed."""
        now = self.clock()
        for tally in self._tallies(due):
            tally.offered += 1
        if open_loop:
            for tally in self._tallies(now):
                tally.lateness.add(now - due)

    def began(self) -> None:
        """Count an operation that starts."""
        for tally in self._tallies(self.clock()):
            tally.started += 1

    def answered(self, measured: MeasuredResponse) -> None:
        """Count a final response."""
        now = self.last_sign_of_life = self.clock()
        for tally in self._tallies(now):
            tally.answered += 1
            tally.matches += measured.matches
            tally.sent += measured.size
            tally.last = max(now - self.start, 0.0)
            if measured.is_good:
                tally.acknowledged += 1
            else:
                tally.refused += 1
            tally.note("statuses", measured.status)
            tally.latency.add(now - measured.due)
            tally.service.add(now - measured.began)

    def unanswered(self, due: float, why: str) -> None:
        """Count an operation that gets no response."""
        now = self.clock()
        for tally in self._tallies(now):
            tally.unanswered += 1
            tally.note("failures", why)
            tally.latency.add(now - due)

    def associated(self, seconds: float) -> None:
        """Count an association that was established."""
        now = self.last_sign_of_life = self.clock()
        for tally in self._tallies(now):
            tally.associations += 1
            tally.setup.add(seconds)

    def not_associated(self, why: str, *, rejected: bool) -> None:
        """Count an association that was not established."""
        for tally in self._tallies(self.clock()):
            tally.associations_failed += 1
            tally.note("rejects" if rejected else "failures", why)

    def flush(self, report: ReportFunction) -> None:
        """Report what was counted since the last call, each histogram on a line of its own."""
        changed, self._changed = self._changed, {}
        for (kind, index), tally in changed.items():
            for name in HISTOGRAMS:
                if (histogram := getattr(tally, name)).count:
                    report(histogram=histogram.to_map(), name=name, kind=kind, index=index)
            report(tally=tally.numbers(), kind=kind, index=index)


class MeasuredResponse:
    """A final response, its times and its size."""

    __slots__ = ("began", "due", "is_good", "matches", "size", "status")

    def __init__(self, due: float, began: float) -> None:
        self.due = due
        """The time at which the operation should have started."""
        self.began = began
        self.status = ""
        """The status of the response as text."""
        self.is_good = False
        self.matches = 0
        self.size = 0
        """Bytes sent."""
