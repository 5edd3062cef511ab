"""What a worker wants done on an association: a request to the peer, a release, an abort.

Only the acceptor may touch an association; a worker calls, and is told what came of it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from gateway.acceptor.outgoing import AssociationEnded
from gateway.dimse import message as dimse
from gateway.dimse.message import Request
from gateway.dimse.services import check_request
from gateway.errors import DimseError, LocalProtocolError
from gateway.fabric import CommandFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from gateway.acceptor.actor import AssociationActor
    from gateway.acceptor.outgoing import Answered
    from gateway.fabric.acceptor import AssociationCommand
    from gateway.ul.negotiation import AcceptedContext

log = logging.getLogger("gateway.acceptor")

_KINDS: dict[str, type[Request]] = {
    kind.__name__: kind for kind in dimse.MESSAGES.values() if issubclass(kind, Request)
}


class Calls:
    """Takes the calls of all workers; `find` gives the actor of an association's name."""

    def __init__(self, find: Callable[[str], AssociationActor | None]) -> None:
        self._find = find
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, call: AssociationCommand) -> None:
        actor = self._find(call.association)
        if actor is None or not actor.is_established:
            call.fail(CommandFailure.ENDED, "there is no such association, or it is over")
            return
        match call.operation:
            case "abort":
                actor.abort()
                call.reply({})
            case "release":
                self._start(call, _release(actor, call))
            case "request":
                self._start(call, _request(actor, call))
            case other:
                text = f"{other[:40]!r} is no operation: abort, release or request is"
                call.fail(CommandFailure.INVALID, text)

    def _start(self, call: AssociationCommand, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(_guarded(call, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

        def gone() -> None:
            task.cancel()

        call.gone = gone


async def _guarded(call: AssociationCommand, work: Coroutine[None, None, None]) -> None:
    try:
        await work
    except AssociationEnded as error:
        call.fail(CommandFailure.ENDED, str(error))
    except TimeoutError:
        call.fail(
            CommandFailure.TIMEOUT, "the peer did not respond in time; the association is aborted"
        )
    except Exception:
        log.exception("association=%s a worker's call failed", call.association)
        call.fail(CommandFailure.INVALID, "the acceptor failed at it")


async def _release(actor: AssociationActor, call: AssociationCommand) -> None:
    await actor.release()
    call.reply({})


async def _request(actor: AssociationActor, call: AssociationCommand) -> None:
    context = actor.association.accepted_contexts.get(call.payload.get("context_id", 0))
    if context is None:
        call.fail(CommandFailure.CONTEXT, "that presentation context is not accepted")
        return
    try:
        request = _build(actor, call.payload, context)
    except DimseError as error:
        call.fail(CommandFailure.CONTEXT, str(error))
        return
    except (TypeError, ValueError, LocalProtocolError) as error:
        call.fail(CommandFailure.INVALID, str(error))
        return

    def pending(answered: Answered) -> None:
        call.reply(*_result(answered), final=False)

    answered = await actor.outgoing.request(context.id, request, call.data, on_pending=pending)
    call.reply(*_result(answered))


def _build(actor: AssociationActor, payload: dict[str, Any], context: AcceptedContext) -> Request:
    """The request that a payload describes; raises in words for one that cannot be sent."""
    kind = _KINDS.get(str(payload.get("kind")))
    if kind is None:
        raise ValueError(f"{payload.get('kind')!r:.40} is no request of PS3.7")
    parameters = dict(payload.get("parameters") or {})
    tags = "attribute_identifier_list"
    if isinstance(parameters.get(tags), list):
        parameters[tags] = tuple(parameters[tags])
    request = kind(actor.outgoing.next_message_id(), **parameters)
    # The peer is SCP where we are SCU, and the other way round.
    check_request(request, context.abstract_syntax, as_scu=context.as_scp, as_scp=context.as_scu)
    request.encode(has_data_set=False)
    return request


def _result(answered: Answered) -> tuple[dict[str, Any], bytes | None]:
    response = answered.response
    payload = {"status": response.status, "response": response.parameters()}
    return payload, answered.data_set or None
