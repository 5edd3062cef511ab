"""What a request is for: decided at its command set, before a byte of its data set."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gateway.acceptor.answers import failures_of
from gateway.acceptor.find import Find
from gateway.acceptor.gathering import Gathering
from gateway.acceptor.incoming import Immediate
from gateway.acceptor.retrieve import Get, Move
from gateway.acceptor.store import Store
from gateway.dimse import message as dimse
from gateway.dimse.message import Request
from gateway.dimse.services import check_request
from gateway.dimse.status import OUT_OF_RESOURCES
from gateway.errors import DimseError, RemoteProtocolError, SpoolError
from gateway.events import (
    EVT_C_ECHO,
    EVT_C_FIND,
    EVT_C_GET,
    EVT_C_MOVE,
    EVT_C_STORE,
    EVT_N_ACTION,
    EVT_N_CREATE,
    EVT_N_DELETE,
    EVT_N_EVENT_REPORT,
    EVT_N_GET,
    EVT_N_SET,
    InterventionEvent,
)
from gateway.part10 import file_meta

if TYPE_CHECKING:
    from gateway.acceptor.actor import AssociationActor
    from gateway.acceptor.incoming import Incoming
    from gateway.dimse.assembler import MessageBegun, MessageFailed
    from gateway.dimse.message import CEchoRQ, CStoreRQ
    from gateway.ul.negotiation import AcceptedContext

log = logging.getLogger("gateway.acceptor")

EVENT_OF: dict[type, InterventionEvent] = {
    dimse.CEchoRQ: EVT_C_ECHO,
    dimse.CStoreRQ: EVT_C_STORE,
    dimse.CFindRQ: EVT_C_FIND,
    dimse.CGetRQ: EVT_C_GET,
    dimse.CMoveRQ: EVT_C_MOVE,
    dimse.NActionRQ: EVT_N_ACTION,
    dimse.NCreateRQ: EVT_N_CREATE,
    dimse.NDeleteRQ: EVT_N_DELETE,
    dimse.NEventReportRQ: EVT_N_EVENT_REPORT,
    dimse.NGetRQ: EVT_N_GET,
    dimse.NSetRQ: EVT_N_SET,
}
"""The intervention event of each request."""

_GATHERED: dict[InterventionEvent, type[Gathering]] = {
    EVT_C_FIND: Find,
    EVT_C_GET: Get,
    EVT_C_MOVE: Move,
}
"""How those are performed that are answered many times; the N-services are answered once."""

NOBODY = "No worker is registered"


def receive(actor: AssociationActor, begun: MessageBegun) -> Incoming:
    """Decide what becomes of a request; every outcome ends in one response."""
    context = actor.association.accepted_contexts[begun.context_id]
    message = begun.message
    if not isinstance(message, Request):
        raise RemoteProtocolError(f"a {type(message).__name__} that nobody asked for", source=0)
    try:
        check_request(
            message, context.abstract_syntax, as_scu=context.as_scu, as_scp=context.as_scp
        )
        actor.messages.operations.begin(message)
    except DimseError as error:
        return refuse(actor, context.id, message, (error.status, str(error)), begun=False)
    if isinstance(message, dimse.CEchoRQ):
        return _echo(actor, context, message)
    if isinstance(message, dimse.CStoreRQ):
        return _store(actor, context, message)
    event = EVENT_OF[type(message)]
    if actor.house.fabric.binding(event.name) is None:
        return refuse(actor, context.id, message, (failures_of(event).unanswered, NOBODY))
    return _GATHERED.get(event, Gathering)(actor, context, message, event)


def refuse(
    actor: AssociationActor,
    context_id: int,
    request: Request,
    refusal: tuple[int, str],
    *,
    begun: bool = True,
) -> Immediate:
    """Throw the data set away and respond with a failure: a status and a comment.

    `begun`: the request counts among the operations in flight.
    """
    status, comment = refusal
    log.warning(
        "association=%s %s refused: 0x%04X %s", actor.id, type(request).__name__, status, comment
    )
    response = request.response(status, error_comment=comment)
    message_id = request.message_id if begun else None
    return Immediate(message_id, lambda: actor.outgoing.send(context_id, response))


def refuse_undecodable(actor: AssociationActor, failed: MessageFailed) -> Immediate:
    """A request whose command set is wrong, but can be answered."""
    error = failed.error
    log.warning("association=%s request refused: 0x%04X %s", actor.id, error.status, error)
    return Immediate(
        None, lambda: actor.outgoing.send(failed.context_id, dimse.error_response(error))
    )


def _echo(actor: AssociationActor, context: AcceptedContext, request: CEchoRQ) -> Incoming:
    if actor.house.fabric.binding(EVT_C_ECHO.name) is not None:
        return Gathering(actor, context, request, EVT_C_ECHO)
    return Immediate(
        request.message_id, lambda: actor.outgoing.send(context.id, request.response(0x0000))
    )


def _store(actor: AssociationActor, context: AcceptedContext, request: CStoreRQ) -> Incoming:
    binding = actor.house.fabric.binding(EVT_C_STORE.name)
    if binding is None:
        return refuse(actor, context.id, request, (failures_of(EVT_C_STORE).unanswered, NOBODY))
    spool = actor.house.spool
    try:
        spool.admit()
        writer = spool.create(
            file_meta(
                request.affected_sop_class_uid,
                request.affected_sop_instance_uid,
                context.transfer_syntax,
                source_ae_title=actor.calling_ae_title,
            ),
            digest=binding.durable,
        )
    except SpoolError as error:
        return refuse(actor, context.id, request, (OUT_OF_RESOURCES, str(error)))
    return Store(actor, context, request, binding, writer)
