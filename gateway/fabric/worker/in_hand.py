"""The requests that a worker's process has in hand."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.errors import FabricError
from gateway.fabric.wire.envelopes import Answered, Cancel, Credit, Envelope, Requested
from gateway.fabric.wire.fields import MAX_BATCH
from gateway.fabric.wire.frames import MAX_DATA, check_size, join_data, pack, split_data
from gateway.fabric.wire.terms import CancelReason, ReceivedIntervention

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.fabric.wire.fields import AnswerItem
    from gateway.fabric.wire.terms import Answer
    from gateway.fabric.worker.link import Link


@dataclass(slots=True)
class InHand:
    """One request in hand."""

    link: Link
    credit: int
    """Answers that may be sent before the final one."""
    closed: bool = False
    """Nobody awaits an answer any more."""


class ReceivedInterventions:
    """The requests in hand: filled by the client's thread, answered by any."""

    def __init__(
        self,
        on_requests: Callable[[Link, list[ReceivedIntervention]], None],
        on_cancel: Callable[[str, CancelReason], None],
    ) -> None:
        self._on_requests = on_requests
        self._on_cancel = on_cancel
        self.returned: Callable[[str], None] | None = None
        """Called with the token of a request that is not in hand any more."""
        self._in_hand: dict[str, InHand] = {}
        self._changed = threading.Condition()
        self.take: dict[type[Envelope], Callable[[Link, Any, Any], None]] = {
            Requested: self._requested,
            Cancel: self._cancelled,
            Credit: self._credited,
        }

    def get(self, token: str) -> InHand | None:
        return self._in_hand.get(token)

    def answer(self, token: str, answer: Answer) -> bool:
        """Answer one request, as `Client.answer` says."""
        held = self._in_hand.get(token)
        if held is None or not (answer.final or self._take_credit(held)):
            return False
        awaited = not held.closed
        held.link.post_frames(_encode([(token, answer, awaited)], held.link.max_data))
        if answer.final:
            self._put_down(token)
        return awaited

    def answer_stream(self, token: str, answers: Sequence[Answer]) -> bool:
        """Give several answers to one request, as `Client.answer_stream` says."""
        begin = 0
        while begin < len(answers):
            held = self._in_hand.get(token)
            if held is None or not (granted := self._take_credit(held, len(answers) - begin)):
                return False
            together = answers[begin : begin + granted]
            rows = [(token, answer, True) for answer in together]
            held.link.post_frames(_encode(rows, held.link.max_data))
            begin += granted
        return True

    def offer(self, token: str, answers: Sequence[Answer]) -> int:
        """Give several answers to one request without waiting, as `Client.offer` says."""
        held = self._in_hand.get(token)
        if held is None:
            return 0
        with self._changed:
            granted = 0 if held.closed else min(len(answers), held.credit, MAX_BATCH)
            held.credit -= granted
        if granted:
            together = answers[:granted]
            rows = [(token, answer, True) for answer in together]
            held.link.post_frames(_encode(rows, held.link.max_data))
        return granted

    def answer_many(self, answers: Sequence[tuple[str, Answer]]) -> None:
        """Give the final answers to several requests, as `Client.answer_many` says."""
        outgoing: dict[Link, list[tuple[str, Answer, bool]]] = {}
        for token, answer in answers:
            if (held := self._in_hand.get(token)) is not None:
                outgoing.setdefault(held.link, []).append((token, answer, not held.closed))
        messages = [
            (link, _encode(rows[start : start + MAX_BATCH], link.max_data))
            for link, rows in outgoing.items()
            for start in range(0, len(rows), MAX_BATCH)
        ]
        for link, frames in messages:
            link.post_frames(frames)
        for token, _ in answers:
            self._put_down(token)

    def lose(self, link: Link) -> None:
        """Cancel the requests of a lease that is gone: they cannot be answered."""
        for token, held in list(self._in_hand.items()):
            if held.link is link:
                self._cancel(token, CancelReason.LOST, closed=True)
                self._put_down(token)

    def _put_down(self, token: str) -> None:
        self._in_hand.pop(token, None)
        if self.returned is not None:
            self.returned(token)

    def _take_credit(self, held: InHand, wanted: int = 1) -> int:
        """Wait until the stream may send another answer; return how many, 0 if nobody awaits any.

        At most `wanted`, and a batch at most.
        """
        with self._changed:
            while held.credit < 1 and not held.closed:
                self._changed.wait()
            granted = 0 if held.closed else min(wanted, held.credit, MAX_BATCH)
            held.credit -= granted
        return granted

    def _requested(self, link: Link, asked: Requested, frame: memoryview | None) -> None:
        sets = split_data([item[-1] for item in asked.items], frame)
        received = []
        for item, data in zip(asked.items, sets, strict=True):
            token, place, attempt, deadline, credit, payload, _ = item
            if place >= len(asked.shared):
                raise FabricError("a request without its shared part")
            event, assoc, shared = asked.shared[place]
            whole = {**shared, **payload} if shared else payload
            received.append(
                ReceivedIntervention(token, event, attempt, deadline, whole, assoc, data, link.name)
            )
            self._in_hand[token] = InHand(link, credit)
        self._on_requests(link, received)

    def _cancelled(self, _link: Link, cancel: Cancel, _data: object) -> None:
        self._cancel(cancel.token, cancel.why, closed=cancel.closed)

    def _credited(self, _link: Link, credit: Credit, _data: object) -> None:
        held = self._in_hand.get(credit.token)
        if held is not None:
            with self._changed:
                held.credit += credit.answers
                self._changed.notify_all()

    def _cancel(self, token: str, why: CancelReason, *, closed: bool) -> None:
        held = self._in_hand.get(token)
        if held is None or held.closed:
            return
        with self._changed:
            held.closed = closed
            self._changed.notify_all()
        self._on_cancel(token, why)


def _encode(answers: list[tuple[str, Answer, bool]], max_data: int) -> list[bytes | memoryview]:
    """Return the frames of an ANSWERED; raises FabricError for what cannot travel.

    Each answer comes with whether it is awaited; if not, only its final flag is sent. `max_data`:
    bytes of the data frame; 0: as many as any frame may have.
    """
    items: list[AnswerItem] = []
    sets: list[bytes] = []
    total = 0
    for token, (payload, data, final), awaited in answers:
        size = None
        if awaited and data is not None:
            size = len(data)
            total += size
            sets.append(data)
        items.append((token, final, payload if awaited else {}, size))
    check_size(total, max_data or MAX_DATA)
    envelope = pack([Answered.KIND, items, {}])
    return [envelope, join_data(sets)] if sets else [envelope]
