"""C-MOVE (PS3.4 C.4.2): sub-operations go out from the worker's process, which answers counters."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from gateway.acceptor.streamed import StreamedRequest
from gateway.dimse.status import CANCEL, PENDING
from gateway.dimse.suboperations import COUNTERS, MOST, PendingResponses, SuboperationCounters

if TYPE_CHECKING:
    from gateway.acceptor.asking import ReceivedRequest
    from gateway.errors import Unanswered
    from gateway.fabric import Answer


_PROGRESS = {"status", "elements"}
_KEYWORDS = set(COUNTERS)


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
        self._pending = PendingResponses(self.request)  # type: ignore[arg-type]

    def take_answer(self, answer: Answer) -> None:
        number = answer.payload.get("number")
        if type(number) is int and not answer.final:
            self.state, self._number = MoveState.MOVING, number
            self.consumed()
            return
        if self._progress(answer):
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

    def _progress(self, answer: Answer) -> bool:
        """Tell the peer the counters, if the answer is pending and has nothing else."""
        payload = answer.payload
        if answer.final or self.is_cancelled or payload.keys() != _PROGRESS:
            return False
        counters = payload["elements"]
        if payload["status"] != PENDING or not _are_counters(counters):
            return False
        self._counters = counters
        command_set = self._pending.encode(*map(counters.__getitem__, COUNTERS))
        self.engine.outbox.send_soon(self.context.id, command_set)
        self.consumed()
        return True

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


def _are_counters(elements: object) -> bool:
    """Return whether these are the four counters and nothing else."""
    if not isinstance(elements, dict) or elements.keys() != _KEYWORDS:
        return False
    return all(type(number) is int and 0 <= number <= MOST for number in elements.values())


def pending_counters(payload: dict[str, Any]) -> dict[str, int]:
    """Return the counters of sub-operations that an answer carries."""
    elements = payload.get("elements")
    if not isinstance(elements, dict):
        return {}
    return {k: v for k, v in elements.items() if k.startswith("NumberOf") and type(v) is int}
