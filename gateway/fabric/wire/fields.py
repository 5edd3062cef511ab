"""Checks of the fields of envelopes: each returns the value, or raises FabricError."""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from gateway.errors import FabricError
from gateway.fabric.wire.frames import MAX_DATA
from gateway.fabric.wire.terms import Binding

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_NAME = 256
"""Characters of a name, a lease, a token or a text at most."""
MAX_BINDINGS = 64
MAX_BATCH = 256
"""Requests or answers in one message at most."""
MAX_DEADLINE = 86400.0

Choice = TypeVar("Choice", bound=Enum)


SharedPart: TypeAlias = tuple[str, bytes, dict[str, Any]]
"""The common part of several requests of one REQUESTED: the event, the association's description,
and the part of their payloads that is the same."""
RequestItem: TypeAlias = tuple[str, int, int, float, int, dict[str, Any], int | None]
"""One request of a REQUESTED: token, index of its `SharedPart`, attempt, deadline, answers that may
be sent before the final one without further CREDIT, what its payload has beside the shared part,
and the bytes of its data set in the data frame (None: it has none)."""
AnswerItem: TypeAlias = tuple[str, bool, dict[str, Any], int | None]
"""One answer of an ANSWERED: token, whether it is final, payload, and the bytes of its data set in
the data frame (None: it has none)."""

_REQUESTS = frozenset(
    (str, int, int, deadline, int, dict, size)
    for deadline in (int, float)
    for size in (int, type(None))
)
"""The types of the fields of a request."""
_ANSWER = (str, bool, dict)


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


def as_numbers(value: Any) -> tuple[int, ...]:
    if type(value) is not list:
        raise FabricError("not a list of numbers")
    return tuple(as_number(number) for number in value)


def as_bindings(value: Any) -> tuple[Binding, ...]:
    return tuple(as_binding(*row) for row in _rows(value, MAX_BINDINGS, 4))


def as_binding(event: Any, redeliver: Any, durable: Any, deadline: Any) -> Binding:
    seconds = as_seconds(deadline)
    if not 0 < seconds <= MAX_DEADLINE:
        raise FabricError("a deadline is more than 0 and at most a day")
    return Binding(as_text(event), _flag(redeliver), _flag(durable), seconds)


def as_class_lists(value: Any, number: int) -> list[tuple[str, ...] | None]:
    """Return the SOP classes of each of `number` bindings; None: it does not name any."""
    if value is None:
        return [None] * number
    if type(value) is not list or len(value) != number:
        raise FabricError(f"not SOP classes of {number} bindings")
    return [None if uids is None else as_texts(uids) for uids in value]


def as_shared(value: Any) -> tuple[SharedPart, ...]:
    return tuple(
        (as_text(event), _bytes(assoc), _map(payload))
        for event, assoc, payload in _rows(value, MAX_BATCH, 3)
    )


def as_requests(value: Any) -> tuple[RequestItem, ...]:
    """Return the items of a REQUESTED. There are many, so not every field costs a call."""
    rows = _rows(value, MAX_BATCH, 7)
    for row in rows:
        token, shared, attempt, deadline, credit, _, size = row
        if (
            tuple(map(type, row)) not in _REQUESTS
            or len(token) > MAX_NAME
            or shared < 0
            or attempt < 0
            or credit < 0
            or not 0 <= deadline < math.inf
            or not (size is None or 0 <= size <= MAX_DATA)
        ):
            raise FabricError("not a request")
    return tuple(map(tuple, rows))


def as_answers(value: Any) -> tuple[AnswerItem, ...]:
    """Return the items of an ANSWERED."""
    rows = _rows(value, MAX_BATCH, 4)
    for token, final, payload, size in rows:
        if (type(token), type(final), type(payload)) != _ANSWER or len(token) > MAX_NAME:
            raise FabricError("not an answer")
        if size is not None:
            as_size(size)
    return tuple(map(tuple, rows))


_flag, _bytes, _map = exactly(bool), exactly(bytes), exactly(dict)


def _rows(value: Any, limit: int, length: int) -> list[list[Any]]:
    if type(value) is not list or len(value) > limit:
        raise FabricError(f"not a list of at most {limit}")
    for row in value:
        if type(row) is not list or len(row) != length:
            raise FabricError(f"not an array of {length}")
    return value
