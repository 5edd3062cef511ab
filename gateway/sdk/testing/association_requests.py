"""Admission, user identity and extended negotiation (PS3.8 7.1, PS3.7 D.3.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from gateway import events
from gateway.sdk.event import Event
from gateway.sdk.testing.running import bound_of, perform
from gateway.sdk.testing.simulated_peer import SimulatedPeerOptions, args_and_peer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.events import InterventionEvent
    from gateway.sdk.bound_handler import AnyHandler
    from gateway.sdk.worker_definition import Worker

    Handler = Worker | AnyHandler

_REFUSED = (1, 1, 1)
_TRY_LATER = (2, 3, 1)


def associate(handler: Handler, **how: Unpack[SimulatedPeerOptions]) -> tuple[int, int, int] | None:
    """Ask for admission; return None, or (result, source, reason) of the A-ASSOCIATE-RJ.

    What the peer proposes is in `Peer.contexts`.
    """
    answer = _negotiate(events.EVT_ASSOCIATE, handler, how, {})
    match answer:
        case True:
            return None
        case False:
            return _REFUSED
        case [result, source, reason]:
            return result, source, reason
        case _:
            return _TRY_LATER


def user_id(
    handler: Handler,
    kind: int,
    primary: bytes,
    secondary: bytes = b"",
    **how: Unpack[SimulatedPeerOptions],
) -> tuple[bool, bytes | None]:
    """Send a user identity: return whether it is verified, and the response.

    A handler that fails has verified nobody: the peer is turned away.
    """
    payload = {"user_id_type": kind, "primary_field": primary, "secondary_field": secondary}
    answer = _negotiate(events.EVT_USER_ID, handler, how, payload)
    return (False, None) if answer is None else tuple(answer)


def async_ops(
    handler: Handler, invoked: int, performed: int, **how: Unpack[SimulatedPeerOptions]
) -> tuple[int, int] | None:
    """Propose an asynchronous operations window; return the answer, None if the handler fails."""
    payload = {
        "nr_invoked": invoked,
        "nr_performed": performed,
        "invoked": invoked,
        "performed": performed,
    }
    answer = _negotiate(events.EVT_ASYNC_OPS, handler, how, payload)
    return None if answer is None else tuple(answer)


def sop_extended(
    handler: Handler, app_info: Mapping[str, bytes], **how: Unpack[SimulatedPeerOptions]
) -> dict[str, bytes]:
    """Propose SOP class extended negotiation; return the response, empty if the handler fails."""
    payload = {"app_info": {str(uid): info for uid, info in app_info.items()}}
    return _negotiate(events.EVT_SOP_EXTENDED, handler, how, payload) or {}


def sop_common(
    handler: Handler,
    items: Mapping[str, tuple[str, Sequence[str]]],
    **how: Unpack[SimulatedPeerOptions],
) -> list[str]:
    """Propose SOP class common extended negotiation; return the accepted SOP classes.

    `items`: SOP class to service class and related general SOP classes.
    """
    plain = {
        uid: {
            "sop_class_uid": uid,
            "service_class_uid": service,
            "related_general_sop_class_identification": list(related),
        }
        for uid, (service, related) in items.items()
    }
    return list(_negotiate(events.EVT_SOP_COMMON, handler, how, {"items": plain}) or ())


def _negotiate(
    event: InterventionEvent, handler: Handler, how: SimulatedPeerOptions, payload: dict[str, Any]
) -> Any:
    """Return the value of the answer; None if the handler failed."""
    args, peer = args_and_peer(how)
    asked = Event(
        event, payload, blob=peer.describe(), publish=peer.publish, send_command=peer.call
    )
    (answer,) = perform(bound_of(handler, event, args), asked)
    return answer.payload.get("value")
