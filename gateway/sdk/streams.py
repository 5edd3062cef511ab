"""Convert what generator handlers yield, value by value, into answers (PS3.4 C.4).

Each of C-FIND, C-GET and C-MOVE has a converter of its own. It remembers which value is expected
next, and so knows what it means that the handler raises or ends at this point: a C-GET handler that
raises before it yielded the number of sub-operations gives another status than one that raises
later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pydicom.dataset import Dataset

from gateway.sdk.find_answers import FindAnswers
from gateway.sdk.get_answers import GetAnswers
from gateway.sdk.handler_answers import SUCCEEDED, failure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.fabric import Answer
    from gateway.sdk.event import Event
    from gateway.sdk.move.in_flight import PeerTime
    from gateway.sdk.move.progress import Offer
    from gateway.sdk.move.routes import Routes


class StreamAnswers(Protocol):
    """Converts the values of one request's handler."""

    def __call__(self, value: Any) -> Answer | None:
        """Return the answer for a value; None: nothing is sent to the peer."""

    def rest(self) -> Iterable[Answer]:
        """Return the answers that belong to the last one, in which not all of its data fit."""

    def settle(self) -> Answer | None:
        """Wait for what the values so far began; return an answer that is held back, if any."""

    def cancelled(self, value: Any) -> Answer:
        """Return the last answer, for the first value after a C-CANCEL."""

    def end(self, *, is_cancelled: bool = False) -> Answer:
        """Return the last answer after the handler has ended."""

    def raised(self, error: BaseException) -> Answer:
        """Return the last answer when the handler raises."""

    def close(self) -> None:
        """Release resources: there will be no more values."""


def converter(
    event: Event, routes: Routes, peer_time: PeerTime, offer: Offer = len
) -> StreamAnswers:
    """Return a new converter for the values of one request's handler.

    `routes` lead to the destinations of C-MOVE; the converter waits for them within `peer_time()`,
    and gives `offer` the counters meanwhile (`gateway.sdk.move.progress`).
    """
    if event.name == "EVT_C_FIND":
        return FindAnswers(event)
    if event.name == "EVT_C_GET":
        return GetAnswers(event)
    from gateway.sdk.move.move_answers import MoveAnswers

    return MoveAnswers(event, routes, peer_time, offer)


def stream_failure(event: Event, returned: Any) -> Answer | None:
    """Return the answer for a value that cannot be iterated over; None if it can."""
    if returned is None and event.name == "EVT_C_FIND":
        return SUCCEEDED
    iterable = hasattr(returned, "__iter__") or hasattr(returned, "__aiter__")
    if not iterable or isinstance(returned, Dataset | str | bytes):
        return failure("bad_status", f"{event.name}: {type(returned).__name__} cannot be iterated")
    return None
