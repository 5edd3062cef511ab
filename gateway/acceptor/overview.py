"""The open connections of an acceptor, one row each, for an operator who looks at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.association.phase import Phase

if TYPE_CHECKING:
    from collections.abc import Collection

    from gateway.association.engine import AssociationEngine

MOST = 1000
"""Connections that are told, the latest ones; the number of all is told as well."""


def overview(engines: Collection[AssociationEngine], now: float) -> dict[str, Any]:
    """Return the number of open connections, and a row for each; nothing in it is a patient's."""
    rows = [_row(engine, now) for engine in list(engines)[-MOST:]]
    return {"total": len(engines), "associations": rows}


def _row(engine: AssociationEngine, now: float) -> dict[str, Any]:
    transport, request, began = engine.transport, engine.upper.request, engine.established_at
    return {
        "id": engine.id,
        "calling": request.calling_ae_title if request else "",
        "called": request.called_ae_title if request else "",
        "address": list(transport.remote),
        "state": engine.upper.state.name,
        "phase": engine.phase.name.lower(),
        "seconds": None if began is None else now - began,
        "received": transport.received,
        "sent": transport.sent,
        "messages": engine.counts.messages,
        "instances": engine.counts.instances,
        "waits_for": waits_for(engine),
    }


_WAITS = {
    Phase.PENDING: "the peer's A-ASSOCIATE-RQ",
    Phase.NEGOTIATING: "a worker, which decides about the association",
    Phase.ENDED: "the peer, to close the connection",
}


def waits_for(engine: AssociationEngine) -> str:
    """Return what has to happen next on an association, in words for an operator."""
    if engine.phase in _WAITS:
        return _WAITS[engine.phase]
    if not engine.transport.is_writable:
        return "the peer, to read what was sent"
    if in_hand := len(tuple(engine.inbox.running)):
        return f"a worker, for {in_hand} request{'s' * (in_hand > 1)}"
    if engine.inbox.is_receiving:
        return "the rest of a request"
    if len(engine.in_flight):
        return "the peer's response"
    is_leaving = engine.phase is Phase.RELEASING
    return "the end of the release" if is_leaving else "the peer's next request"
