"""The answers to one request as an asynchronous iterator, which gives credit as it is read."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Self

from gateway.fabric.acceptor.interventions import WINDOW, Intervention

if TYPE_CHECKING:
    from types import TracebackType

    from gateway.errors import Unanswered
    from gateway.fabric.acceptor import Server
    from gateway.fabric.wire.terms import Answer


class Stream:
    """The answers to one request, as an asynchronous iterator; the last one is `final`.

    The request is sent when the first answer is asked for, or on `async with`. An answer counts as
    dealt with when the next one is asked for; this is what limits the worker. Raises Unanswered.
    """

    def __init__(
        self,
        server: Server,
        event: str,
        payload: dict[str, Any],
        assoc: bytes = b"",
        data: bytes | None = None,
    ) -> None:
        self._server = server
        self._intervention = Intervention(event, payload, assoc, data, sink=self, window=WINDOW)
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
        """Tell the worker that the peer wants no more (C-CANCEL); its answers still come."""
        if self._open and self._started:
            self._server.cancel(self._intervention)

    async def aclose(self) -> None:
        """Await no further answer; the worker is told if it is still at work on the request."""
        if self._open and self._started and not self._ended:
            self._server.abandon(self._intervention)
        self._open = False
        self._answers.clear()
        self._error = None

    def answered(self, answer: Answer) -> None:
        self._answers.append(answer)
        self._wake()

    def unanswered(self, error: Unanswered) -> None:
        self._error = error
        self._wake()

    @property
    def _ended(self) -> bool:
        """Whether the worker has given its last answer, or will give none."""
        return self._error is not None or any(answer.final for answer in self._answers)

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self._server.ask(self._intervention)

    def _credit(self) -> None:
        if self._consumed:
            self._server.consumed(self._intervention, self._consumed)
            self._consumed = 0

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
