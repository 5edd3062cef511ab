"""A handler with its registration, and the checks that are made when it is bound."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, TypeAlias

from gateway import events
from gateway.dimse.command_elements import CommandField
from gateway.dimse.services import service_of
from gateway.uid import is_valid, name_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Generator, Iterable, Sequence

    from pydicom.dataset import Dataset

    from gateway.sdk.event import Event

AnyEvent: TypeAlias = events.NotificationEvent | events.InterventionEvent
AnyHandler: TypeAlias = Callable[..., Any]
_ANSWERED_ONCE = events.StatusEvent | events.PairEvent | events.TransformEvent

if TYPE_CHECKING:
    Status: TypeAlias = int | Dataset
    Pair: TypeAlias = tuple[Status, Dataset | bytes | None]

    StatusAnswer: TypeAlias = Status | Coroutine[Any, Any, Status]
    PairAnswer: TypeAlias = Pair | Coroutine[Any, Any, Pair]
    Matches: TypeAlias = tuple[Status, Dataset | bytes | list[Dataset] | list[bytes] | None]
    QueryAnswer: TypeAlias = Iterable[Matches] | AsyncIterator[Matches] | None
    RetrieveAnswer: TypeAlias = Iterable[Any] | AsyncIterator[Any]

    StatusHandler: TypeAlias = Callable[Concatenate[Event, ...], StatusAnswer]
    PairHandler: TypeAlias = Callable[Concatenate[Event, ...], PairAnswer]
    QueryHandler: TypeAlias = Callable[Concatenate[Event, ...], QueryAnswer]
    RetrieveHandler: TypeAlias = Callable[Concatenate[Event, ...], RetrieveAnswer]
    Watcher: TypeAlias = Callable[Concatenate[Event, ...], Any]
    EventTest: TypeAlias = Callable[[Event], bool]

    Statuses: TypeAlias = Sequence[Status | Exception]
    StatusBatch: TypeAlias = (
        Statuses | Coroutine[Any, Any, Statuses] | Generator[None, None, Statuses]
    )
    StatusBatchHandler: TypeAlias = Callable[Concatenate[list[Event], ...], StatusBatch]
    AnyBatchHandler: TypeAlias = Callable[Concatenate[list[Event], ...], Any]


@dataclass(frozen=True, slots=True)
class BoundHandler:
    """A handler, its arguments after the event, and its registration."""

    event: AnyEvent
    function: AnyHandler
    args: tuple[Any, ...] = ()
    redeliver: bool = False
    """Whether it may be given a request that another member had in hand when it died."""
    durable: bool = False
    """C-STORE: whether data is on disk before it is offered."""
    deadline: float = events.DEADLINE
    """Seconds for each answer."""
    batch: int = 0
    """Called with a list of at most this many events, and returns a list; 0: with one event."""
    sop_classes: tuple[str, ...] | None = None
    """The SOP classes whose requests it takes; None: all that no other worker names."""
    sends: tuple[str, ...] = ()
    """SOP classes for which it sends requests, and need not take any."""
    alone: EventTest | None = None
    """Tells the events that are given to a batch handler one by one, beside the other batches."""

    @property
    def name(self) -> str:
        return describe(self.function)


def describe(function: AnyHandler) -> str:
    """Return the name of a handler for messages."""
    return getattr(function, "__qualname__", None) or type(function).__name__


def check(bound: BoundHandler) -> None:
    """Raise TypeError or ValueError for a handler that cannot work."""
    event, function = bound.event, bound.function
    if not (isinstance(event, AnyEvent) and events.CATALOGUE.get(event.name) is event):
        raise ValueError(f"{event!r} is not an event of gateway.evt")
    if not callable(function):
        raise TypeError(f"a handler of {event} must be callable, not {function!r}")
    if event.is_notification and (bound.redeliver or bound.durable):
        raise ValueError(f"{event} is a notification: nothing is redelivered or made durable")
    if not bound.deadline > 0:
        raise ValueError(f"the deadline of {event} must be more than 0 s, not {bound.deadline!r}")
    if bound.batch:
        _check_batch(bound)
    elif bound.alone is not None:
        raise ValueError(f"`alone` is for batches, and {event} comes without")
    if bound.sop_classes is not None:
        _check_sop_classes(bound, bound.sop_classes)
    _check_kind(bound)
    _check_signature(bound)


def uids(given: Iterable[str] | None, option: str) -> tuple[str, ...]:
    """Return the UIDs of an option, each once; raises TypeError or ValueError."""
    if isinstance(given, str):
        raise TypeError(f"{option} is a list of UIDs, not {given!r}")
    found = tuple(dict.fromkeys(str(uid) for uid in given or ()))
    if invalid := [uid for uid in found if not is_valid(uid)]:
        raise ValueError(f"{option}: {invalid[0]!r} is not a valid UID")
    return found


def _check_sop_classes(bound: BoundHandler, sop_classes: Sequence[str]) -> None:
    event = bound.event
    if not sop_classes:
        raise ValueError(f"the sop_classes of {event} are empty: it would never be called")
    if getattr(event, "failures", None) is None or getattr(event, "is_held_by_name", False):
        raise ValueError(f"{event} is not about a SOP class")
    operation = CommandField[f"{event.name.removeprefix('EVT_')}_RQ"]
    for uid in sop_classes:
        if operation not in service_of(uid).operations:
            name = operation.name.removesuffix("_RQ").replace("_", "-")
            raise ValueError(f"{name_of(uid)} has no {name}: {event} never comes for it")


def _check_batch(bound: BoundHandler) -> None:
    event, batch = bound.event, bound.batch
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise ValueError(f"the batch of {event} must be a number from 1 up, not {batch!r}")
    if event.is_notification:
        raise ValueError(f"{event} is a notification: there is nothing to answer in a batch")
    if getattr(event, "streams", False):
        raise ValueError(f"{event} has many answers to each request: it cannot come in batches")


def _check_kind(bound: BoundHandler) -> None:
    event, function = bound.event, bound.function
    generates = inspect.isasyncgenfunction(function) or (
        inspect.isgeneratorfunction(function) and not bound.batch
    )
    if generates and isinstance(event, _ANSWERED_ONCE):
        raise TypeError(f"{describe(function)} is a generator, but {event} has one answer")


def _check_signature(bound: BoundHandler) -> None:
    try:
        signature = inspect.signature(bound.function)
    except ValueError:  # some builtins have none
        return
    try:
        signature.bind(None, *bound.args)
    except TypeError as error:
        called = ", ".join(
            ["events" if bound.batch else "event", *(f"args[{i}]" for i in range(len(bound.args)))]
        )
        raise TypeError(
            f"{bound.name}{signature} cannot be called as {bound.name}({called}): {error}"
        ) from None


def _unbound(event: Event) -> None:
    raise LookupError(f"no handler is bound to {event.name} any more")


UNBOUND = BoundHandler(events.EVT_C_ECHO, _unbound)
"""Called for a request whose handler was unbound while it was on its way."""
