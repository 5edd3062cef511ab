"""Counts and durations of a load; those of slices and of processes can be added up."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

from gateway.load.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Mapping

_DISTINCT = 40
"""Distinct texts in one tally; a limit, because the peer can send any number of them."""
_LONGEST = 300
OTHER = "other reasons"


@dataclass(slots=True)
class Tally:
    """The counts of a slice of time, a step of a ramp, or a whole run."""

    offered: int = 0
    """Operations that should have started; in a closed loop, those that did."""
    started: int = 0
    answered: int = 0
    """Final responses with any status."""
    acknowledged: int = 0
    """Final responses with success or a warning."""
    refused: int = 0
    """Final responses with a failure."""
    unanswered: int = 0
    """Operations without a final response."""
    matches: int = 0
    sent: int = 0
    """Bytes, in operations that were answered."""
    associations: int = 0
    associations_failed: int = 0
    last: float = 0.0
    """The time of the last response, in seconds from the start."""
    statuses: dict[str, int] = field(default_factory=dict)
    rejects: dict[str, int] = field(default_factory=dict)
    """A-ASSOCIATE-RJs by their reason as text."""
    failures: dict[str, int] = field(default_factory=dict)
    """Everything else that went wrong, as text."""
    latency: Histogram = field(default_factory=Histogram)
    """From when an operation should have started to its final response, or to when it was
    abandoned: an operation without a response took at least that long."""
    service: Histogram = field(default_factory=Histogram)
    """From the actual start of an operation to its final response."""
    setup: Histogram = field(default_factory=Histogram)
    """From connecting to the A-ASSOCIATE-AC."""
    lateness: Histogram = field(default_factory=Histogram)
    """The delay with which the generator noticed a due operation: its own part of the latency."""

    @property
    def ended(self) -> int:
        """Operations and associations that ended, in any way."""
        return self.answered + self.unanswered + self.associations_failed

    @property
    def errors(self) -> int:
        """Operations and associations that failed."""
        return self.refused + self.unanswered + self.associations_failed

    def note(self, kind: str, text: str) -> None:
        """Count a text in one of the tables of `TEXTS`."""
        table: dict[str, int] = getattr(self, kind)
        _count(table, text[:_LONGEST], 1)

    def merge(self, other: Tally) -> None:
        """Add the counts of another tally."""
        for name in NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.last = max(self.last, other.last)
        for name in TEXTS:
            for text, number in getattr(other, name).items():
                _count(getattr(self, name), text, number)
        for name in HISTOGRAMS:
            getattr(self, name).merge(getattr(other, name))

    def numbers(self) -> dict[str, Any]:
        """Return everything but the histograms, as values that JSON can carry."""
        return {name: getattr(self, name) for name in (*NUMBERS, *TEXTS, "last")}

    @classmethod
    def of_numbers(cls, source: Mapping[str, Any]) -> Self:
        """Return the tally that `numbers` was called on, without its histograms."""
        return cls(**{name: source[name] for name in (*NUMBERS, *TEXTS, "last")})


def _fields(kind: str) -> tuple[str, ...]:
    return tuple(field.name for field in fields(Tally) if field.type == kind)


NUMBERS, TEXTS, HISTOGRAMS = map(_fields, ("int", "dict[str, int]", "Histogram"))
"""The names of the fields of each type."""


def _count(table: dict[str, int], text: str, number: int) -> None:
    key = text if text in table or len(table) < _DISTINCT else OTHER
    table[key] = table.get(key, 0) + number
