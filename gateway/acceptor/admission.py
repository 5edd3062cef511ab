"""Whether an association request is accepted, and with what (PS3.8 7.1.1, PS3.7 D.3).

The policy decides alone unless a worker is bound to one of the negotiation events. Admission and
identity fail closed: if such a worker is lost, late or busy, or its answer makes no sense, the
request is rejected for now (2,3,1). The other negotiations fall back to their default: nothing is
agreed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.acceptor.purpose import cannot_be_served_yet, only_stores
from gateway.association.certificate_subject import subject_of
from gateway.errors import Reason, Unanswered
from gateway.events import (
    EVT_ASSOCIATE,
    EVT_ASYNC_OPS,
    EVT_SOP_COMMON,
    EVT_SOP_EXTENDED,
    EVT_USER_ID,
)
from gateway.policy_rules import DRAINED, RequestingPeer, decide, lacks_required
from gateway.ul.items import UserIdentityRQ
from gateway.ul.negotiation import (
    LOCAL_LIMIT_EXCEEDED,
    TEMPORARY_CONGESTION,
    Answers,
    check_request,
)
from gateway.ul.pdu import AAssociateRJ

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.acceptor.asking import Asker
    from gateway.acceptor.shared import Shared
    from gateway.acceptor.shares import Holder
    from gateway.association.engine import AssociationEngine
    from gateway.events import InterventionEvent
    from gateway.policy_rules import Verdict
    from gateway.ul.items import UserInformation
    from gateway.ul.pdu import AAssociateRQ

log = logging.getLogger("gateway.acceptor")

REFUSED = AAssociateRJ(1, 1, 1)
"""The rejection if an admission worker answers a plain False."""

NOT_VERIFIED = (
    "the worker that answers EVT_USER_ID did not verify the peer's user identity: correct the user "
    "at the peer, or add it to that worker"
)
_BY_WORKER = "the worker that answers EVT_ASSOCIATE rejected it: that worker decides"

_PASSCODE = 2
"""The user identity type of username and passcode."""

_NOBODY = object()
"""No worker is bound to the event any more: the policy decides alone."""
_NO_ANSWER = object()


class Explained(NamedTuple):
    """A rejection, and a sentence for the operator that names what to change."""

    rejection: AAssociateRJ
    why: str


def verdict_on(shared: Shared, engine: AssociationEngine, request: AAssociateRQ) -> Verdict:
    """Return what the configured policy says of a peer."""
    identity = request.user_information.user_identity
    kind = identity.type if isinstance(identity, UserIdentityRQ) else 0
    peer = RequestingPeer(
        request.calling_ae_title,
        request.called_ae_title,
        engine.transport.remote[0],
        subject_of(engine.transport.peer_certificate),
        kind > 0,
        kind == _PASSCODE and not engine.transport.is_tls,
    )
    return decide(shared.settings.policy, shared.settings.ae_title, peer)


def turn_away(shared: Shared, request: AAssociateRQ, verdict: Verdict) -> Explained | None:
    """Return the rejection that needs no worker's answer; None if there is no reason for one."""
    if shared.draining:
        return Explained(TEMPORARY_CONGESTION, "the gateway is stopping")
    if shared.drained:
        return Explained(TEMPORARY_CONGESTION, DRAINED)
    return _by_rules(shared, request, verdict) or _by_state(shared, request)


def _by_rules(shared: Shared, request: AAssociateRQ, verdict: Verdict) -> Explained | None:
    """Return the rejection because of what the peer is or sent."""
    rejection = check_request(request, shared.policy)
    if rejection is not None and rejection != verdict.rejection:
        return Explained(rejection, rejection.describe())
    return Explained(verdict.rejection, verdict.sentence) if verdict.rejection else None


def _by_state(shared: Shared, request: AAssociateRQ) -> Explained | None:
    """Return the rejection because of what is missing at present."""
    if shared.watermark.is_passed and only_stores(request):
        text = "less than spool.refuse_below is free on the disk: make room"
        return Explained(LOCAL_LIMIT_EXCEEDED, text)
    lacking = _lacks_worker(shared, request)
    return Explained(TEMPORARY_CONGESTION, lacking) if lacking else None


def no_room(shared: Shared, holder: Holder) -> Explained:
    """Return the rejection of a peer for which there is no place."""
    settings = shared.settings
    for name in ("associations_per_address", "associations_per_title"):
        if getattr(settings.limits, name):
            text = f"{holder.address} has as many associations as limits.{name} lets it have"
            break
    else:
        text = (
            f"association.max_associations ({settings.association.max_associations}) are open, and "
            f"no other address has more than {holder.address}: raise it, or see who has them"
        )
    return Explained(LOCAL_LIMIT_EXCEEDED, text)


def _lacks_worker(shared: Shared, request: AAssociateRQ) -> str:
    """Return which worker is away without which nothing can be decided or done; empty: none is."""
    fabric, settings = shared.fabric, shared.settings
    for event in settings.policy.require:
        if not fabric.is_held(event):
            return lacks_required(event)
    for guard in _guards(request):
        if fabric.is_lost(guard.name):
            return f"the worker that answers {guard.name} is gone: see `dicom-gateway status`"
    if not settings.contexts and cannot_be_served_yet(request, fabric):
        return "no worker answers what the peer proposes at present: see `dicom-gateway status`"
    return ""


