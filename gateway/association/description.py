"""The description of an association: a map for workers and watchers, and a line at its end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from gateway.association.errors import Rejected
from gateway.events import EVT_ASSOCIATION_ENDED
from gateway.ul.fsm import Side
from gateway.ul.items import UserIdentityRQ

if TYPE_CHECKING:
    from gateway.association.engine import AssociationEngine
    from gateway.ul.items import UserIdentityAC, UserInformation
    from gateway.ul.upper_layer import UpperLayer

log = logging.getLogger("gateway.association")


def describe(engine: AssociationEngine, *, acceptor: str, ae_title: str) -> dict[str, Any]:
    """Return the map that PROTOCOL.md calls *assoc*, with what is known so far.

    `acceptor` is the name of the acceptor process, `ae_title` the title of this side.
    """
    upper, transport = engine.upper, engine.transport
    request, acceptance = upper.request, upper.acceptance
    called = request.called_ae_title if request else ""
    calling = request.calling_ae_title if request else ""
    asked = request.user_information if request else None
    granted = acceptance.user_information if acceptance else None
    requestor, accepting = transport.remote, transport.local
    if engine.side is Side.REQUESTOR:
        requestor, accepting = accepting, requestor
    return {
        "id": engine.id,
        "acceptor": acceptor,
        "side": engine.side.value,
        "local": list(transport.local),
        "remote": list(transport.remote),
        "ae_title": ae_title,
        "state": engine.state,
        "requestor": _user(calling, requestor, asked),
        "acceptor_info": _user(called, accepting, granted),
        "requested_contexts": _requested(upper),
        "accepted_contexts": [
            [c.id, c.abstract_syntax, c.transfer_syntax, c.as_scu, c.as_scp]
            for c in upper.accepted_contexts.values()
        ],
        "rejected_contexts": _rejected(upper),
    }


def _user(ae_title: str, address: tuple[str, int], info: UserInformation | None) -> dict[str, Any]:
    """Return the user information of one side (PS3.8 7.1.1, PS3.7 D.3.3)."""
    user: dict[str, Any] = {"ae_title": ae_title, "address": address[0], "port": address[1]}
    if info is None:
        return user
    window = info.async_ops
    user |= {
        "maximum_length": info.maximum_length,
        "implementation_class_uid": info.implementation_class_uid,
        "implementation_version_name": info.implementation_version_name,
        "user_identity": _identity(info.user_identity),
        "sop_class_extended": {
            i.sop_class_uid: i.application_information for i in info.sop_class_extended
        },
        "role_selection": {r.sop_class_uid: [r.scu_role, r.scp_role] for r in info.roles},
        "asynchronous_operations": (
            [window.invoked, window.performed] if window is not None else None
        ),
    }
    return user


NAMED = (1, 2)
"""User identity types whose primary field is a name, not a secret (PS3.7 D.3.3.7.1)."""


def _identity(identity: UserIdentityRQ | UserIdentityAC | None) -> dict[str, Any] | None:
    if not isinstance(identity, UserIdentityRQ):
        return None
    return {
        "type": identity.type,
        "primary": identity.primary_field if identity.type in NAMED else b"",
    }


def _requested(upper: UpperLayer) -> list[list[Any]]:
    if upper.request is None:
        return []
    return [
        [c.id, c.abstract_syntax, list(c.transfer_syntaxes)]
        for c in upper.request.presentation_contexts
    ]


def _rejected(upper: UpperLayer) -> list[list[Any]]:
    if upper.request is None or upper.acceptance is None:
        return []
    proposed = {c.id: c.abstract_syntax for c in upper.request.presentation_contexts}
    return [
        [c.id, proposed.get(c.id, ""), int(c.result)]
        for c in upper.acceptance.presentation_contexts
        if c.result
    ]


def log_end(engine: AssociationEngine, seconds: float) -> None:
    """Log the end of an association that was established for so many seconds."""
    counts, transport = engine.counts, engine.transport
    log.log(
        counts.log_level,
        "association=%s ended=%s contexts=%d messages=%d instances=%d received=%d sent=%d "
        "statuses=%r seconds=%.3f why=%r",
        *(engine.name, engine.state, len(engine.upper.accepted_contexts)),
        *(counts.messages, counts.instances, transport.received, transport.sent),
        *(counts.statuses(), seconds, str(engine.ended)),
    )


def tell_end(engine: AssociationEngine, now: float) -> None:
    """Publish EVT_ASSOCIATION_ENDED, if somebody watches it."""
    if EVT_ASSOCIATION_ENDED.name in engine.notifications.watched:
        engine.notifications.tell(EVT_ASSOCIATION_ENDED, **describe_end(engine, now))


def describe_end(engine: AssociationEngine, now: float) -> dict[str, Any]:
    """Return the body of EVT_ASSOCIATION_ENDED, which has nothing of a patient.

    `why` is what the operator's log says; an association that was never established took 0 seconds.
    """
    counts, transport, request = engine.counts, engine.transport, engine.upper.request
    error, began = engine.ended, engine.established_at
    why = error.why if isinstance(error, Rejected) and error.why else str(error)
    return {
        "ended": engine.state,
        "why": why,
        "calling": request.calling_ae_title if request else "",
        "called": request.called_ae_title if request else "",
        "host": transport.remote[0],
        "seconds": 0.0 if began is None else now - began,
        "contexts": len(engine.upper.accepted_contexts),
        "messages": counts.messages,
        "instances": counts.instances,
        "received": transport.received,
        "sent": transport.sent,
        "statuses": counts.statuses(),
    }
