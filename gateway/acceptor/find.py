"""C-FIND (PS3.4 C.4.1): each answer of the worker is a response on the wire at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from gateway.acceptor.gathering import Gathering
from gateway.dimse.status import CANCEL, Category, category

if TYPE_CHECKING:
    from gateway.fabric import Answer
    from gateway.fabric.acceptor import Stream

UNHEEDED = 64
"""Answers after a cancel that do not end the stream: the worker has long been told by then."""


class Streaming(Gathering, ABC):
    """A request that a worker answers many times, under credit."""

    _stream: Stream | None = None
    _unheeded = 0

    def cancel(self) -> None:
        super().cancel()
        if self._stream is not None:
            self._stream.cancel()

    async def _perform(self) -> None:
        fabric = self._actor.house.fabric
        stream = fabric.stream(
            self._event.name, self._payload(), assoc=self._actor.blob(), data=self._taken()
        )
        if self._cancelled:
            self._cancelled_early()
            return
        async with stream:
            self._stream = stream
            async for answer in stream:
                if not await self._answered(answer):
                    return

    @abstractmethod
    async def _answered(self, answer: Answer) -> bool:
        """Deal with one answer; tells whether more are wanted."""

    def _cancelled_early(self) -> None:
        self._respond(CANCEL)

    def _is_unheeded(self) -> bool:
        """A handler that goes on after a cancel is not waited for for ever."""
        self._unheeded += 1
        return self._unheeded > UNHEEDED


class Find(Streaming):
    """C-FIND."""

    async def _answered(self, answer: Answer) -> bool:
        status, elements = self._status(answer.payload)
        goes_on = category(status) in (Category.PENDING, Category.WARNING) and not answer.final
        if not goes_on:
            self._respond(status, elements)
            return False
        if category(status) is Category.PENDING and answer.data is None:
            self._respond(self._failures.of("encoding"), {"ErrorComment": "A match without data"})
            return False
        if not self._cancelled:
            self._respond(status, elements, answer.data)
            await self._actor.transport.drain()
        elif self._is_unheeded():
            self._respond(CANCEL)
            return False
        return True


def pending_counters(payload: dict[str, Any]) -> dict[str, int]:
    """The counters of sub-operations that an answer carries."""
    elements = payload.get("elements")
    if not isinstance(elements, dict):
        return {}
    return {k: v for k, v in elements.items() if k.startswith("NumberOf") and type(v) is int}
