"""C-FIND: pairs of a status and a match (PS3.4 C.4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.sdk.handler_answers import SUCCEEDED, pair_answer, raised
from gateway.sdk.stream_values import CANCELLED, as_pair

if TYPE_CHECKING:
    from gateway.fabric import Answer
    from gateway.sdk.event import Event


class FindAnswers:
    """Converts the pairs of a C-FIND handler, which has no state: any pair may be the last."""

    def __init__(self, event: Event) -> None:
        self._event = event

    def __call__(self, value: Any) -> Answer:
        return pair_answer(self._event, as_pair(value))

    def rest(self) -> tuple[Answer, ...]:
        """Return nothing: each value is one answer."""
        return ()

    def settle(self) -> None:
        """Do nothing: no answer is held back."""

    def cancelled(self, value: Any) -> Answer:
        answer = self(value)
        return answer if answer.final else CANCELLED

    def end(self, *, is_cancelled: bool = False) -> Answer:
        return CANCELLED if is_cancelled else SUCCEEDED

    def raised(self, error: BaseException) -> Answer:
        return raised(error)

    def close(self) -> None:
        """Do nothing: there is nothing to release."""
