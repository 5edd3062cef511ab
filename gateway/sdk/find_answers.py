"""C-FIND: pairs of a status and a match, or a list of matches (PS3.4 C.4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.sdk.handler_answers import SUCCEEDED, attach, pair_answer, raised, split_pair
from gateway.sdk.stream_values import CANCELLED, as_pair, is_several

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.fabric import Answer
    from gateway.sdk.event import Event


class FindAnswers:
    """Converts the pairs of a C-FIND handler, which has no state: any pair may be the last."""

    def __init__(self, event: Event) -> None:
        self._event = event
        self._rest: Iterator[Answer] = iter(())

    def __call__(self, value: Any) -> Answer | None:
        value = as_pair(value)
        if not is_several(value):
            return pair_answer(self._event, value)
        answer, matches = split_pair(self._event, value)
        self._rest = (attach(self._event, answer, match) for match in matches)
        return next(self._rest, None)

    def rest(self) -> Iterator[Answer]:
        """Yield the answers for the other matches of a list."""
        return self._rest

    def settle(self) -> None:
        """Do nothing: no answer is held back."""

    def cancelled(self, value: Any) -> Answer:
        answer = self(value)
        return answer if answer is not None and answer.final else CANCELLED

    def end(self, *, is_cancelled: bool = False) -> Answer:
        return CANCELLED if is_cancelled else SUCCEEDED

    def raised(self, error: BaseException) -> Answer:
        return raised(error)

    def close(self) -> None:
        """Do nothing: there is nothing to release."""
