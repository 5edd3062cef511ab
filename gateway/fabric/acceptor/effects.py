"""The effects that the registry asks for; the server does them in their order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from gateway.errors import Reason
    from gateway.fabric.acceptor.interventions import Intervention
    from gateway.fabric.wire.envelopes import Envelope
    from gateway.fabric.wire.terms import Answer
    from gateway.settings import RememberedWorker

    Delivery: TypeAlias = tuple[Intervention, str, int, float]
    """An intervention on its way to a member, with what may change before it is encoded: token,
    attempt, seconds left."""


@dataclass(frozen=True, slots=True)
class Deliver:
    """Send requests to one member."""

    peer: bytes
    deliveries: list[Delivery]


@dataclass(frozen=True, slots=True)
class Post:
    """Send an envelope to one member."""

    peer: bytes
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class HandOn:
    """Give answers to the sinks of their interventions."""

    answers: list[tuple[Intervention, Answer]]


@dataclass(frozen=True, slots=True)
class Fail:
    """End an intervention without an answer."""

    intervention: Intervention
    reason: Reason
    text: str
    poisonous: bool = False


@dataclass(frozen=True, slots=True)
class Tell:
    """Publish a notification about a worker."""

    topic: str
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WatchProcess:
    """Watch a process, to report its death at once (`Registry.gone`)."""

    peer: bytes
    pid: int


@dataclass(frozen=True, slots=True)
class UnwatchProcess:
    """Stop watching a process."""

    peer: bytes


@dataclass(frozen=True, slots=True)
class WorkerKnown:
    """Report what a worker serves, for acceptors that start later."""

    worker: RememberedWorker


@dataclass(frozen=True, slots=True)
class WorkerLeft:
    """Report that the last member of a worker has said BYE."""

    name: str


@dataclass(frozen=True, slots=True)
class AllKnown:
    """Every expected worker is known now, or none is waited for any more."""


Effect = (
    Deliver
    | Post
    | HandOn
    | Fail
    | Tell
    | WatchProcess
    | UnwatchProcess
    | WorkerKnown
    | WorkerLeft
    | AllKnown
)
