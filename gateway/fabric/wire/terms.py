"""The types that both ends of the fabric hand to their users; nothing here uses sockets."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any, NamedTuple

from gateway.events import DEADLINE

MISSED = 3
"""Heartbeats after which a silent partner is dead; an acceptor waits as long when it joins."""


class Binding(NamedTuple):
    """One intervention event of a registration, and how it is to be asked."""

    event: str
    redeliver: bool = False
    """Whether a request may be given to another member when the first one has died."""
    durable: bool = False
    """Whether C-STORE data is to be on disk before it is offered."""
    deadline: float = DEADLINE
    """Seconds for each answer."""
    sop_classes: tuple[str, ...] | None = None
    """The abstract syntaxes whose requests it takes; None: all whose service has the operation and
    that no other worker names."""


@dataclass(frozen=True, slots=True)
class Registration:
    """The registration of a worker's member, which asks a lease for all of its events or none."""

    worker: str
    """The name that the lease is held under."""
    generation: int
    """The newest generation of a name owns its events."""
    member: int
    """0, 1, ... among the members of one generation."""
    credit: int
    """Requests that this member may have in hand; 0: it is about to be replaced."""
    bindings: tuple[Binding, ...] = ()
    """Empty for a worker that only watches."""
    sends: tuple[str, ...] = ()
    """Abstract syntaxes for which the worker sends requests and takes none."""
    pid: int = 0
    """The process whose death ends the lease at once; 0: the client's own."""


class ReceivedIntervention(NamedTuple):
    """A request that a member received and has in hand until it has given the final answer."""

    token: str
    event: str
    attempt: int
    """1, and one more for each member that died with it."""
    deadline: float
    """Seconds left to the (next) answer when the request arrived."""
    payload: dict[str, Any]
    assoc: bytes
    """The association's description, opaque here (a msgpack map). Requests that arrived together
    and belong to one association have the same object."""
    data: bytes | memoryview | None
    acceptor: str
    """The name of the acceptor that sent the request."""


class Answer(NamedTuple):
    """One answer to an intervention, from the handler to the DIMSE service.

    The worker's SDK makes it, ANSWERED carries it, the acceptor's sink gets it. The results of a
    command have the same form.
    """

    payload: dict[str, Any]
    data: bytes | None = None
    """An encoded data set."""
    final: bool = True


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification, as a watcher gets it."""

    topic: str
    stream: str
    """Identifies one run of one acceptor."""
    seq: int
    """1, 2, ... within the topic of a stream; 0 for what the watcher's own client reports."""
    timestamp: float
    """Seconds since 1970 when it was published."""
    body: dict[str, Any] = field(default_factory=dict)
    assoc: bytes = b""


class LeaseState(Enum):
    """The state of a client's leases."""

    GRANTED = "granted"
    """Every reachable acceptor has granted; reported again after a LOST."""
    SUPERSEDED = "superseded"
    """A newer generation took over: finish the requests in hand and leave."""
    REFUSED = "refused"
    """At the start: another worker holds an event; the detail names it."""
    LOST = "lost"
    """No acceptor is left; the client goes on looking for one."""
    ENDED = "ended"
    """An acceptor ended the lease because of a message; the detail says which."""


class CancelReason(StrEnum):
    """Why a request in hand was cancelled."""

    CANCEL = "cancel"
    """The peer asked for it (C-CANCEL); the final answer is still awaited."""
    ABANDONED = "abandoned"
    """The association ended or the acceptor gave up; nobody awaits an answer."""
    LATE = "late"
    """The deadline passed; nobody awaits an answer."""
    LOST = "lost"
    """The lease or the acceptor is gone; nobody awaits an answer."""


OPERATIONS = ("abort", "release", "request", "trace", "transform", "associations", "overview")
"""What a command has an acceptor do."""


class CommandFailure(Enum):
    """Why a command failed."""

    ENDED = "ended"
    """The association does not exist (any more), or ended meanwhile."""
    TIMEOUT = "timeout"
    """The peer did not respond in time."""
    CONTEXT = "context"
    """The presentation context is not accepted, or not for this role."""
    INVALID = "invalid"
    """The command itself is invalid."""
    REFUSED = "refused"
    """The worker has no lease, too many commands are open, or this acceptor takes none."""
    UNANSWERED = "unanswered"
    """The worker that was to be asked is missing, lost, busy or late."""
