"""The decision, at its command set, how a request of the peer is handled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway import events
from gateway.acceptor.answer_status import failures_of
from gateway.acceptor.asking import ReceivedRequest
from gateway.acceptor.c_find import FindRequest
from gateway.acceptor.c_get import GetRequest
from gateway.acceptor.c_move import MoveRequest
from gateway.acceptor.c_store import StoreRequest
from gateway.acceptor.gathered import GatheredRequest
from gateway.acceptor.store_template import meta_of
from gateway.association.inbox import Prepared
from gateway.dimse import message as dimse
from gateway.dimse.status import OUT_OF_RESOURCES, SUCCESS
from gateway.errors import DimseError, SpoolError

if TYPE_CHECKING:
    from gateway.acceptor.asking import Asker
    from gateway.acceptor.shares import Pace
    from gateway.association.port import PeerRequest
    from gateway.dimse.assembler import MessageBegun
    from gateway.dimse.message import CStoreRQ, Request
    from gateway.fabric import Binding
    from gateway.ul.negotiation import AcceptedContext

EVENT_OF: dict[type, events.InterventionEvent] = {
    kind: events.INTERVENTIONS[f"EVT_{kind.command_field.name.removesuffix('_RQ')}"]
    for kind in dimse.MESSAGES.values()
    if issubclass(kind, dimse.Request)
}
"""The intervention event of each request."""

_KIND_OF: dict[events.InterventionEvent, type[GatheredRequest]] = {
    events.EVT_C_FIND: FindRequest,
    events.EVT_C_GET: GetRequest,
    events.EVT_C_MOVE: MoveRequest,
}
"""Requests with many answers; the DIMSE-N services and C-ECHO have one."""


def decide(association: Asker, context: AcceptedContext, begun: MessageBegun) -> PeerRequest:
    """Return the object that takes the data set and answers; raise DimseError to refuse."""
    request: Request = begun.message  # type: ignore[assignment]
    event = EVENT_OF[type(request)]
    binding = association.shared.fabric.binding(event.name, context.abstract_syntax)
    if isinstance(request, dimse.CStoreRQ) and binding is not None:
        store = _store(association, context, request, binding)
        if association.plain is not None:
            association.plain.learn(context, begun.command_set, request)
        return store
    if binding is not None:
        received = ReceivedRequest(association, context, request, event)
        return _KIND_OF.get(event, GatheredRequest)(received)
    if event is events.EVT_C_ECHO:
        inbox = association.engine.inbox
        return Prepared(inbox, request.message_id, context.id, request.response(SUCCESS))
    raise DimseError(failures_of(event).unanswered, "No worker is registered")


def _store(
    association: Asker, context: AcceptedContext, request: CStoreRQ, binding: Binding
) -> StoreRequest:
    spool = association.shared.spool
    try:
        spool.admit()
        writer = spool.create(
            meta_of(association, context, request),
            digest=binding.durable,
        )
    except SpoolError as error:
        raise DimseError(OUT_OF_RESOURCES, str(error)) from None
    if association.shared.pace is not None:
        _slow_down(association, association.shared.pace)
    received = ReceivedRequest(association, context, request, events.EVT_C_STORE)
    return StoreRequest(received, binding, writer)


def _slow_down(association: Asker, pace: Pace) -> None:
    """Read nothing more from a peer that stores faster than it may, until its time has come."""
    loop, transport = asyncio.get_running_loop(), association.engine.transport
    if (seconds := pace.wait(association.holder.address, loop.time())) > 0:
        transport.pause_reading("pace")
        loop.call_later(seconds, transport.resume_reading, "pace")
