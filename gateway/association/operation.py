"""A request of this side that is in flight, and the responses to it."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias

from gateway.dimse.command_elements import CommandField
from gateway.dimse.operations import more_follow
from gateway.dimse.status import Category, category, is_pending

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.association.errors import AssociationError
    from gateway.dimse.message import Request, Response
    from gateway.ul.negotiation import AcceptedContext

MANY = frozenset({CommandField.C_FIND_RQ, CommandField.C_GET_RQ, CommandField.C_MOVE_RQ})
"""The requests that may have several responses, and can be cancelled (PS3.7 9.1)."""


@dataclass(frozen=True, slots=True)
class ReceivedResponse:
    """A response of the peer and its data set, if it has one."""

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
        """Whether it tells of a match, or of a sub-operation."""
        return is_pending(self.response.status)


Answered: TypeAlias = "Callable[[int | AssociationError], None]"


class Carrier(Protocol):
    """The part of the association that an operation uses."""

    def responses_taken(self, operation: Operation) -> None: ...

    def send_cancel(self, operation: Operation) -> None: ...


class Operation:
    """A request and its responses: iterate over them, or wait for the final one.

    Used as `async with`, it is cancelled (C-CANCEL) when it is left before its final response; what
    the peer still sends for it is thrown away then.
    """

    __slots__ = (
        "_carrier",
        "_error",
        "_responses",
        "_waiter",
        "answered",
        "context",
        "expected",
        "is_abandoned",
        "is_over",
        "request",
        "since",
        "unread_bytes",
    )

    def __init__(self, carrier: Carrier, context: AcceptedContext, request: Request) -> None:
        self.context = context
        self.request = request
        self.since: float | None = None
        """The loop's time of the last sign of the peer; None while the request is being sent."""
        self.is_over = False
        """Whether the final response has arrived, or never will."""
        self.is_abandoned = False
        self.unread_bytes = 0
        """Bytes of the data sets of responses that have not been taken yet."""
        self.answered: Answered | None = None
        """Called with the status of the response, or the error that the association ended with."""
        self.expected = b""
        """The PDU of the response that is most likely; empty: none is."""
        self._carrier = carrier
        self._responses: deque[ReceivedResponse] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._error: AssociationError | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ReceivedResponse:
        received = await self.next()
        if received is None:
            raise StopAsyncIteration
        return received

    async def next(self) -> ReceivedResponse | None:
        """Return the next response; None after the final one. Raises AssociationError."""
        while not self._responses:
            if self._error is not None:
                raise self._error
            if self.is_over:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        received = self._responses.popleft()
        self.unread_bytes -= len(received.data_set or b"")
        self._carrier.responses_taken(self)
        return received

    async def final(self) -> ReceivedResponse:
        """Return the final response; those before it are skipped. Raises AssociationError."""
        last = None
        while not self.is_over or self._responses:
            last = await self.next()
        if self._error is not None:
            raise self._error
        if last is None:
            raise RuntimeError("the final response was taken before")
        return last

    async def cancel(self) -> None:
        """Send a C-CANCEL (PS3.7 9.3.2.3): the peer is to end this C-FIND, C-GET or C-MOVE.

        It may still answer with matches, and in the end with status FE00, or with success.
        """
        if not self.is_over:
            self._carrier.send_cancel(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.abandon()
        if self.request.command_field in MANY:
            await self.cancel()

    def abandon(self) -> None:
        """Stop waiting for responses; those that still arrive are discarded."""
        self.is_abandoned = True
        self._responses.clear()
        self.unread_bytes = 0
        self._carrier.responses_taken(self)

    @property
    def is_exhausted(self) -> bool:
        """Whether the final response was taken."""
        return self.is_over and not self._responses and self._error is None

    @property
    def unread(self) -> int:
        """The number of responses that have not been taken yet."""
        return len(self._responses)

    # the association's calls

    def deliver(self, received: ReceivedResponse) -> None:
        if not self.is_abandoned and self.answered is None:
            self._responses.append(received)
            self.unread_bytes += len(received.data_set or b"")
        self.is_over = not more_follow(self.request, received.status)
        self._wake()

    def fail(self, error: AssociationError) -> None:
        self.is_over = True
        self._error = error
        self._wake()
        if self.answered is not None:
            self.answered(error)

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
