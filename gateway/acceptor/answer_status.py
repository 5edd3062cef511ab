"""The status and elements of the response for a worker's answer, or for the lack of one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from gateway.dimse.command_elements import BY_KEYWORD, VR
from gateway.dimse.message import NCreateRQ
from gateway.dimse.services import is_known_status
from gateway.dimse.status import PROCESSING_FAILURE, SUCCESS, has_data_set
from gateway.errors import LocalProtocolError
from gateway.events import Fate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.dimse.message import Request
    from gateway.events import InterventionEvent
    from gateway.failure_statuses import Failures

log = logging.getLogger("gateway.acceptor")

MAX_STATUS = 0xFFFF
MAX_TAG = 0xFFFFFFFF


def failures_of(event: InterventionEvent) -> Failures:
    """Return the statuses of a DIMSE intervention that went wrong."""
    if event.failures is None:
        raise TypeError(f"{event.name} is a negotiation event and has no status")
    return event.failures


class Named(Protocol):
    """An association, as far as a log line names it."""

    @property
    def name(self) -> object: ...


def status_of(
    event: InterventionEvent,
    request: Request,
    payload: Mapping[str, Any],
    association: Named,
) -> tuple[int, dict[str, Any]]:
    """Return the status of the response to `request`, and further elements by PS3.7 keyword.

    The log names the association. An invalid answer is a failure, never a success.
    """
    failures = failures_of(event)
    if kind := payload.get("failed"):
        failed(event, str(kind), str(payload.get("error")), association)
        return failures.of(kind), {}
    status, elements = payload.get("status"), payload.get("elements", {})
    if type(status) is int and status == SUCCESS and elements == {}:
        return status, {}  # the usual case; every service and operation has it
    if not (
        type(status) is int
        and 0 <= status <= MAX_STATUS
        and _are_sound(elements)
        and _can_be_sent(request, status, elements)
    ):
        log.error("association=%s the answer to %s is not valid", association.name, event)
        return failures.bad_status, {}
    if event.fate(status) is Fate.FORBIDDEN:
        log.error(
            "association=%s the answer 0x%04X does not end %s", association.name, status, event
        )
        return failures.forbidden, {}
    if not is_known_status(request.sop_class_uid, status):
        log.warning(
            "association=%s status=0x%04X is not one of the service", association.name, status
        )
    return status, elements


def status_of_whole(
    event: InterventionEvent,
    request: Request,
    payload: Mapping[str, Any],
    association: Named,
) -> tuple[int, dict[str, Any]]:
    """Return what `status_of` does for the request of an N-service.

    An N-CREATE without an instance UID succeeds only if the answer has one (PS3.7 10.1.5.1.4).
    """
    status, elements = status_of(event, request, payload, association)
    lacks_uid = isinstance(request, NCreateRQ) and request.affected_sop_instance_uid is None
    if lacks_uid and has_data_set(status) and not elements.get("AffectedSOPInstanceUID"):
        log.error(
            "association=%s neither the N-CREATE-RQ nor the answer has an "
            "AffectedSOPInstanceUID: the handler has to assign one",
            association.name,
        )
        return PROCESSING_FAILURE, {}
    return status, elements


def failed(event: InterventionEvent, kind: str, why: str, association: Named) -> None:
    """Log what went wrong in a worker."""
    log.error("association=%s the %s handler failed (%s): %s", association.name, event, kind, why)


def _are_sound(elements: object) -> bool:
    """Return whether elements have the types of their VR: text, a number, or tags."""
    return isinstance(elements, dict) and all(
        keyword in BY_KEYWORD and _SOUND[BY_KEYWORD[keyword].vr](value)
        for keyword, value in elements.items()
    )


def _can_be_sent(request: Request, status: int, elements: dict[str, Any]) -> bool:
    """Return whether a response can carry the elements: no invalid UID, not too many tags."""
    try:
        if elements:
            request.response(status, elements).encode(has_data_set=False)
    except LocalProtocolError:
        return False
    return True


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_STATUS


def _are_tags(value: object) -> bool:
    return isinstance(value, list) and all(
        type(tag) is int and 0 <= tag <= MAX_TAG for tag in value
    )


_SOUND: dict[VR, Callable[[object], bool]] = {
    VR.AE: _is_text,
    VR.LO: _is_text,
    VR.UI: _is_text,
    VR.UL: _is_number,
    VR.US: _is_number,
    VR.AT: _are_tags,
}
