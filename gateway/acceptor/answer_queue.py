"""The answers of a C-GET handler, in order.

A large data set comes in several of them, and one may name a list of files.
"""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from gateway.errors import Unanswered
from gateway.fabric import Answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class ListedInstance(NamedTuple):
    """An instance that an answer names in a list: part of a file, to be sent as it is there."""

    context_id: int
    sop_class_uid: str
    sop_instance_uid: str
    path: str
    offset: int
    size: int
    is_last: bool = False
    """It is the last one of its answer."""


Item: TypeAlias = Answer | ListedInstance
"""What names an instance."""
_ROW = (int, str, str, str, int, int)


class AnswerQueue:
    """Answers that have come and are not worked off yet.

    An answer with `more` has the first piece of a data set, and the answers behind it have the
    rest. `consumed` is called for each piece but the last. In place of an answer with a list there
    are the instances of it.
    """

    def __init__(self, consumed: Callable[[], None]) -> None:
        self._consumed = consumed
        self._waiting: deque[Item | Unanswered] = deque()
        self._arrived = asyncio.Event()
        self.has_more = False
        """Whether pieces of the data set that was begun are still to come."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, answer: Answer | Unanswered) -> None:
        if isinstance(answer, Answer) and "instances" in answer.payload and not answer.final:
            self._waiting += _listed(answer)
        else:
            self._waiting.append(answer)
        self._arrived.set()

    @property
    def first(self) -> Item | Unanswered:
        """The next one; raises IndexError if there is none."""
        return self._waiting[0]

    def take(self) -> Item | Unanswered:
        """Return the next one; raise IndexError if there is none."""
        answer = self._waiting.popleft()
        self.has_more = type(answer) is Answer and has_more(answer)
        return answer

    def ahead(self, most: int, begin: int = 0) -> list[Item]:
        """Return instances from number `begin` on, up to what is something else or in pieces."""
        found: list[Item] = []
        for answer in islice(self._waiting, begin, begin + most):
            if isinstance(answer, Answer):
                if answer.final or "failed" in answer.payload or has_more(answer):
                    break
            elif isinstance(answer, Unanswered):
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
        if not isinstance(answer, Answer) or answer.final:
            self.has_more = False
            return None
        self._waiting.popleft()
        self.has_more = has_more(answer)
        return answer


def has_more(answer: Answer) -> bool:
    """Return whether the answers behind this one have the rest of its data set."""
    return answer.payload.get("more") is True and not answer.final


def _listed(answer: Answer) -> list[Any]:
    """Return the instances that an answer lists; one that makes no sense as an answer with none."""
    rows = answer.payload["instances"]
    if not isinstance(rows, list) or not rows or not all(map(_is_row, rows)):
        return [Answer({}, final=False)]
    found = [ListedInstance(*row) for row in rows]
    found[-1] = found[-1]._replace(is_last=True)
    return found


def _is_row(row: Any) -> bool:
    if type(row) is not list or tuple(map(type, row)) != _ROW:
        return False
    _, _, _, path, offset, size = row
    return offset >= 0 and size >= 0 and "\0" not in path
