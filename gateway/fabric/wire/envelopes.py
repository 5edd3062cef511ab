"""The envelopes: one frozen type for each, encoded as `[kind, field, ..., more]` in this order.

`more` is a map; a receiver ignores the keys that it does not know, and this version knows none.
`decode` is total: any bytes give an envelope or a FabricError. PROTOCOL.md is the reference.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, cast

from gateway.errors import FabricError
from gateway.fabric.wire.fields import (
    AnswerItem,
    RequestItem,
    SharedPart,
    as_answers,
    as_bindings,
    as_choice,
    as_number,
    as_requests,
    as_seconds,
    as_shared,
    as_text,
    as_texts,
    exactly,
)
from gateway.fabric.wire.frames import pack, unpack
from gateway.fabric.wire.terms import Binding, CancelReason

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CREDIT = 4096


class Refusal(StrEnum):
    """Why an acceptor does not grant."""

    HELD = "held"
    """Another name holds one of the events."""
    SUPERSEDED = "superseded"
    """A newer generation of the same name has been here."""
    JOINING = "joining"
    """The acceptor has just started beside others: try again."""
    INVALID = "invalid"
    """The registration itself is wrong, or of another protocol version."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every envelope has."""

    KIND: ClassVar[int] = 0

    def encode(self) -> bytes:
        names: tuple[str, ...] = self.__slots__
        return pack([self.KIND, *[getattr(self, name) for name in names], {}])


@dataclass(frozen=True, slots=True)
class Register(Envelope):
    """Ask for a lease, or change the one this connection has."""

    KIND: ClassVar[int] = 1
    version: int
    worker: str
    generation: int
    member: int
    credit: int
    pid: int
    place: str
    """Process namespace the pid belongs to; empty: unknown."""
    instance: str
    """Random, of one client: a second connection of it replaces the first."""
    incumbent: bool
    """This worker holds a grant of another acceptor."""
    revision: int
    """Comes back in the reply."""
    bindings: tuple[Binding, ...]


@dataclass(frozen=True, slots=True)
class Heartbeat(Envelope):
    """The worker's sign of life, and the acceptor's echo of it."""

    KIND: ClassVar[int] = 2
    lease: str


@dataclass(frozen=True, slots=True)
class Answered(Envelope):
    """Answers to one or more requests."""

    KIND: ClassVar[int] = 3
    items: tuple[AnswerItem, ...]


@dataclass(frozen=True, slots=True)
class Bye(Envelope):
    """The member takes no more requests; those in hand may still be answered."""

    KIND: ClassVar[int] = 4
    lease: str


@dataclass(frozen=True, slots=True)
class Publish(Envelope):
    """A worker's own notification, to be published by this acceptor."""

    KIND: ClassVar[int] = 5
    topic: str
    body: dict[str, Any]
    assoc: bytes


@dataclass(frozen=True, slots=True)
class Replay(Envelope):
    """Send notifications `first` to `last` of a topic once more."""

    KIND: ClassVar[int] = 6
    topic: str
    stream: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class NextGeneration(Envelope):
    """Ask for a generation of this name that nobody else has."""

    KIND: ClassVar[int] = 7
    worker: str


@dataclass(frozen=True, slots=True)
class Command(Envelope):
    """Do something on an association; a data set is the trailing frame."""

    KIND: ClassVar[int] = 8
    command: str
    """Drawn by the worker; comes back in each COMMANDRESULT."""
    association: str
    operation: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CommandCancel(Envelope):
    """The worker waits for no further COMMANDRESULT of this command."""

    KIND: ClassVar[int] = 9
    command: str


@dataclass(frozen=True, slots=True)
class Extend(Envelope):
    """The handler waits for a third party: the deadline of this request runs anew."""

    KIND: ClassVar[int] = 10
    token: str


@dataclass(frozen=True, slots=True)
class Grant(Envelope):
    """The lease is held until BYE, death or SUPERSEDE."""

    KIND: ClassVar[int] = 16
    lease: str
    stream: str
    heartbeat: float
    revision: int


@dataclass(frozen=True, slots=True)
class Refuse(Envelope):
    """None of the events is granted; an older grant of the connection stands."""

    KIND: ClassVar[int] = 17
    refusal: Refusal
    event: str
    holder: str
    text: str
    revision: int


