"""The plan of a load: what the child processes receive, and reports repeat."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from gateway.requestor.proposal import Address
from gateway.settings import AssociationSettings
from gateway.tls import client_context

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEEP, STUDY, INSTANCE = "keep", "study", "instance"
"""An association is opened once, for each study, or for each operation."""

STORE, ECHO, FIND = "store", "echo", "find"

START_LENGTH = 32
"""Bytes of the start time that the parent writes to each child; only spaces: do not start."""

GIVE_UP = 5.0
DRAIN = 10.0


@dataclass(frozen=True, slots=True)
class Rate:
    """The offered load of an open loop: constant, or a ramp in steps."""

    first: float
    """Operations a second."""
    last: float
    length: float
    """Seconds."""
    steps: int = 1

    def step_rates(self) -> list[float]:
        """Return the operations a second of each step."""
        if self.steps == 1:
            return [self.first]
        width = (self.last - self.first) / (self.steps - 1)
        return [self.first + width * step for step in range(self.steps)]

    def spans(self) -> Iterator[tuple[float, float, float]]:
        """Yield (begin, end, operations a second) of each step, in seconds from the start."""
        width = self.length / self.steps
        for step, rate in enumerate(self.step_rates()):
            yield step * width, (step + 1) * width, rate


@dataclass(frozen=True, slots=True)
class Plan:
    """A load: of one child, or of all of them together."""

    host: str
    port: int
    operation: str = STORE
    aet: str = "LOAD"
    aec: str = "ANY-SCP"
    tls: tuple[str, str, str, str] | None = None
    """Certificate, key and authority, as files, and the name of the peer's certificate, each of
    which may be empty; None: no TLS."""
    timeout: float = AssociationSettings().dimse_timeout
    max_pdu: int = AssociationSettings().max_pdu
    associations: int = 1
    keep: str = KEEP
    count: int | None = None
    """Operations in total; None: until the duration is over."""
    duration: float | None = None
    """Seconds; None: until the count is reached."""
    rate: Rate | None = None
    """None: a closed loop, in which each association sends a request after each response."""
    poisson: bool = False
    files: tuple[str, ...] = ()
    keep_uids: bool = False
    size: int | None = None
    """Bytes of pixel data, in place of the modality's own."""
    mix: Mapping[str, float] = field(default_factory=lambda: {"ct": 1.0})
    study: tuple[int, int] | None = None
    """Series in a study and instances in a series, in place of the modality's own."""
    find_sop_class: str = ""
    find_identifier: str = ""
    """The identifier in implicit VR little endian, as hexadecimal digits."""
    give_up: float = GIVE_UP
    """Seconds without any association after which the run stops."""
    drain: float = DRAIN
    """Seconds for operations in flight to end when the run is over."""
    processes: int = 1
    process: int = 0
    """The number of this process."""
    root: str = ""
    """The root of all UIDs of this load."""
    seed: int = 0
    journal: str = ""
    """The file for the identities of acknowledged instances; empty: none."""
    slice: float = 0.5
    """Seconds between two reports of a child."""

    def address(self) -> Address:
        """Return the peer's address; raises ConfigError for a file that cannot be used."""
        if self.tls is None:
            return Address(self.host, self.port)
        *files, name = self.tls
        return Address(self.host, self.port, client_context(*files), name or None)

    def to_map(self) -> dict[str, Any]:
        """Return the plan as values that JSON can carry."""
        return asdict(self)

    @classmethod
    def from_map(cls, source: Mapping[str, Any]) -> Self:
        """Return the plan that `to_map` was called on."""
        values = dict(source)
        rate, study = values["rate"], values["study"]
        values["rate"] = rate and Rate(**rate)
        values["study"] = study and tuple(study)
        values["files"] = tuple(values["files"])
        values["tls"] = values.get("tls") and tuple(values["tls"])
        return cls(**values)


def share(total: int, parts: int, part: int) -> int:
    """Return the share of one of several parts in a whole number."""
    return total // parts + (part < total % parts)
