"""What the registry wants done; the server does it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.errors import Reason
    from gateway.fabric.acceptor.interventions import Intervention
    from gateway.fabric.wire.envelopes import Envelope
    from gateway.fabric.wire.terms import Answer


@dataclass(frozen=True, slots=True)
class SendEnvelope:
    """An envelope to one member, with the data set that travels behind it."""

    peer: bytes
    envelope: Envelope
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Deliver:
    """An answer to whoever asked."""

    call: Intervention
    answer: Answer


@dataclass(frozen=True, slots=True)
class Fail:
    """The end of a call without an answer."""

    call: Intervention
    reason: Reason
    text: str
    poisonous: bool = False


@dataclass(frozen=True, slots=True)
class Tell:
    """A notification of the fabric's own."""

    topic: str
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WatchProcess:
    """Say at once when this process dies (`Registry.gone`)."""

    peer: bytes
    pid: int


@dataclass(frozen=True, slots=True)
class UnwatchProcess:
    """The process is of no interest any more."""

    peer: bytes


Effect = SendEnvelope | Deliver | Fail | Tell | WatchProcess | UnwatchProcess
