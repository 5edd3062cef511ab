"""The result of a load, and its JSON document (`report.schema.json`)."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gateway import __version__
from gateway.load.histogram import PRECISION, Histogram
from gateway.load.tally import HISTOGRAMS, Tally

if TYPE_CHECKING:
    from gateway.load.load_plan import Plan
    from gateway.load.objectives import Objective
    from gateway.load.verification import Verification

FORMAT = "dicom-gateway-load/1"

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9, 99.99)

SLICES = 1200
"""The largest number of slices; beyond it, each two are merged."""

KEEPS_UP = 0.95
"""A peer that achieves this share of the offered load keeps up with it."""
ERRORS = 0.01
"""The share of errors at which it still keeps up."""

EXIT_OK, EXIT_FAILED, EXIT_MISSED = 0, 1, 3
"""Success; an operation or association failed; an objective was missed."""

_BUSY = 0.9
"""The share of a core from which on the generator itself may be the limit."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time and memory of a process of the generator."""

    user: float = 0.0
    """Seconds of CPU time."""
    system: float = 0.0
    peak_memory: int = 0
    """Bytes."""

    @property
    def cpu(self) -> float:
        return self.user + self.system


@dataclass(slots=True)
class Cleanup:
    """What was removed from an archive after a load."""

    removed: int = 0
    """Instances."""
    failure: str = ""
    """Why not all of them; empty: all."""


@dataclass(frozen=True, slots=True)
class Knee:
    """The highest offered load of a ramp that the peer kept up with."""

    offered: float | None
    """Operations a second; None: it did not keep up with the first step."""
    broken_at: float | None
    """The first step that it did not keep up with; None: it kept up with all."""


