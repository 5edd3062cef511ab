"""Handlers run by the executor of every worker; what it would send is gathered."""

from __future__ import annotations

import inspect
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from gateway.errors import FabricError
from gateway.fabric.wire.frames import MAX_DATA, pack
from gateway.sdk import bound_handler
from gateway.sdk.bound_handler import BoundHandler
from gateway.sdk.executor import Executor, HandlerLoop
from gateway.sdk.handler_answers import failure
from gateway.sdk.worker_definition import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.fabric import Answer
    from gateway.sdk.bound_handler import AnyEvent, AnyHandler
    from gateway.sdk.event import Event
    from gateway.sdk.move.routes import Routes

_TOKEN = "rehearsal"
_TICK = 0.02
"""Seconds between two looks at a handler's deadline."""
_PATIENCE = 1.0
"""Seconds for what a handler's thread does after its last answer."""


def bound_of(handler: Worker | AnyHandler, event: AnyEvent, args: Sequence[Any]) -> BoundHandler:
    """The handler as it is bound; LookupError if a worker has none, TypeError if it cannot work."""
    bound = bound_all(handler, event, args)
    return bound[0]


def bound_all(
    handler: Worker | AnyHandler, event: AnyEvent, args: Sequence[Any]
) -> tuple[BoundHandler, ...]:
    """Every handler of an event."""
    if not isinstance(handler, Worker):
        made = BoundHandler(event, handler, tuple(args))
        bound_handler.check(made)
        return (made,)
    if args:
        raise TypeError("a worker's handlers have their own arguments")
    found = handler.bound(event.name)
    if not found:
        raise LookupError(f"worker {handler.name} has bound nothing to {event}")
    return found


def watching(bound: BoundHandler, errors: list[BaseException]) -> BoundHandler:
    """The same handler, whose errors are remembered."""

    def call(event: Event, *args: Any) -> Any:
        try:
            result = bound.function(event, *args)
        except BaseException as error:
            errors.append(error)
            raise
        return awaited(result) if inspect.isawaitable(result) else result

    async def awaited(result: Any) -> Any:
        try:
            return await result
        except BaseException as error:
            errors.append(error)
            raise

    return replace(bound, function=call)


def perform(
    bound: BoundHandler,
    event: Event,
    *,
    routes: Routes | None = None,
    cancel_after: int | None = None,
) -> list[Answer]:
    """Everything that the acceptor would be told, the last of it final.

    `cancel_after`: so many answers, and then a C-CANCEL comes.
    """
    told: SimpleQueue[Answer] = SimpleQueue()
    count = 0

    def send(_token: str, reply: Answer) -> bool:
        nonlocal count
        pack(reply.payload)  # or it could not travel
        if reply.data is not None and len(reply.data) > MAX_DATA:
            raise FabricError(f"data of {len(reply.data)} bytes, {MAX_DATA} are the limit")
        told.put(reply)
        count += 1
        if count == cancel_after:
            event.cancellation.set()
        return True

    if cancel_after == 0:
        event.cancellation.set()
    loop = HandlerLoop()
    executor = Executor(1, send, loop=loop, routes=routes)
    executor.start()
    executor.submit(_TOKEN, bound, event, bound.deadline)
    try:
        return list(_gather(told, executor))
    finally:
        executor.stop()
        loop.stop()


def _gather(told: SimpleQueue[Answer], executor: Executor) -> Iterator[Answer]:
    """The replies up to the final one, or to the deadline."""
    while True:
        try:
            reply = told.get(timeout=_TICK)
        except Empty:
            executor.tick()
            in_hand = executor.in_hand
            if told.empty() and (not in_hand or executor.drain(0.0)):
                why = "past its deadline" if in_hand else "its answer cannot be encoded"
                yield failure("unanswered", why)
                return
            continue
        yield reply
        if reply.final:
            executor.drain(_PATIENCE)
            return
