"""What a field of an envelope may be: each check gives the value, or raises FabricError."""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.errors import FabricError
from gateway.fabric.wire.terms import Binding

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_NAME = 256
"""Characters of a name, a lease, a token, a text."""
MAX_BINDINGS = 64
MAX_DEADLINE = 86400.0

Choice = TypeVar("Choice", bound=Enum)


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


def as_choice(kind: type[Choice]) -> Callable[[Any], Choice]:
    def check(value: Any) -> Choice:
        try:
            return kind(value)
        except ValueError as error:
            raise FabricError(f"not a {kind.__name__}") from error

    return check


def as_bindings(value: Any) -> tuple[Binding, ...]:
    if type(value) is not list or len(value) > MAX_BINDINGS:
        raise FabricError("not a list of bindings")
    return tuple(as_binding(row) for row in value)


def as_texts(value: Any) -> tuple[str, ...]:
    if type(value) is not list:
        raise FabricError("not a list of texts")
    return tuple(as_text(text) for text in value)


def as_binding(row: Any) -> Binding:
    if type(row) is not list or len(row) != 4:
        raise FabricError("a binding has 4 fields")
    event, redeliver, durable, deadline = row
    flag = exactly(bool)
    seconds = as_seconds(deadline)
    if not 0 < seconds <= MAX_DEADLINE:
        raise FabricError("a deadline is more than 0 and at the most a day")
    return Binding(as_text(event), flag(redeliver), flag(durable), seconds)