@dataclass(slots=True)
class LoadResult:
    """The result of a load, updated while it runs."""

    plan: Plan
    totals: Tally = field(default_factory=Tally)
    slices: dict[int, Tally] = field(default_factory=dict)
    steps: dict[int, Tally] = field(default_factory=dict)
    children: list[Cost] = field(default_factory=list)
    parent: Cost = Cost()
    objectives: tuple[Objective, ...] = ()
    command: str = ""
    failure: str = ""
    """Why the load stopped early; empty: it did not."""
    is_interrupted: bool = False
    verification: Verification | None = None
    cleanup: Cleanup | None = None
    started: float = 0.0
    """Seconds since 1970."""
    start: float = 0.0
    """The same moment on the monotonic clock."""
    slice_width: float = 0.0
    """Seconds; doubled whenever there are too many slices."""

    def __post_init__(self) -> None:
        self.slice_width = self.plan.slice

    def slice_of(self, number: int) -> Tally:
        """Return the tally for a child's slice of that number; long runs have wider slices."""
        index = int(number * self.plan.slice / self.slice_width)
        if index >= SLICES:
            narrow, self.slices = self.slices, {}
            self.slice_width *= 2
            for i, tally in narrow.items():
                self.slices.setdefault(i // 2, Tally()).merge(tally)
            return self.slice_of(number)
        return self.slices.setdefault(index, Tally())

    @property
    def seconds(self) -> float:
        """From the start to the last response, or the planned duration if that is longer."""
        if self.plan.duration is None or self.failure or self.is_interrupted:
            return self.totals.last
        return max(self.totals.last, self.plan.duration)

    @property
    def rate(self) -> float:
        """Responses a second."""
        return self.totals.answered / self.seconds if self.seconds else 0.0

    @property
    def in_flight(self) -> int:
        """Operations without a response, including those that have not started."""
        return self.totals.offered - self.totals.answered - self.totals.unanswered

    def unfinished(self) -> list[int]:
        """Return the number of operations without an end, at the end of each slice.

        In an open loop these are also the ones that are due and have not started.
        """
        open_ones, found = 0, []
        for index in range(max(self.slices, default=-1) + 1):
            tally = self.slices.get(index, Tally())
            open_ones += tally.offered - tally.answered - tally.unanswered
            found.append(max(open_ones, 0))
        return found

    @property
    def knee(self) -> Knee | None:
        """The knee of a ramp; None without a ramp."""
        rate = self.plan.rate
        if rate is None or rate.steps == 1:
            return None
        good: float | None = None
        for step, offered in enumerate(rate.step_rates()):
            if not self._keeps_up(step):
                return Knee(good, offered)
            good = offered
        return Knee(good, None)

    def _keeps_up(self, step: int) -> bool:
        tally = self.steps.get(step, Tally())
        width = self.step_width
        if not tally.answered or tally.answered < KEEPS_UP * tally.offered:
            return False
        if self.objectives:
            return all(one.is_met(tally, width) for one in self.objectives if one.metric != "rate")
        return tally.errors <= ERRORS * tally.ended

    @property
    def step_width(self) -> float:
        """The length of a step of a ramp, in seconds."""
        rate = self.plan.rate
        return rate.length / rate.steps if rate is not None else 0.0

    @property
    def cpu_share(self) -> float:
        """The average share of a core that each process of the generator used."""
        if not self.children or not self.seconds:
            return 0.0
        return sum(cost.cpu for cost in self.children) / len(self.children) / self.seconds

    @property
    def is_own_limit(self) -> bool:
        """Whether the generator was so busy that it may have been the limit."""
        return self.cpu_share > _BUSY

    @property
    def status(self) -> int:
        """The exit status."""
        if self.failure or not self.totals.answered:
            return EXIT_FAILED
        if self.verification is not None and not self.verification.is_good:
            return EXIT_FAILED
        if self.cleanup is not None and self.cleanup.failure:
            return EXIT_FAILED
        if self.objectives:
            met = all(one.is_met(self.totals, self.seconds) for one in self.objectives)
            return EXIT_OK if met else EXIT_MISSED
        return EXIT_FAILED if self.totals.errors else EXIT_OK

    @property
    def bytes_a_second(self) -> float:
        """Bytes of the operations that were answered."""
        return self.totals.sent / self.seconds if self.seconds else 0.0

    def document(self) -> dict[str, Any]:
        """Return the result as values that JSON can carry; durations are in seconds."""
        return {
            "format": FORMAT,
            "version": __version__,
            "command": self.command,
            "started": datetime.fromtimestamp(self.started, UTC).isoformat(),
            "host": {"system": platform.platform(), "python": platform.python_version()},
            "plan": self._plan(),
            "outcome": {
                "status": self.status,
                "failure": self.failure,
                "interrupted": self.is_interrupted,
            },
            "seconds": self.seconds,
            "rate": self.rate,
            "bytes_per_second": self.bytes_a_second,
            "precision": PRECISION,
            "totals": tally_document(self.totals, buckets=True),
            "slices": self._slices(),
            "ramp": self._ramp(),
            "objectives": self._objectives(),
            "verification": self.verification.document() if self.verification else None,
            "cleanup": asdict(self.cleanup) if self.cleanup else None,
            "generator": self._generator(),
        }

    def _plan(self) -> dict[str, Any]:
        plan = self.plan.to_map() | {"tls": self.plan.tls is not None}
        for private in ("process", "journal", "slice", "give_up", "drain"):
            del plan[private]
        return plan

    def _slices(self) -> list[dict[str, Any]]:
        width = self.slice_width
        unfinished = self.unfinished()
        return [
            {
                "from": i * width,
                "to": (i + 1) * width,
                "unfinished": unfinished[i],
                **tally_document(self.slices[i]),
            }
            for i in sorted(self.slices)
        ]

    def _ramp(self) -> dict[str, Any] | None:
        knee, rate = self.knee, self.plan.rate
        if knee is None or rate is None:
            return None
        width = self.step_width
        steps = []
        for index, (begin, end, offered) in enumerate(rate.spans()):
            tally = self.steps.get(index, Tally())
            steps.append(
                {
                    "from": begin,
                    "to": end,
                    "planned_rate": offered,
                    "offered_rate": tally.offered / width,
                    "achieved_rate": tally.answered / width,
                    "keeps_up": self._keeps_up(index),
                    **tally_document(tally),
                }
            )
        return {"steps": steps, "knee": knee.offered, "broken_at": knee.broken_at}

    def _objectives(self) -> list[dict[str, Any]]:
        return [
            {
                "objective": one.text,
                "measured": one.measure(self.totals, self.seconds),
                "limit": one.limit,
                "met": one.is_met(self.totals, self.seconds),
            }
            for one in self.objectives
        ]

    def _generator(self) -> dict[str, Any]:
        answered = self.totals.answered
        cpu = sum(cost.cpu for cost in self.children)
        return {
            "processes": [asdict(cost) for cost in self.children],
            "parent": {"user": self.parent.user, "system": self.parent.system},
            "cpu_share": self.cpu_share,
            "cpu_per_operation": cpu / answered if answered else None,
            "may_be_the_limit": self.is_own_limit,
        }


def tally_document(tally: Tally, *, buckets: bool = False) -> dict[str, Any]:
    """Return a tally as values that JSON can carry."""
    numbers = tally.numbers()
    numbers["errors"] = tally.errors
    for name in HISTOGRAMS:
        numbers[name] = histogram_document(getattr(tally, name), buckets=buckets)
    return numbers


def histogram_document(histogram: Histogram, *, buckets: bool) -> dict[str, Any]:
    """Return a histogram as values that JSON can carry."""
    found: dict[str, Any] = {
        "count": histogram.count,
        "mean": histogram.mean,
        "min": histogram.smallest,
        "max": histogram.largest,
        "percentiles": {f"{p:g}": histogram.percentile(p) for p in PERCENTILES},
    }
    if buckets:
        found["buckets"] = [list(row) for row in histogram.rows()]
    return found