def _guards(request: AAssociateRQ) -> list[InterventionEvent]:
    """Return the events that decide whether this request is accepted.

    A killed admission worker does not mean that everybody is admitted.
    """
    asks_identity = isinstance(request.user_information.user_identity, UserIdentityRQ)
    return [EVT_ASSOCIATE, EVT_USER_ID] if asks_identity else [EVT_ASSOCIATE]


def questions(shared: Shared, request: AAssociateRQ) -> dict[InterventionEvent, dict[str, Any]]:
    """Return the questions to workers about a request: bound events with their payloads."""
    proposed = request.user_information
    asked = {
        event: payload
        for event, payload in _payloads(proposed).items()
        if shared.fabric.binding(event.name) is not None
    }
    if shared.fabric.binding(EVT_ASSOCIATE.name) is not None:
        asked = {EVT_ASSOCIATE: {}, **asked}
    return asked


def _payloads(proposed: UserInformation) -> dict[InterventionEvent, dict[str, Any]]:
    """Return what the request proposes, as the payloads of the events that decide on it."""
    payloads: dict[InterventionEvent, dict[str, Any]] = {}
    identity, window = proposed.user_identity, proposed.async_ops
    if isinstance(identity, UserIdentityRQ):
        payloads[EVT_USER_ID] = {
            "user_id_type": identity.type,
            "primary_field": identity.primary_field,
            "secondary_field": identity.secondary_field,
        }
    if window is not None and (window.invoked, window.performed) != (1, 1):
        invoked, performed = window.invoked, window.performed
        payloads[EVT_ASYNC_OPS] = {
            "nr_invoked": invoked,
            "nr_performed": performed,
            "invoked": invoked,
            "performed": performed,
        }
    if proposed.sop_class_extended:
        payloads[EVT_SOP_EXTENDED] = {
            "app_info": {
                item.sop_class_uid: item.application_information
                for item in proposed.sop_class_extended
            }
        }
    if proposed.sop_class_common_extended:
        payloads[EVT_SOP_COMMON] = {
            "items": {
                item.sop_class_uid: {
                    "sop_class_uid": item.sop_class_uid,
                    "service_class_uid": item.service_class_uid,
                    "related_general_sop_class_identification": list(
                        item.related_general_sop_classes
                    ),
                }
                for item in proposed.sop_class_common_extended
            }
        }
    return payloads


async def ask(
    association: Asker, asked: dict[InterventionEvent, dict[str, Any]]
) -> Answers | Explained:
    """Ask workers one after the other; return their answers, or the rejection that one gave."""
    given: dict[str, Any] = {}
    for event, payload in asked.items():
        value = await _ask(association, event, payload)
        if value is _NOBODY:
            continue
        understood = None if value is _NO_ANSWER else _READERS[event](value)
        if isinstance(understood, AAssociateRJ):
            return Explained(understood, _BY_WORKER)
        if understood is not None:
            given |= understood
        elif event.fails_closed:
            text = f"the worker that answers {event} gave no valid answer in time: see its log"
            return Explained(TEMPORARY_CONGESTION, text)
        if value is not _NO_ANSWER and understood is None:
            log.error(
                "association=%s the answer to %s is not valid", association.engine.name, event
            )
    return Answers(**given)


async def _ask(association: Asker, event: InterventionEvent, payload: dict[str, Any]) -> Any:
    try:
        answer = await association.shared.fabric.ask_once(
            event.name,
            payload,
            assoc=association.description(),
            asker=association.holder.address,
        )
    except Unanswered as error:
        if error.reason is Reason.NOBODY:
            return _NOBODY
        name = association.engine.name
        log.warning("association=%s %s unanswered: %s", name, event, error)
        return _NO_ANSWER
    if "failed" in answer.payload:
        why = answer.payload.get("error", "")
        name = association.engine.name
        log.error("association=%s the %s handler failed: %s", name, event, why)
        return _NO_ANSWER
    return answer.payload.get("value")


# Each reader returns what `Answers` takes, a rejection, or None for an invalid answer.


def _read_admission(value: Any) -> dict[str, Any] | AAssociateRJ | None:
    match value:
        case True:
            return {}
        case False:
            return REFUSED
        case [1 | 2 as result, 1 | 2 | 3 as source, int(reason)] if 0 <= reason <= 0xFF:
            return AAssociateRJ(result, source, reason)
        case _:
            return None


def _read_identity(value: Any) -> dict[str, Any] | None:
    match value:
        case [bool(verified), None | bytes() as response]:
            return {"user_identity": (verified, response)}
        case _:
            return None


def _read_window(value: Any) -> dict[str, Any] | None:
    match value:
        case [int(invoked), int(performed)] if all(
            0 <= number <= 0xFFFF for number in (invoked, performed)
        ):
            return {"async_ops": (int(invoked), int(performed))}
        case _:
            return None


def _read_extended(value: Any) -> dict[str, Any] | None:
    sound = isinstance(value, dict) and all(
        isinstance(uid, str) and isinstance(information, bytes)
        for uid, information in value.items()
    )
    return {"sop_extended": value} if sound else None


def _read_common(value: Any) -> dict[str, Any] | None:
    # The standard has no response to these items (PS3.7 D.3.3.6): the worker is only told.
    return {} if isinstance(value, dict) else None


_READERS: dict[InterventionEvent, Callable[[Any], dict[str, Any] | AAssociateRJ | None]] = {
    EVT_ASSOCIATE: _read_admission,
    EVT_USER_ID: _read_identity,
    EVT_ASYNC_OPS: _read_window,
    EVT_SOP_EXTENDED: _read_extended,
    EVT_SOP_COMMON: _read_common,
}
