"""Run handlers in the executor that every worker has, and collect what it would send."""

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

_TOKEN = "test"
_TICK = 0.02
"""Seconds between two checks of a handler's deadline."""
_PATIENCE = 1.0
"""Seconds to wait for what a handler's thread does after its last answer."""


def bound_of(handler: Worker | AnyHandler, event: AnyEvent, args: Sequence[Any]) -> BoundHandler:
    """Return the bound handler; LookupError if there is none, TypeError if it cannot work."""
    bound = bound_all(handler, event, args)
    return bound[0]


def bound_all(
    handler: Worker | AnyHandler, event: AnyEvent, args: Sequence[Any]
) -> tuple[BoundHandler, ...]:
    """Return every handler of an event."""
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
    """Return the same handler, which also appends what it raises to `errors`."""

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
    """Return all answers that the acceptor would get, the last of which is final.

    `cancel_after`: so many answers, and then a C-CANCEL comes.
    """
    sent: SimpleQueue[Answer] = SimpleQueue()
    count = 0

    def send(_token: str, answer: Answer) -> bool:
        nonlocal count
        if cancel_after is not None and count >= cancel_after and not answer.final:
            return True  # the acceptor sends nothing more of it
        pack(answer.payload)  # or it could not travel
        if answer.data is not None and len(answer.data) > MAX_DATA:
            raise FabricError(f"data of {len(answer.data)} bytes, {MAX_DATA} are the limit")
        sent.put(answer)
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
        return list(_gather(sent, executor))
    finally:
        executor.stop()
        loop.stop()


def _gather(sent: SimpleQueue[Answer], executor: Executor) -> Iterator[Answer]:
    """Yield the answers up to the final one, or to the deadline."""
    while True:
        try:
            answer = sent.get(timeout=_TICK)
        except Empty:
            executor.tick()
            in_hand = executor.in_hand
            if sent.empty() and (not in_hand or executor.drain(0.0)):
                why = "past its deadline" if in_hand else "its answer cannot be encoded"
                yield failure("unanswered", why)
                return
            continue
        yield answer
        if answer.final:
            executor.drain(_PATIENCE)
            return
