"""A request in flight, and the responses to it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from gateway.dimse.command import CommandField
from gateway.dimse.status import Category, category, is_pending

if TYPE_CHECKING:
    import asyncio

    from gateway.dimse.message import CCancelRQ, Request, Response
    from gateway.requestor.errors import AssociationError
    from gateway.ul.negotiation import AcceptedContext

MANY = frozenset({CommandField.C_FIND_RQ, CommandField.C_GET_RQ, CommandField.C_MOVE_RQ})
"""The requests that may have several responses, and can be cancelled (PS3.7 9.1)."""

UNREAD = 256
"""Responses that wait for the one who asked; with more, nothing is read from the peer."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A response and its data set, if it has one."""

    response: Response
    data_set: bytes | None = None

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def category(self) -> Category:
        return category(self.response.status)

    @property
    def is_pending(self) -> bool:
        """Further responses follow."""
        return is_pending(self.response.status)


class Carrier(Protocol):
    """What an operation needs of its association."""

    def make_future(self) -> asyncio.Future[None]: ...

    def responses_taken(self, operation: Operation) -> None: ...

    async def send_cancel(self, context: AcceptedContext, request: CCancelRQ) -> None: ...

    def cancel_of(self, operation: Operation) -> CCancelRQ | None: ...


class Operation:
    """One request and its responses: iterate over them, up to the final one, or ask for that.

    Used as `async with`, it is cancelled (C-CANCEL) when it is left before its final response; what
    the peer still sends for it is thrown away then.
    """

    __slots__ = (
        "_answers",
        "_carrier",
        "_error",
        "_waiter",
        "context",
        "is_abandoned",
        "is_over",
        "request",
        "since",
    )

    def __init__(self, carrier: Carrier, context: AcceptedContext, request: Request) -> None:
        self.context = context
        self.request = request
        self.since: float | None = None
        """The loop's time at which the peer was heard of it; None while the request leaves."""
        self.is_over = False
        """The final response came, or never will."""
        self.is_abandoned = False
        self._carrier = carrier
        self._answers: deque[Answered] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._error: AssociationError | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Answered:
        answered = await self.next()
        if answered is None:
            raise StopAsyncIteration
        return answered

    async def next(self) -> Answered | None:
        """The next response; None after the final one. Raises AssociationError."""
        while not self._answers:
            if self._error is not None:
                raise self._error
            if self.is_over:
                return None
            self._waiter = self._carrier.make_future()
            await self._waiter
        answered = self._answers.popleft()
        self._carrier.responses_taken(self)
        return answered

    async def final(self) -> Answered:
        """The final response; those before it are skipped. Raises AssociationError."""
        last = None
        async for answered in self:
            last = answered
        if last is None:
            raise RuntimeError("the final response was taken before")
        return last

    async def cancel(self) -> None:
        """C-CANCEL (PS3.7 9.3.2.3): the peer is to end this C-FIND, C-GET or C-MOVE.

        It may still answer with matches, and in the end with status FE00, or with success.
        """
        if not self.is_over and (request := self._carrier.cancel_of(self)) is not None:
            await self._carrier.send_cancel(self.context, request)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.abandon()
        if self.request.command_field in MANY:
            await self.cancel()

    def abandon(self) -> None:
        """Nobody waits for responses any more."""
        self.is_abandoned = True
        self._answers.clear()
        self._carrier.responses_taken(self)

    @property
    def unread(self) -> int:
        """Responses that nobody took yet."""
        return len(self._answers)

    # the association's calls

    def deliver(self, answered: Answered) -> None:
        self.is_over = not answered.is_pending
        if not self.is_abandoned:
            self._answers.append(answered)
        self._wake()

    def fail(self, error: AssociationError) -> None:
        self.is_over = True
        self._error = error
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
