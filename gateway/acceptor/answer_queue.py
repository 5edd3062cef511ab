"""The answers of a C-GET handler, in order; a large data set comes in several of them."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from gateway.errors import Unanswered
    from gateway.fabric import Answer


class AnswerQueue:
    """Answers that have come and are not worked off yet.

    An answer with `more` has the first piece of a data set, and the answers behind it have the
    rest. `consumed` is called for each piece but the last.
    """

    def __init__(self, consumed: Callable[[], None]) -> None:
        self._consumed = consumed
        self._waiting: deque[Answer | Unanswered] = deque()
        self._arrived = asyncio.Event()
        self.has_more = False
        """Whether pieces of the data set that was begun are still to come."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, answer: Answer | Unanswered) -> None:
        self._waiting.append(answer)
        self._arrived.set()

    @property
    def first(self) -> Answer | Unanswered:
        """The next answer; raises IndexError if there is none."""
        return self._waiting[0]

    def take(self) -> Answer | Unanswered:
        """Return the next answer; raise IndexError if there is none."""
        answer = self._waiting.popleft()
        self.has_more = not isinstance(answer, Exception) and has_more(answer)
        return answer

    def ahead(self, most: int, begin: int = 0) -> list[Answer]:
        """Return answers from number `begin` on that are not final, up to one in pieces."""
        found: list[Answer] = []
        for answer in islice(self._waiting, begin, begin + most):
            if isinstance(answer, Exception) or answer.final or has_more(answer):
                break
            found.append(answer)
        return found

    async def pieces(self, first: Answer) -> AsyncIterator[bytes]:
        """Yield the data set that begins in an answer; raise OSError if it is not completed."""
        yield first.data or b""
        while self.has_more:
            piece = await self._next_piece()
            if piece is None or piece.data is None:
                raise OSError("the worker did not send the rest of it")
            yield piece.data

    async def skip(self) -> None:
        """Drop the pieces that are still to come of a data set that is not sent."""
        while self.has_more:
            await self._next_piece()

    async def _next_piece(self) -> Answer | None:
        """Wait for the next answer; None if it is the last one, which stays in the queue."""
        self._consumed()
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        answer = self._waiting[0]
        if isinstance(answer, Exception) or answer.final:
            self.has_more = False
            return None
        self._waiting.popleft()
        self.has_more = has_more(answer)
        return answer


def has_more(answer: Answer) -> bool:
    """Return whether the answers behind this one have the rest of its data set."""
    return answer.payload.get("more") is True and not answer.final
