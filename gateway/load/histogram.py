"""Log-linear histograms of durations: of stated precision, small, and mergeable.

Each power of two is cut into `SUB` buckets of the same width, so a bucket is at most 1/`SUB` of its
value wide; reported is its middle. Counts are exact, and so is the merge of two histograms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BITS = 7
SUB = 1 << _BITS
PRECISION = 1 / (2 * SUB)
"""A reported value is off by this share at the most, or by half a microsecond."""

_LARGEST = 1 << 36
"""Microseconds, some 19 hours; longer is counted as that."""


def bucket_of(microseconds: int) -> int:
    """The bucket of a duration: one of the `SUB * 2` first, or a linear part of a power of two."""
    value = min(max(microseconds, 0), _LARGEST)
    shift = max(value.bit_length() - _BITS - 1, 0)
    return (shift << _BITS) + (value >> shift)


def middle_of(bucket: int) -> float:
    """The middle of a bucket, in seconds."""
    shift = max((bucket >> _BITS) - 1, 0)
    low = (bucket - (shift << _BITS)) << shift
    return (low + ((1 << shift) - 1) / 2) / 1e6


class Histogram:
    """Durations in seconds, counted."""

    __slots__ = ("buckets", "count", "largest", "smallest", "total")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.count = 0
        self.total = 0.0
        """The sum of all, exactly."""
        self.smallest = 0.0
        self.largest = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        bucket = bucket_of(round(seconds * 1e6))
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        self.smallest = min(self.smallest, seconds) if self.count else seconds
        self.largest = max(self.largest, seconds)
        self.count += 1
        self.total += seconds

    def merge(self, other: Histogram) -> None:
        """Count what another has counted."""
        if not other.count:
            return
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count
        self.smallest = min(self.smallest, other.smallest) if self.count else other.smallest
        self.largest = max(self.largest, other.largest)
        self.count += other.count
        self.total += other.total

    def percentile(self, percent: float) -> float:
        """The smallest duration that `percent` of all do not exceed; 0.0 if there is none.

        Within `PRECISION`, and never outside of what was really seen.
        """
        wanted = percent * self.count / 100
        seen = 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= wanted:
                return min(max(middle_of(bucket), self.smallest), self.largest)
        return self.largest

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    def rows(self) -> Iterator[tuple[float, int]]:
        """(middle in seconds, count) of each bucket that is not empty, in order."""
        for bucket in sorted(self.buckets):
            yield middle_of(bucket), self.buckets[bucket]

    def to_map(self) -> dict[str, object]:
        """For JSON."""
        pairs = [[bucket, self.buckets[bucket]] for bucket in sorted(self.buckets)]
        return {
            "count": self.count,
            "total": self.total,
            "smallest": self.smallest,
            "largest": self.largest,
            "buckets": pairs,
        }

    @classmethod
    def from_map(cls, source: Mapping[str, object]) -> Self:
        """What `to_map` made."""
        found = cls()
        found.count = int(source["count"])  # type: ignore[call-overload]
        found.total = float(source["total"])  # type: ignore[arg-type]
        found.smallest = float(source["smallest"])  # type: ignore[arg-type]
        found.largest = float(source["largest"])  # type: ignore[arg-type]
        found.buckets = dict(source["buckets"])  # type: ignore[call-overload]
        return found
