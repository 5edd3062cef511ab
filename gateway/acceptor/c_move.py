"""C-MOVE (PS3.4 C.4.2): sub-operations go out from the worker's process, which answers counters."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from gateway.acceptor.streamed import StreamedRequest
from gateway.dimse.status import CANCEL
from gateway.dimse.suboperations import SuboperationCounters

if TYPE_CHECKING:
    from gateway.acceptor.asking import ReceivedRequest
    from gateway.errors import Unanswered
    from gateway.fabric import Answer


class MoveState(Enum):
    """The progress of a C-MOVE."""

    ASKED = auto()
    """Expects the number of sub-operations, or a status that ends the operation."""
    MOVING = auto()
    """Expects counters, and a final status."""


class MoveRequest(StreamedRequest):
    """One C-MOVE."""

    def __init__(self, received: ReceivedRequest) -> None:
        super().__init__(received)
        self.state = MoveState.ASKED
        self._number = 0
        self._counters: dict[str, int] = {}

    def take_answer(self, answer: Answer) -> None:
        number = answer.payload.get("number")
        if type(number) is int and not answer.final:
            self.state, self._number = MoveState.MOVING, number
            self.consumed()
            return
        status, elements = self.status(answer.payload)
        if self.is_last(answer, status):
            self.finish(status, elements, answer.data)
            return
        self._counters = pending_counters(answer.payload)
        if not self.is_cancelled:
            self.respond(status, elements)
        elif self.is_unheeded():
            self.finish(CANCEL, self._counters)
            return
        self.consumed()

    def take_failure(self, error: Unanswered) -> None:
        if self.state is MoveState.ASKED:
            super().take_failure(error)
            return
        tally = SuboperationCounters(self._number)
        tally.completed = self._counters.get("NumberOfCompletedSuboperations", 0)
        tally.warnings = self._counters.get("NumberOfWarningSuboperations", 0)
        tally.give_up()
        comment = {"ErrorComment": str(error)}
        elements = {**comment, **tally.elements(with_remaining=False)}
        self.finish(self.failures.of("begun"), elements)


def pending_counters(payload: dict[str, Any]) -> dict[str, int]:
    """Return the counters of sub-operations that an answer carries."""
    elements = payload.get("elements")
    if not isinstance(elements, dict):
        return {}
    return {k: v for k, v in elements.items() if k.startswith("NumberOf") and type(v) is int}
