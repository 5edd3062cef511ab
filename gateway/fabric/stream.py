"""How an asker waits: for one answer, or for many under credit."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from types import TracebackType

    from gateway.errors import Unanswered
    from gateway.fabric.calls import Call
    from gateway.fabric.model import Answer

WINDOW = 16
"""Answers of one stream that may be on their way."""


class Sink(Protocol):
    """Where the answers of a call go."""

    def deliver(self, answer: Answer) -> None: ...
    def fail(self, error: Unanswered) -> None: ...


class Single:
    """Waits for one answer."""

    def __init__(self) -> None:
        self.future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def deliver(self, answer: Answer) -> None:
        if not self.future.done():
            self.future.set_result(answer)

    def fail(self, error: Unanswered) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Asked(Protocol):
    """What a stream needs of the server."""

    def start_call(self, call: Call) -> None: ...
    def cancel_call(self, call: Call) -> None: ...
    def abandon_call(self, call: Call) -> None: ...
    def consumed(self, call: Call, answers: int) -> None: ...


class Stream:
    """The answers to one request, as an asynchronous iterator; the last one is `final`.

    The request is sent when the first answer is asked for, or on `async with`. An answer counts as
    dealt with when the next one is asked for; this is what limits the worker. Raises Unanswered.
    """

    def __init__(self, server: Asked, call: Call) -> None:
        self._server = server
        self._call = call
        self._answers: deque[Answer] = deque()
        self._error: Unanswered | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._consumed = 0
        self._started = False
        self._open = True

    async def __aenter__(self) -> Self:
        self._start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Answer:
        self._start()
        while not self._answers:
            if self._error is not None:
                error, self._error, self._open = self._error, None, False
                raise error
            if not self._open:
                raise StopAsyncIteration
            self._credit()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        answer = self._answers.popleft()
        self._consumed += 1
        if answer.final:
            self._open = False
        elif self._consumed > WINDOW // 2:
            self._credit()
        return answer

    def cancel(self) -> None:
        """The peer wants no more (C-CANCEL): the worker is told, its answers still come."""
        if self._open and self._started:
            self._server.cancel_call(self._call)

    async def aclose(self) -> None:
        """Nobody awaits a further answer; the worker is told if it is still at it."""
        if self._open and self._started and not self._ended:
            self._server.abandon_call(self._call)
        self._open = False
        self._answers.clear()
        self._error = None

    def deliver(self, answer: Answer) -> None:
        self._answers.append(answer)
        self._wake()

    def fail(self, error: Unanswered) -> None:
        self._error = error
        self._wake()

    @property
    def _ended(self) -> bool:
        """Whether the worker is through with it, though we are not."""
        return self._error is not None or any(answer.final for answer in self._answers)

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self._server.start_call(self._call)

    def _credit(self) -> None:
        if self._consumed:
            self._server.consumed(self._call, self._consumed)
            self._consumed = 0

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
