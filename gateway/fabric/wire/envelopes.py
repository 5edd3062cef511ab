"""The envelopes: one frozen type for each, encoded as `[kind, field, ..., more]` in this order.

`more` is a map; a receiver ignores the keys that it does not know. REGISTER alone has any.
`decode` is total: any bytes give an envelope or a FabricError. PROTOCOL.md is the reference.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

from gateway.errors import FabricError
from gateway.fabric.wire import fields
from gateway.fabric.wire.frames import pack, unpack
from gateway.fabric.wire.terms import Binding, CancelReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.fabric.wire.fields import AnswerItem, RequestItem, SharedPart

MAX_CREDIT = 4096


class Refusal(StrEnum):
    """The reason why an acceptor refuses a registration."""

    HELD = "held"
    """Another name holds one of the events."""
    SUPERSEDED = "superseded"
    """A newer generation of the same name has registered."""
    JOINING = "joining"
    """The acceptor has just started beside others: try again."""
    INVALID = "invalid"
    """The registration itself is wrong, or of another protocol version."""


class UnknownKind(FabricError):  # noqa: N818 - a partner of a later version makes no error
    """The kind of an envelope is unknown here."""


ENVELOPES: dict[int, type[Envelope]] = {}
"""Every type of envelope by its kind."""

_CHECKS: dict[str, Callable[[Any], Any]] = {
    "int": fields.as_number,
    "str": fields.as_text,
    "bool": fields.exactly(bool),
    "float": fields.as_seconds,
    "bytes": fields.exactly(bytes),
    "dict[str, Any]": fields.exactly(dict),
    "tuple[Binding, ...]": fields.as_bindings,
    "tuple[str, ...]": fields.as_texts,
    "tuple[int, ...]": fields.as_numbers,
    "tuple[SharedPart, ...]": fields.as_shared,
    "tuple[RequestItem, ...]": fields.as_requests,
    "tuple[AnswerItem, ...]": fields.as_answers,
    "Refusal": fields.as_choice(Refusal),
    "CancelReason": fields.as_choice(CancelReason),
}


@dataclass_transform(frozen_default=True)
class Envelope:
    """The base of all envelopes; `kind` is the number in PROTOCOL.md."""

    KIND: ClassVar[int]
    CHECKS: ClassVar[tuple[Callable[[Any], Any], ...]]
    """The checks of the fields, in their order."""

    def __init_subclass__(cls, kind: int) -> None:
        dataclass(frozen=True)(cls)
        cls.KIND = kind
        positional = [n for n in cls.__annotations__ if n not in vars(cls)]
        cls.CHECKS = tuple(_CHECKS[cls.__annotations__[name]] for name in positional)
        ENVELOPES[kind] = cls

    def encode(self) -> bytes:
        return pack([self.KIND, *vars(self).values(), {}])

    def with_more(self, more: dict[str, Any]) -> Envelope:  # noqa: ARG002 - for subclasses
        """Return the envelope with what the map at its end says; raise FabricError."""
        return self


class Register(Envelope, kind=1):
    """Ask for a lease, or change the one this connection has."""

    version: int
    worker: str
    generation: int
    member: int
    credit: int
    pid: int
    place: str
    """The PID namespace that the pid belongs to; empty: unknown."""
    instance: str
    """A random name of the client: a second connection with it replaces the first."""
    incumbent: bool
    """Whether this worker holds a grant of another acceptor."""
    revision: int
    """Repeated in the reply."""
    bindings: tuple[Binding, ...]
    sends: tuple[str, ...] = ()
    """In the map, and so are the SOP classes of the bindings, in their order."""

    def encode(self) -> bytes:
        *fields_before, bindings, sends = vars(self).values()
        named = [binding.sop_classes for binding in bindings]
        more: dict[str, Any] = {"sends": sends} if sends else {}
        if any(uids is not None for uids in named):
            more["sop_classes"] = named
        return pack([self.KIND, *fields_before, [b[:4] for b in bindings], more])

    def with_more(self, more: dict[str, Any]) -> Register:
        named = fields.as_class_lists(more.get("sop_classes"), len(self.bindings))
        bindings = tuple(
            binding._replace(sop_classes=uids)
            for binding, uids in zip(self.bindings, named, strict=True)
        )
        return replace(self, bindings=bindings, sends=fields.as_texts(more.get("sends", [])))


class Heartbeat(Envelope, kind=2):
    """The worker's sign of life, and the acceptor's echo of it."""

    lease: str


class Answered(Envelope, kind=3):
    """Answers to one or more requests."""

    items: tuple[AnswerItem, ...]


class Bye(Envelope, kind=4):
    """The member takes no more requests; those in hand may still be answered."""

    lease: str


class Publish(Envelope, kind=5):
    """A worker's own notification, to be published by this acceptor."""

    topic: str
    body: dict[str, Any]
    assoc: bytes