@dataclass(frozen=True, slots=True)
class Supersede(Envelope):
    """A newer generation took over: finish what is in hand, take no more, leave."""

    KIND: ClassVar[int] = 18
    lease: str
    generation: int


@dataclass(frozen=True, slots=True)
class Unknown(Envelope):
    """This connection has no lease (any more): register again."""

    KIND: ClassVar[int] = 19
    lease: str


@dataclass(frozen=True, slots=True)
class End(Envelope):
    """The lease is ended for what the worker sent."""

    KIND: ClassVar[int] = 20
    lease: str
    text: str


@dataclass(frozen=True, slots=True)
class Requested(Envelope):
    """One or more interventions."""

    KIND: ClassVar[int] = 21
    shared: tuple[SharedPart, ...]
    items: tuple[RequestItem, ...]


@dataclass(frozen=True, slots=True)
class Cancel(Envelope):
    """Stop working on a request; a final answer is still to be sent, to free the credit."""

    KIND: ClassVar[int] = 22
    token: str
    why: CancelReason
    closed: bool
    """Nobody awaits an answer any more."""


@dataclass(frozen=True, slots=True)
class Credit(Envelope):
    """So many more answers may be sent."""

    KIND: ClassVar[int] = 23
    token: str
    answers: int


@dataclass(frozen=True, slots=True)
class Repeat(Envelope):
    """A notification once more: the trailing frame is its envelope."""

    KIND: ClassVar[int] = 24
    topic: str


@dataclass(frozen=True, slots=True)
class Replayed(Envelope):
    """Everything of a REPLAY that is still kept has been repeated."""

    KIND: ClassVar[int] = 25
    topic: str
    stream: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Generation(Envelope):
    """The promised generation."""

    KIND: ClassVar[int] = 26
    worker: str
    generation: int


@dataclass(frozen=True, slots=True)
class CommandResult(Envelope):
    """What came of a COMMAND; a data set is the trailing frame."""

    KIND: ClassVar[int] = 27
    command: str
    final: bool
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Watched(Envelope):
    """The topics that somebody watches at this acceptor, all of them."""

    KIND: ClassVar[int] = 28
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Notified(Envelope):
    """A notification; its topic is the frame before."""

    KIND: ClassVar[int] = 32
    stream: str
    seq: int
    timestamp: float
    body: dict[str, Any]
    assoc: bytes


@dataclass(frozen=True, slots=True)
class Beacon(Envelope):
    """The last seq of the topic so far; also confirms a subscription."""

    KIND: ClassVar[int] = 33
    stream: str
    seq: int


def decode(data: bytes | memoryview) -> Envelope:
    """Return one envelope; raises FabricError for any bytes that are none."""
    values = unpack(data)
    if type(values) is not list or not values or type(values[0]) is not int:
        raise FabricError("not an envelope: no array that begins with a kind")
    known = _KINDS.get(values[0])
    if known is None:
        raise FabricError(f"kind {values[0]} is unknown")
    kind, checks = known
    if len(values) != len(checks) + 2:
        raise FabricError(f"{kind.__name__} has {len(checks)} fields, not {len(values) - 2}")
    if type(values[-1]) is not dict:
        raise FabricError(f"{kind.__name__} does not end in a map")
    return kind(*[check(value) for check, value in zip(checks, values[1:-1], strict=True)])


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "int": as_number,
    "str": as_text,
    "bool": exactly(bool),
    "float": as_seconds,
    "bytes": exactly(bytes),
    "dict[str, Any]": exactly(dict),
    "tuple[Binding, ...]": as_bindings,
    "tuple[str, ...]": as_texts,
    "tuple[SharedPart, ...]": as_shared,
    "tuple[RequestItem, ...]": as_requests,
    "tuple[AnswerItem, ...]": as_answers,
    "Refusal": as_choice(Refusal),
    "CancelReason": as_choice(CancelReason),
}

ENVELOPES: tuple[type[Envelope], ...] = (
    *(Register, Heartbeat, Answered, Bye, Publish, Replay, NextGeneration),
    *(Command, CommandCancel, Extend),
    *(Grant, Refuse, Supersede, Unknown, End, Requested, Cancel, Credit, Repeat, Replayed),
    *(Generation, CommandResult, Watched, Notified, Beacon),
)
"""Every kind of envelope, in the order of their numbers."""

_KINDS = {
    kind.KIND: (kind, tuple(_CHECKS[cast("str", f.type)] for f in fields(kind)))
    for kind in ENVELOPES
}
