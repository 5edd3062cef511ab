"""What happened, counted; tallies of slices and of processes add up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from gateway.load.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Mapping

_DISTINCT = 40
"""Texts that are told apart in one tally; a peer may invent any number of them."""
_LONGEST = 300
OTHER = "other reasons"

NUMBERS = (
    "offered",
    "started",
    "answered",
    "acknowledged",
    "refused",
    "unanswered",
    "matches",
    "sent",
    "associations",
    "associations_failed",
)
TEXTS = ("statuses", "rejects", "failures")
HISTOGRAMS = ("latency", "service", "setup", "lateness")


@dataclass(slots=True)
class Tally:
    """Of a slice of time, a step of a ramp, or a whole run."""

    offered: int = 0
    """Operations that should have started; in a closed loop those that did."""
    started: int = 0
    answered: int = 0
    """Final responses, whatever they say."""
    acknowledged: int = 0
    """Of these, success and warnings."""
    refused: int = 0
    """Of these, failures."""
    unanswered: int = 0
    """Operations that ended without a response, or had none in the end."""
    matches: int = 0
    sent: int = 0
    """Bytes, in operations that were answered."""
    associations: int = 0
    associations_failed: int = 0
    last: float = 0.0
    """When the last answer came, in seconds from the start."""
    statuses: dict[str, int] = field(default_factory=dict)
    rejects: dict[str, int] = field(default_factory=dict)
    """A-ASSOCIATE-RJs by their reason in words."""
    failures: dict[str, int] = field(default_factory=dict)
    """Everything else that went wrong, in words."""
    latency: Histogram = field(default_factory=Histogram)
    """From when an operation should have started to its final response, or to when it was given
    up: an operation that a peer leaves without an answer took at least that long."""
    service: Histogram = field(default_factory=Histogram)
    """From when it did start, answered ones only."""
    setup: Histogram = field(default_factory=Histogram)
    """From connecting to the A-ASSOCIATE-AC."""
    lateness: Histogram = field(default_factory=Histogram)
    """How late this side noticed that an operation was due: its own part of the latency."""

    @property
    def ended(self) -> int:
        """Everything that could have gone wrong."""
        return self.answered + self.unanswered + self.associations_failed

    @property
    def errors(self) -> int:
        """What did."""
        return self.refused + self.unanswered + self.associations_failed

    @property
    def is_empty(self) -> bool:
        return not any(getattr(self, name) for name in NUMBERS)

    def note(self, kind: str, text: str) -> None:
        """Count a text of `TEXTS`."""
        table: dict[str, int] = getattr(self, kind)
        _count(table, text[:_LONGEST], 1)

    def merge(self, other: Tally) -> None:
        """Add what another counted."""
        for name in NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.last = max(self.last, other.last)
        for name in TEXTS:
            for text, number in getattr(other, name).items():
                _count(getattr(self, name), text, number)
        for name in HISTOGRAMS:
            getattr(self, name).merge(getattr(other, name))

    def numbers(self) -> dict[str, Any]:
        """All but the histograms, for JSON."""
        return {name: getattr(self, name) for name in (*NUMBERS, *TEXTS, "last")}

    @classmethod
    def of_numbers(cls, source: Mapping[str, Any]) -> Self:
        """What `numbers` made."""
        return cls(**{name: source[name] for name in (*NUMBERS, *TEXTS, "last")})


def _count(table: dict[str, int], text: str, number: int) -> None:
    key = text if text in table or len(table) < _DISTINCT else OTHER
    table[key] = table.get(key, 0) + number
