"""The common part of C-FIND, C-GET and C-MOVE: many answers of a worker, under credit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.acceptor.gathered import GatheredRequest
from gateway.dimse.status import CANCEL
from gateway.events import Fate
from gateway.fabric.acceptor import WINDOW

if TYPE_CHECKING:
    from gateway.acceptor.asking import ReceivedRequest
    from gateway.fabric import Answer

UNHEEDED = 64
"""Answers after a cancel, not final, until the request is abandoned."""


class StreamedRequest(GatheredRequest):
    """A request with many answers, and a peer that may cancel it (C-CANCEL)."""

    window = WINDOW

    def __init__(self, received: ReceivedRequest) -> None:
        super().__init__(received)
        self.is_cancelled = False
        """The peer wants no further responses; the worker's final answer is still awaited."""
        self._unheeded = 0
        self._consumed = 0
        self._draining: asyncio.Task[None] | None = None

    @property
    def limit(self) -> int:
        """The longest identifier in bytes."""
        return self.association.shared.settings.limits.identifier

    def perform(self) -> None:
        if self.is_cancelled:
            self.finish(CANCEL)
        else:
            super().perform()

    def cancel(self) -> None:
        """Handle a C-CANCEL or A-RELEASE-RQ: tell the worker, whose answers still come."""
        self.is_cancelled = True
        if self._intervention is not None:
            self.association.shared.fabric.cancel(self._intervention)

    def discard(self) -> None:
        super().discard()
        if self._draining is not None:
            self._draining.cancel()

    def consumed(self) -> None:
        """Let the worker send another answer, once the peer reads.

        Credit is returned in halves of the window: one message to the worker for eight answers.
        """
        self._consumed += 1
        if self._consumed <= WINDOW // 2:
            return
        if self.engine.transport.is_writable:
            self._give_credit()
        elif self._draining is None:
            self._draining = asyncio.get_running_loop().create_task(self._drain())

    @property
    def token(self) -> str:
        """The token under which the worker has the request in hand; empty if it has not."""
        return self._intervention.token if self._intervention is not None else ""

    async def answers_performed(self) -> None:
        """Return once the answers that have come were performed; most are, as they come."""

    def is_last(self, answer: Answer, status: int) -> bool:
        """Return whether the answer, which has this status, ends the request."""
        return answer.final or self.event.fate(status) is not Fate.GOES_ON

    def is_unheeded(self) -> bool:
        """Return whether the handler has ignored a cancel for too long."""
        self._unheeded += 1
        return self._unheeded > UNHEEDED

    async def _drain(self) -> None:
        await self.engine.transport.drain()
        self._draining = None
        self._give_credit()

    def _give_credit(self) -> None:
        consumed, self._consumed = self._consumed, 0
        if self._intervention is not None:
            self.association.shared.fabric.consumed(self._intervention, consumed)
