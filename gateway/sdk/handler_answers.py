"""From what a handler returns to what the acceptor is told.

The acceptor turns a failure into a status by the catalogue; here it is only named: *raised*,
*no_status*, *bad_status*, *forbidden* or *encoding*.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from pydicom.dataset import Dataset

from gateway.dimse.status import Category, category
from gateway.events import (
    InterventionEvent,
    PairEvent,
    StatusEvent,
)
from gateway.sdk import dataset, negotiation_answers

if TYPE_CHECKING:
    from gateway.sdk.bound_handler import AnyEvent
    from gateway.sdk.event import Event

log = logging.getLogger("gateway.sdk")

MAX_STATUS = 0xFFFF
MAX_COMMENT = 64
"""Characters of an Error Comment (LO)."""
MAX_ERROR = 500
"""Characters of a failure's text, for the acceptor's log."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer as it goes to the acceptor."""

    payload: dict[str, Any] = field(default_factory=dict)
    data: bytes | None = None
    """An encoded data set."""
    final: bool = True


def failure(kind: str, error: str) -> Reply:
    """The answer of a handler that did not manage to give one."""
    text = error[:MAX_ERROR].encode("utf-8", "replace").decode()
    return Reply({"failed": kind, "error": text})


def raised(error: BaseException) -> Reply:
    """The answer of a handler that raised; the type and the first line say enough for a log."""
    text = str(error).strip().split("\n", 1)[0]
    return failure("raised", f"{type(error).__name__}: {text}" if text else type(error).__name__)


def reply(event: Event, answer: Any) -> Reply:
    """The answer to an event that is answered once."""
    match event.event:
        case StatusEvent():
            return status_reply(event.event, answer)
        case PairEvent():
            return pair_reply(event, answer)
        case _:
            return negotiated(event, answer)


def refused_batch(event: AnyEvent, result: Any, number: int) -> Reply | None:
    """The answer to each of a batch if its handler did not return one for each."""
    if isinstance(result, list | tuple) and len(result) == number:
        return None
    got = f"{len(result)}" if isinstance(result, list | tuple) else type(result).__name__
    error = f"{event}: a batch of {number} wants a list of as many answers, not {got}"
    log.error("%s", error)
    return failure("bad_status", error)


def negotiated(event: Event, answer: Any) -> Reply:
    """The answer to what is asked while an association is negotiated."""
    try:
        return Reply({"value": negotiation_answers.CONVERTERS[event.name](answer)})
    except (TypeError, ValueError) as error:
        log.error("event=%s the answer is no %s", event.name, error)  # noqa: TRY400 - says it all
        return failure("bad_status", f"{event.name}: the answer is no {error}")


def status_reply(event: InterventionEvent, answer: Any) -> Reply:
    """The answer that a status stands for: an int, or a data set with Status."""
    elements: dict[str, Any] = {}
    status = answer
    if isinstance(answer, Dataset):
        if "Status" not in answer:
            return failure("no_status", f"{event}: the answer's data set has no Status")
        status, elements = answer.Status, _elements(event, answer)
    if isinstance(status, bool) or not isinstance(status, int):
        return failure("bad_status", f"{event}: a status is not a {type(status).__name__}")
    if not 0 <= status <= MAX_STATUS:
        return failure("bad_status", f"{event}: {int(status)} is not a status")
    if category(int(status)) in _FORBIDDEN.get(event.name, _NOT_ONCE):
        return failure("forbidden", f"{event}: the service has no status 0x{int(status):04X}")
    return Reply({"status": int(status), "elements": elements})


def pair_reply(event: Event, answer: Any) -> Reply:
    """The answer of a pair of status and data set, which is encoded for the event's context."""
    if not (isinstance(answer, tuple) and len(answer) == 2):
        return failure("bad_status", f"{event.name}: the answer is not (status, data set or None)")
    status, attached = answer
    told = status_reply(event.event, status)  # type: ignore[arg-type]
    if attached is None or "failed" in told.payload:
        return told
    if not isinstance(attached, Dataset):
        return failure("encoding", f"{event.name}: {type(attached).__name__} is not a data set")
    try:
        encoded = dataset.encode(attached, event.context.transfer_syntax)
    except Exception as error:
        log.exception("event=%s the answer's data set cannot be encoded", event.name)
        return failure("encoding", f"{event.name}: {type(error).__name__} while encoding")
    return Reply(told.payload, encoded)


TOO_LATE = failure("raised", "past its deadline")
PUT_DOWN = Reply()
"""The last answer to a request that nobody awaits any more."""


_NOT_ONCE = frozenset({Category.PENDING, Category.CANCEL})
"""Classes that a service with one response to a request does not have (PS3.7 annex C)."""
_FORBIDDEN: dict[str, frozenset[Category]] = {
    "EVT_C_FIND": frozenset(),
    "EVT_C_GET": frozenset(),
    "EVT_C_MOVE": frozenset(),
}

Convert: TypeAlias = Callable[[Any], Any]


def _comment(value: Any) -> str:
    """An Error Comment: 64 characters of the default repertoire (PS3.7 annex C, PS3.5 6.1.1)."""
    return re.sub(r"[^ -\[\]-~]", "?", str(value))[:MAX_COMMENT]


def _tags(value: Any) -> list[int]:
    items = [value] if isinstance(value, int) else list(value or ())
    return [int(tag) for tag in items]


_ELEMENTS: Mapping[str, Convert] = {
    "ErrorComment": _comment,
    "OffendingElement": _tags,
    "ErrorID": int,
    "AttributeIdentifierList": _tags,
    "AffectedSOPClassUID": str,
    "AffectedSOPInstanceUID": str,
    "EventTypeID": int,
    "ActionTypeID": int,
}
"""Optional elements of a status (PS3.7 annex C), and their plain values."""


def _elements(event: InterventionEvent, answer: Dataset) -> dict[str, Any]:
    elements: dict[str, Any] = {}
    for element in answer:
        if element.keyword in _ELEMENTS and element.value is not None:
            elements[element.keyword] = _ELEMENTS[element.keyword](element.value)
        elif element.keyword != "Status":
            log.warning("event=%s element=%s is no element of a status", event, element.tag)
    return elements
