"""What a field of an envelope may be: each check returns the value, or raises FabricError."""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from gateway.errors import FabricError
from gateway.fabric.wire.frames import MAX_DATA
from gateway.fabric.wire.terms import Binding

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_NAME = 256
"""Characters of a name, a lease, a token, a text."""
MAX_BINDINGS = 64
MAX_BATCH = 256
"""Requests or answers of one message."""
MAX_DEADLINE = 86400.0

Choice = TypeVar("Choice", bound=Enum)


class SharedPart(NamedTuple):
    """What several requests of one REQUESTED have in common."""

    event: str
    assoc: bytes
    payload: dict[str, Any]
    """The part of their payloads that is the same."""


class RequestItem(NamedTuple):
    """One request of a REQUESTED."""

    token: str
    shared: int
    """Index of its `SharedPart`."""
    attempt: int
    deadline: float
    credit: int
    """Answers that may be sent before the final one without further CREDIT."""
    payload: dict[str, Any]
    """What it has beside the shared payload."""
    size: int | None
    """Bytes of its data set in the data frame; None: it has none."""


class AnswerItem(NamedTuple):
    """One answer of an ANSWERED."""

    token: str
    final: bool
    payload: dict[str, Any]
    size: int | None
    """Bytes of its data set in the data frame; None: it has none."""


def exactly(wanted: type) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if type(value) is not wanted:
            raise FabricError(f"{type(value).__name__} where {wanted.__name__} belongs")
        return value

    return check


def as_text(value: Any) -> str:
    if type(value) is not str or len(value) > MAX_NAME:
        raise FabricError("not a text of reasonable length")
    return value


def as_number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise FabricError("not a number from 0 up")
    return value


def as_seconds(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
        raise FabricError("not a time")
    return float(value)


def as_size(value: Any) -> int | None:
    if value is not None and not (type(value) is int and 0 <= value <= MAX_DATA):
        raise FabricError("not the size of a data set")
    return value


def as_choice(kind: type[Choice]) -> Callable[[Any], Choice]:
    def check(value: Any) -> Choice:
        try:
            return kind(value)
        except ValueError as error:
            raise FabricError(f"not a {kind.__name__}") from error

    return check


def as_texts(value: Any) -> tuple[str, ...]:
    if type(value) is not list:
        raise FabricError("not a list of texts")
    return tuple(as_text(text) for text in value)


def as_bindings(value: Any) -> tuple[Binding, ...]:
    return tuple(as_binding(*row) for row in _rows(value, MAX_BINDINGS, 4))


def as_binding(event: Any, redeliver: Any, durable: Any, deadline: Any) -> Binding:
    seconds = as_seconds(deadline)
    if not 0 < seconds <= MAX_DEADLINE:
        raise FabricError("a deadline is more than 0 and at most a day")
    return Binding(as_text(event), _flag(redeliver), _flag(durable), seconds)


def as_shared(value: Any) -> tuple[SharedPart, ...]:
    return tuple(
        SharedPart(as_text(event), _bytes(assoc), _map(payload))
        for event, assoc, payload in _rows(value, MAX_BATCH, 3)
    )


def as_requests(value: Any) -> tuple[RequestItem, ...]:
    return tuple(as_request(*row) for row in _rows(value, MAX_BATCH, 7))


def as_request(token: Any, shared: Any, *rest: Any) -> RequestItem:
    attempt, deadline, credit, payload, size = rest
    return RequestItem(
        as_text(token),
        as_number(shared),
        as_number(attempt),
        as_seconds(deadline),
        as_number(credit),
        _map(payload),
        as_size(size),
    )


def as_answers(value: Any) -> tuple[AnswerItem, ...]:
    return tuple(
        AnswerItem(as_text(token), _flag(final), _map(payload), as_size(size))
        for token, final, payload, size in _rows(value, MAX_BATCH, 4)
    )


_flag, _bytes, _map = exactly(bool), exactly(bytes), exactly(dict)


def _rows(value: Any, limit: int, length: int) -> list[list[Any]]:
    if type(value) is not list or len(value) > limit:
        raise FabricError(f"not a list of at most {limit}")
    for row in value:
        if type(row) is not list or len(row) != length:
            raise FabricError(f"not an array of {length}")
    return value
