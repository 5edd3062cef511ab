"""The conversion of values that handlers of C-FIND, C-GET and C-MOVE have in common."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from gateway.datasets import Instance
from gateway.dimse.status import CANCEL
from gateway.dimse.suboperations import MOST
from gateway.fabric import Answer
from gateway.sdk.handler_answers import failure, pair_answer, split_pair

if TYPE_CHECKING:
    from gateway.sdk.event import Event

CANCELLED = Answer({"status": CANCEL, "elements": {}})


def as_pair(value: Any) -> Any:
    """Return the value, a list as a tuple."""
    return tuple(value) if isinstance(value, list) else value


def is_several(pair: Any) -> bool:
    """Return whether a pair has a list of matches or instances, to be sent one after the other."""
    return isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[1], list)


def early_status(event: Event, value: Any, kind: str) -> Answer:
    """Return the answer for a status in place of an earlier value: it ends the operation.

    `kind` names the failure if the status is a pending one.
    """
    answer = pair_answer(event, (value, None) if isinstance(value, Dataset) else value)
    if not answer.final:
        return failure(kind, f"{event.name}: a pending status is not a valid first value")
    return answer


def number_answer(event: Event, value: Any) -> Answer:
    """Return the answer for the number of sub-operations; a final one if it is not valid."""
    if isinstance(value, Dataset | tuple):
        return early_status(event, value, "number")
    try:
        number = -1 if isinstance(value, bool) else index(value)
    except TypeError:
        number = -1
    if number < 0:
        name = type(value).__name__
        return failure("number", f"{event.name}: {name} is not a number of sub-operations")
    if number > MOST:
        return failure("too_many", f"{event.name}: {number} sub-operations, {MOST} are the limit")
    return Answer({"number": number}, final=False)


def suboperation_pair(event: Event, value: Any) -> tuple[Answer, Any]:
    """Return the answer for a pair's status, and the instance to be sent if it is not final.

    A final answer has the data set of the pair, unless it cannot be encoded: a list of failures
    must not hide the status.
    """
    answer, attached = split_pair(event, value)
    if not answer.final:
        return answer, attached
    if isinstance(attached, Dataset):
        whole = pair_answer(event, value)
        answer = answer if whole.payload.get("failed") == "encoding" else whole
    return answer, None


def uid_of(instance: Any) -> str:
    """Return the SOP Instance UID of a data set or instance; empty if it has none."""
    if isinstance(instance, Instance):
        return instance.sop_instance_uid
    return str(getattr(instance, "SOPInstanceUID", "") or "")