class Replay(Envelope, kind=6):
    """Send notifications `first` to `last` of a topic once more."""

    topic: str
    stream: str
    first: int
    last: int


class NextGeneration(Envelope, kind=7):
    """Ask for a generation of this name that nobody else has."""

    worker: str


class Command(Envelope, kind=8):
    """Do something on an association; a data set is the trailing frame."""

    command: str
    """Chosen by the worker; repeated in each COMMANDRESULT."""
    association: str
    operation: str
    payload: dict[str, Any]


class CommandCancel(Envelope, kind=9):
    """The worker waits for no further COMMANDRESULT of this command."""

    command: str


class Extend(Envelope, kind=10):
    """Restart the deadline of this request: the handler is waiting for a third party."""

    token: str


class Fetch(Envelope, kind=11):
    """Send this part of the file that the claim of a request in hand names."""

    token: str
    offset: int
    size: int


class ChunkTaken(Envelope, kind=12):
    """A chunk has been written: another one may be on its way."""

    receipt: str


class Grant(Envelope, kind=16):
    """The lease is held until BYE, death or SUPERSEDE."""

    lease: str
    stream: str
    heartbeat: float
    revision: int


class Refuse(Envelope, kind=17):
    """None of the events is granted; an older grant of the connection stands."""

    refusal: Refusal
    event: str
    holder: str
    text: str
    revision: int


class Supersede(Envelope, kind=18):
    """A newer generation took over: finish what is in hand, take no more, leave."""

    lease: str
    generation: int


class Unknown(Envelope, kind=19):
    """This connection has no lease (any more): register again."""

    lease: str


class End(Envelope, kind=20):
    """The lease is ended because of what the worker sent."""

    lease: str
    text: str


class Requested(Envelope, kind=21):
    """One or more interventions."""

    shared: tuple[SharedPart, ...]
    items: tuple[RequestItem, ...]


class Cancel(Envelope, kind=22):
    """Stop working on a request; a final answer is still to be sent, to free the credit."""

    token: str
    why: CancelReason
    closed: bool
    """Nobody awaits an answer any more."""


class Credit(Envelope, kind=23):
    """This many more answers may be sent."""

    token: str
    answers: int


class Repeat(Envelope, kind=24):
    """A notification once more: the trailing frame is its envelope."""

    topic: str


class Replayed(Envelope, kind=25):
    """Everything of a REPLAY that is still kept has been repeated."""

    topic: str
    stream: str
    first: int
    last: int


class Generation(Envelope, kind=26):
    """The promised generation."""

    worker: str
    generation: int


class CommandResult(Envelope, kind=27):
    """The result of a COMMAND; a data set is the trailing frame."""

    command: str
    final: bool
    payload: dict[str, Any]


class WatchedTopics(Envelope, kind=28):
    """The topics that somebody watches at this acceptor, all of them."""

    topics: tuple[str, ...]


class Chunk(Envelope, kind=29):
    """A part of a file is the trailing frame; without one the request is not in hand any more."""

    token: str
    offset: int
    receipt: str
    """Drawn at random: who returns it has read the chunk."""


class Acceptors(Envelope, kind=30):
    """The numbers of the acceptors that live on this host."""

    numbers: tuple[int, ...]


class Notified(Envelope, kind=32):
    """A notification; its topic is the frame before."""

    stream: str
    seq: int
    timestamp: float
    body: dict[str, Any]
    assoc: bytes


class Beacon(Envelope, kind=33):
    """The last seq of the topic so far; also confirms a subscription."""

    stream: str
    seq: int


def decode(data: bytes | memoryview) -> Envelope:
    """Return one envelope; raise FabricError for bytes that are not an envelope.

    UnknownKind is for what may be an envelope of a later version.
    """
    values = unpack(data)
    if type(values) is not list or not values or type(values[0]) is not int:
        raise FabricError("not an envelope: no array that begins with a kind")
    kind = ENVELOPES.get(values[0])
    if kind is None:
        raise UnknownKind(f"kind {values[0]} is unknown")
    checks = kind.CHECKS
    if len(values) != len(checks) + 2 or type(values[-1]) is not dict:
        raise FabricError(f"{kind.__name__} has {len(checks)} fields and ends in a map")
    envelope = kind(*[check(value) for check, value in zip(checks, values[1:-1], strict=True)])
    return envelope.with_more(values[-1]) if values[-1] else envelope
