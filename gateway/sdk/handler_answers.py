"""Convert what a handler returns into the answer that goes to the acceptor.

The acceptor turns a failure into a status by the catalogue; here it is only named: *raised*,
*no_status*, *bad_status*, *forbidden* or *encoding*. Whether a status ends the request is decided
here as well, once, and goes along as `Answer.final`.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from gateway.datasets import DatasetError
from gateway.datasets.coding import encode
from gateway.dimse.status import SUCCESS, Category, category
from gateway.events import (
    EVT_N_CREATE,
    Fate,
    InterventionEvent,
    PairEvent,
    StatusEvent,
    TransformEvent,
)
from gateway.fabric import Answer
from gateway.sdk import negotiation_answers, transform_answers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.sdk.bound_handler import AnyEvent
    from gateway.sdk.event import Event

log = logging.getLogger("gateway.sdk")

MAX_STATUS = 0xFFFF
MAX_COMMENT = 64
"""Characters of an Error Comment (LO)."""
MAX_ERROR = 500
"""Characters of a failure's text, for the acceptor's log."""

SUCCEEDED = Answer({"status": SUCCESS, "elements": {}})


def failure(kind: str, error: str) -> Answer:
    """Return the answer for a handler that failed to give one."""
    text = error[:MAX_ERROR].encode("utf-8", "replace").decode()
    return Answer({"failed": kind, "error": text})


def raised(error: BaseException) -> Answer:
    """Return the answer for a handler that raised: type and first line of the error."""
    text = str(error).strip().split("\n", 1)[0]
    return failure("raised", f"{type(error).__name__}: {text}" if text else type(error).__name__)


TOO_LATE = failure("raised", "past its deadline")
UNWANTED = Answer({})
"""The last answer to a request that nobody waits for any more."""


def answer_to(event: Event, returned: Any) -> Answer:
    """Return the answer to an event that is answered once."""
    match event.event:
        case StatusEvent():
            return status_answer(event.event, returned)
        case PairEvent():
            return pair_answer(event, returned)
        case TransformEvent():
            return transform_answer(event, returned)
        case _:
            return negotiation_answer(event, returned)


def batch_failure(event: AnyEvent, returned: Any, number: int) -> Answer | None:
    """Return the answer to each event of a batch whose handler did not return one for each."""
    if isinstance(returned, list | tuple) and len(returned) == number:
        return None
    got = f"{len(returned)}" if isinstance(returned, list | tuple) else type(returned).__name__
    error = f"{event}: a batch of {number} needs a list of as many answers, not {got}"
    log.error("%s", error)
    return failure("bad_status", error)


def negotiation_answer(event: Event, returned: Any) -> Answer:
    """Return the answer to a negotiation event."""
    try:
        return Answer({"value": negotiation_answers.CONVERTERS[event.name](returned)})
    except (TypeError, ValueError) as error:
        log.error("event=%s the answer is not a %s", event.name, error)  # noqa: TRY400 - says it all
        return failure("bad_status", f"{event.name}: the answer is not a {error}")


def status_answer(event: InterventionEvent, returned: Any) -> Answer:
    """Return the answer for a status: an int, or a data set with Status (PS3.7 annex C)."""
    if type(returned) is int and returned == SUCCESS:
        return SUCCEEDED
    status, elements = returned, {}
    if isinstance(returned, Dataset):
        if "Status" not in returned:
            return failure("no_status", f"{event}: the answer's data set has no Status")
        status, elements = returned.Status, _elements(event, returned)
    if isinstance(status, bool) or not isinstance(status, int):
        return failure("bad_status", f"{event}: a {type(status).__name__} is not a status")
    if not 0 <= status <= MAX_STATUS:
        return failure("bad_status", f"{event}: {int(status)} is not a status")
    fate = event.fate(status)
    if fate is Fate.FORBIDDEN:
        return failure("forbidden", f"{event}: the service has no status 0x{int(status):04X}")
    payload = {"status": int(status), "elements": elements}
    return Answer(payload, final=fate is Fate.ENDS)


def transform_answer(event: Event, returned: Any) -> Answer:
    """Return the answer of a transform: a data set; success, keep it as it is; or a refusal."""
    if isinstance(returned, Dataset) and "Status" not in returned:
        try:
            return Answer(*transform_answers.file_answer(event, returned))
        except DatasetError as error:
            log.error("event=%s association=%s %s", event.name, event.assoc_name, error)  # noqa: TRY400
            return failure("encoding", str(error))
    answer = status_answer(event.event, returned)  # type: ignore[arg-type]
    status = answer.payload.get("status")
    if status and category(status) is not Category.FAILURE:
        return failure("forbidden", f"{event.name}: the status 0x{status:04X} is not a refusal")
    return answer


def split_pair(event: Event, returned: Any) -> tuple[Answer, Any]:
    """Return the answer for the status of a pair, and the other value of the pair."""
    if not (isinstance(returned, tuple) and len(returned) == 2):
        error = f"{event.name}: the answer is not (status, data set or None)"
        return failure("bad_status", error), None
    return status_answer(event.event, returned[0]), returned[1]  # type: ignore[arg-type]


def pair_answer(event: Event, returned: Any) -> Answer:
    """Return the answer for a pair of status and data set or None.

    The data set is encoded in the transfer syntax of the event's presentation context; bytes are
    that already.
    """
    return attach(event, *split_pair(event, returned))


def attach(event: Event, answer: Answer, attached: Any) -> Answer:
    """Return the answer of a status with a data set, as `pair_answer` does."""
    if "failed" in answer.payload:
        return answer
    if event.event is EVT_N_CREATE and isinstance(attached, Dataset):
        answer = _with_assigned_uid(event, answer, attached)
    if attached is None:
        return answer
    if isinstance(attached, bytes):
        return Answer(answer.payload, attached, answer.final)
    if not isinstance(attached, Dataset):
        return failure("encoding", f"{event.name}: {type(attached).__name__} is not a data set")
    try:
        encoded = encode(attached, event.context.transfer_syntax)
    except DatasetError as error:
        where = event.name, event.assoc_name
        log.error("event=%s association=%s the answer: %s", *where, error)  # noqa: TRY400 - says it all
        return failure("encoding", f"{event.name}: {error}")
    return Answer(answer.payload, encoded, answer.final)


def _with_assigned_uid(event: Event, answer: Answer, attributes: Dataset) -> Answer:
    """Return the answer to an N-CREATE with the UID that the handler assigned to the instance.

    A handler may put AffectedSOPInstanceUID into the status or into the attributes, as pynetdicom's
    do; it belongs to the response's command set (PS3.7 10.1.5.1.4).
    """
    assigned = attributes.get("AffectedSOPInstanceUID")
    if not assigned or event.request.AffectedSOPInstanceUID is not None:
        return answer
    elements = {"AffectedSOPInstanceUID": str(assigned), **answer.payload["elements"]}
    return Answer({**answer.payload, "elements": elements}, final=answer.final)


def _comment(value: Any) -> str:
    """Return an Error Comment: 64 characters of the default repertoire (PS3.7 C, PS3.5 6.1.1)."""
    values = [value] if isinstance(value, str) else list(value)
    return re.sub(r"[^ -\[\]-~]", "?", "\\".join(map(str, values)))[:MAX_COMMENT]


def _tags(value: Any) -> list[int]:
    items = [value] if isinstance(value, int) else list(value or ())
    return [int(tag) for tag in items]


_ELEMENTS: Mapping[str, Callable[[Any], Any]] = {
    "ErrorComment": _comment,
    "OffendingElement": _tags,
    "ErrorID": int,
    "AttributeIdentifierList": _tags,
    "AffectedSOPClassUID": str,
    "AffectedSOPInstanceUID": str,
    "EventTypeID": int,
    "ActionTypeID": int,
}
"""Optional elements of a status (PS3.7 annex C), and how each becomes a plain value."""


def _elements(event: InterventionEvent, returned: Dataset) -> dict[str, Any]:
    elements: dict[str, Any] = {}
    for element in returned:
        if element.keyword in _ELEMENTS and element.value is not None:
            elements[element.keyword] = _ELEMENTS[element.keyword](element.value)
        elif element.keyword != "Status":
            log.warning("event=%s element=%s does not belong to a status", event, element.tag)
    return elements
