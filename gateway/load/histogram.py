"""Log-linear histograms of durations, from which percentiles are computed.

Each power of two is divided into `SUB` buckets of equal width, so the width of a bucket is at most
1/`SUB` of its value. Its middle is reported, so percentiles have a known precision, whatever the
number of durations. Counts are exact, and so is the merge of two histograms, as of two processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BITS = 7
SUB = 1 << _BITS
PRECISION = 1 / (2 * SUB)
"""The relative error of a reported value is at most this, or half a microsecond."""

_LARGEST = 1 << 36
"""Microseconds, some 19 hours; longer durations count as this one."""


def bucket_of(microseconds: int) -> int:
    """Return the bucket of a duration: the first `SUB * 2` are one microsecond wide."""
    value = min(max(microseconds, 0), _LARGEST)
    shift = max(value.bit_length() - _BITS - 1, 0)
    return (shift << _BITS) + (value >> shift)


def middle_of(bucket: int) -> float:
    """Return the middle of a bucket, in seconds."""
    shift = max((bucket >> _BITS) - 1, 0)
    low = (bucket - (shift << _BITS)) << shift
    return (low + ((1 << shift) - 1) / 2) / 1e6


class Histogram:
    """Counts of durations; all of them in seconds."""

    __slots__ = ("buckets", "count", "largest", "smallest", "total")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.count = 0
        self.total = 0.0
        """The exact sum of all durations."""
        self.smallest = 0.0
        self.largest = 0.0

    def add(self, seconds: float) -> None:
        """Count a duration."""
        bucket = bucket_of(round(seconds * 1e6))
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        self.smallest = min(self.smallest, seconds) if self.count else seconds
        self.largest = max(self.largest, seconds)
        self.count += 1
        self.total += seconds

    def merge(self, other: Histogram) -> None:
        """Add the counts of another histogram."""
        if not other.count:
            return
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count
        self.smallest = min(self.smallest, other.smallest) if self.count else other.smallest
        self.largest = max(self.largest, other.largest)
        self.count += other.count
        self.total += other.total

    def percentile(self, percent: float) -> float:
        """Return the smallest duration that `percent` of all do not exceed; 0.0 if there is none.

        The result has the error `PRECISION`, and is never outside of the range of the durations.
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
        """Yield (middle in seconds, count) of each bucket that is not empty, in order."""
        for bucket in sorted(self.buckets):
            yield middle_of(bucket), self.buckets[bucket]

    def to_map(self) -> dict[str, object]:
        """Return the histogram as values that JSON can carry."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return values | {"buckets": sorted(self.buckets.items())}

    @classmethod
    def from_map(cls, source: Mapping[str, Any]) -> Self:
        """Return the histogram that `to_map` was called on."""
        found = cls()
        for name in cls.__slots__:
            setattr(found, name, source[name])
        found.buckets = dict(source["buckets"])
        return found
