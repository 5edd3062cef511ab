"""Commands of workers to associations: a request to the peer, a release, an abort; and their list.

Only the acceptor may touch an association; a worker sends a command and is told the results. With
`transform` a worker has another one asked.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, cast

from gateway.acceptor.overview import overview
from gateway.acceptor.streamed import StreamedRequest
from gateway.acceptor.tracing import trace
from gateway.acceptor.transform_command import transform
from gateway.association.errors import Aborted, AssociationError, TimedOut
from gateway.association.phase import Phase
from gateway.dimse import message as dimse
from gateway.dimse.message import Request
from gateway.dimse.services import check_request
from gateway.errors import DimseError, LocalProtocolError
from gateway.fabric import CommandFailure
from gateway.fabric.wire.terms import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

    from gateway.acceptor.acceptor_association import AcceptorAssociation
    from gateway.association.engine import AssociationEngine
    from gateway.association.operation import ReceivedResponse
    from gateway.fabric.acceptor import AssociationCommand, Server
    from gateway.ul.negotiation import AcceptedContext

    Performer = Callable[[AssociationEngine, AssociationCommand], Coroutine[None, None, None]]

log = logging.getLogger("gateway.acceptor")

_KINDS: dict[str, type[Request]] = {
    kind.__name__: kind for kind in dimse.MESSAGES.values() if issubclass(kind, Request)
}


class AssociationCommands:
    """Takes the commands of all workers.

    `find` returns the engine of a named association, `everything` are the open connections, and
    `fabric` is where other workers are asked.
    """

    def __init__(
        self,
        find: Callable[[str], AssociationEngine | None],
        everything: Collection[AcceptorAssociation] = (),
        fabric: Server | None = None,
    ) -> None:
        self._find = find
        self._everything = everything
        self._fabric = fabric
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, command: AssociationCommand) -> None:
        match command.operation:
            case "associations" | "overview":
                command.reply(self._listed(command.operation))
            case "transform" if self._fabric is not None:
                transform(self._fabric, command, self._description_of(command.association))
            case _:
                self._take_for_one(command)

    def _take_for_one(self, command: AssociationCommand) -> None:
        """Take a command about one association."""
        engine = self._find(command.association)
        if engine is None or engine.phase is not Phase.ESTABLISHED:
            command.fail(CommandFailure.ENDED, "the association does not exist, or is over")
            return
        match command.operation:
            case "abort" if "after" not in command.payload:
                _abort_now(engine, command)
            case "abort":
                self._start(_abort, engine, command)
            case "release":
                self._start(_release, engine, command)
            case "request":
                self._start(_request, engine, command)
            case "trace":
                self._start(_trace, engine, command)
            case other:
                valid = f"{', '.join(OPERATIONS[:-1])} or {OPERATIONS[-1]}"
                text = f"{other[:40]!r} is not a valid command: use {valid}"
                command.fail(CommandFailure.INVALID, text)

    def _listed(self, operation: str) -> dict[str, Any]:
        if operation == "overview":
            engines = [association.engine for association in self._everything]
            return overview(engines, asyncio.get_running_loop().time())
        established = [a for a in self._everything if a.engine.phase is Phase.ESTABLISHED]
        return {"associations": [association.description() for association in established]}

    def _description_of(self, association: str) -> bytes:
        """Return the description of an association; empty if it is none, or over."""
        engine = self._find(association) if association else None
        return b"" if engine is None else cast("AcceptorAssociation", engine.port).description()

    def _start(
        self, perform: Performer, engine: AssociationEngine, command: AssociationCommand
    ) -> None:
        task = asyncio.get_running_loop().create_task(_guarded(perform, engine, command))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

        def gone() -> None:
            task.cancel()

        command.gone = gone


def _abort_now(engine: AssociationEngine, command: AssociationCommand) -> None:
    engine.abort(Aborted("a worker aborted the association"))
    command.reply({})


async def _abort(engine: AssociationEngine, command: AssociationCommand) -> None:
    _abort_now(engine, command)


async def _answers_performed(engine: AssociationEngine, command: AssociationCommand) -> None:
    """Wait until the answers to the request that the command names were performed."""
    token = command.payload.get("after")
    for request in tuple(engine.inbox.running) if token else ():
        if isinstance(request, StreamedRequest) and request.token == token:
            await request.answers_performed()


async def _guarded(
    perform: Performer, engine: AssociationEngine, command: AssociationCommand
) -> None:
    try:
        await _answers_performed(engine, command)
        await perform(engine, command)
    except TimedOut:
        command.fail(
            CommandFailure.TIMEOUT, "the peer did not respond in time; the association is aborted"
        )
    except AssociationError as error:
        command.fail(CommandFailure.ENDED, str(error))
    except Exception:  # a bug: the worker is told, and the acceptor goes on
        log.exception("association=%s a worker's command failed", engine.name)
        command.fail(CommandFailure.INVALID, "the acceptor failed to perform it")


async def _release(engine: AssociationEngine, command: AssociationCommand) -> None:
    await engine.release()
    command.reply({})


async def _trace(engine: AssociationEngine, command: AssociationCommand) -> None:
    await trace(cast("AcceptorAssociation", engine.port), command)


async def _request(engine: AssociationEngine, command: AssociationCommand) -> None:
    context = engine.upper.accepted_contexts.get(command.payload.get("context_id", 0))
    if context is None:
        command.fail(CommandFailure.CONTEXT, "that presentation context is not accepted")
        return
    try:
        request = _build(engine, command.payload, context)
    except DimseError as error:
        command.fail(CommandFailure.CONTEXT, str(error))
        return
    except (TypeError, ValueError, LocalProtocolError) as error:
        command.fail(CommandFailure.INVALID, str(error))
        return
    operation = await engine.in_flight.invoke(context, request, command.data)
    # If the worker stops waiting, the peer is asked to stop as well (C-CANCEL).
    async with operation:
        async for received in operation:
            command.reply(*_result(received), final=operation.is_exhausted)


def _build(engine: AssociationEngine, payload: dict[str, Any], context: AcceptedContext) -> Request:
    """Return the request that a payload describes; raise an error if it cannot be sent."""
    kind = _KINDS.get(str(payload.get("kind")))
    if kind is None:
        raise ValueError(f"{payload.get('kind')!r:.40} is not a request of PS3.7")
    parameters = dict(payload.get("parameters") or {})
    tags = "attribute_identifier_list"
    if isinstance(parameters.get(tags), list):
        parameters[tags] = tuple(parameters[tags])
    request = kind(engine.in_flight.next_message_id(), **parameters)
    # The peer is SCP where we are SCU, and the other way round.
    check_request(request, context.abstract_syntax, as_scu=context.as_scp, as_scp=context.as_scu)
    request.encode(has_data_set=False)
    return request


def _result(received: ReceivedResponse) -> tuple[dict[str, Any], bytes | None]:
    response = received.response
    payload = {"status": response.status, "response": response.parameters()}
    return payload, received.data_set or None
