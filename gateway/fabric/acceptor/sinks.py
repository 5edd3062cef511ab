"""The sinks of requests whose answers no association takes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.errors import Unanswered
    from gateway.fabric.wire.terms import Answer


class AwaitedAnswer:
    """The sink of an intervention whose one answer a coroutine waits for."""

    def __init__(self) -> None:
        self.future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def answered(self, answer: Answer) -> None:
        if not self.future.done():
            self.future.set_result(answer)

    def unanswered(self, error: Unanswered) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class _Nobody:
    """The sink of an abandoned intervention."""

    def answered(self, answer: Answer) -> None: ...
    def unanswered(self, error: Unanswered) -> None: ...


NOBODY = _Nobody()
