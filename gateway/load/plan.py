"""Everything that a load is, decided: what children are handed and what reports repeat."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEEP, STUDY, INSTANCE = "keep", "study", "instance"
"""When associations are opened: once; for each study; for each operation."""

STORE, ECHO, FIND = "store", "echo", "find"

START_LENGTH = 32
"""Bytes that each child is written for the moment of the start; blanks: there is none."""


@dataclass(frozen=True, slots=True)
class Rate:
    """An open loop's offered load: constant, or a ramp in steps."""

    first: float
    """Operations a second."""
    last: float
    length: float
    """Seconds."""
    steps: int = 1

    def step_rates(self) -> list[float]:
        """Operations a second in each step."""
        if self.steps == 1:
            return [self.first]
        width = (self.last - self.first) / (self.steps - 1)
        return [self.first + width * step for step in range(self.steps)]

    def spans(self) -> Iterator[tuple[float, float, float]]:
        """(begin, end, operations a second) of each step, in seconds from the start."""
        width = self.length / self.steps
        for step, rate in enumerate(self.step_rates()):
            yield step * width, (step + 1) * width, rate


@dataclass(frozen=True, slots=True)
class Plan:
    """A load, for one child or for all of them."""

    host: str
    port: int
    operation: str = STORE
    aet: str = "LOAD"
    aec: str = "ANY-SCP"
    timeout: float = 30.0
    max_pdu: int = 262_144
    associations: int = 1
    keep: str = KEEP
    count: int | None = None
    """Operations in all; None: until the time is over."""
    duration: float | None = None
    """Seconds; None: until the count is reached."""
    rate: Rate | None = None
    """None: a closed loop, in which each association waits for one answer before it goes on."""
    poisson: bool = False
    files: tuple[str, ...] = ()
    keep_uids: bool = False
    size: int | None = None
    """Bytes of pixels, in place of what the modality has."""
    mix: Mapping[str, float] = field(default_factory=lambda: {"ct": 1.0})
    study: tuple[int, int] | None = None
    """Series in a study and instances in a series, in place of what the modality has."""
    find_sop_class: str = ""
    find_identifier: str = ""
    """Of the query, implicit VR little endian, in hexadecimal digits."""
    give_up: float = 5.0
    """Seconds without any association after which the peer is taken for dead."""
    drain: float = 10.0
    """Seconds that operations in flight have at the end."""
    processes: int = 1
    process: int = 0
    """Which of them this is."""
    root: str = ""
    """What the UIDs of this load begin with."""
    seed: int = 0
    journal: str = ""
    """The file that acknowledged instances are written to; empty: none."""
    slice: float = 0.5
    """Seconds between two reports of a child."""

    def to_map(self) -> dict[str, Any]:
        """For a child, and for reports."""
        return asdict(self)

    @classmethod
    def from_map(cls, source: Mapping[str, Any]) -> Self:
        """What `to_map` made."""
        values = dict(source)
        rate, study = values["rate"], values["study"]
        values["rate"] = rate and Rate(**rate)
        values["study"] = study and tuple(study)
        values["files"] = tuple(values["files"])
        return cls(**values)


def share(total: int, parts: int, part: int) -> int:
    """What one of several parts gets of a number."""
    return total // parts + (part < total % parts)
