"""The requests that a worker's process has in hand."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.errors import FabricError
from gateway.fabric.wire.envelopes import Answered, Cancel, Credit, Envelope, Requested
from gateway.fabric.wire.fields import MAX_BATCH, AnswerItem
from gateway.fabric.wire.frames import MAX_DATA, check_size, join_data, split_data
from gateway.fabric.wire.terms import CancelReason, ReceivedIntervention

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
    """Filled and closed by the client's thread; any thread may answer."""

    def __init__(
        self,
        on_requests: Callable[[list[ReceivedIntervention]], None],
        on_cancel: Callable[[str, CancelReason], None],
    ) -> None:
        self._on_requests = on_requests
        self._on_cancel = on_cancel
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
        held.link.post_frames(_encode([(token, answer, awaited)]))
        if answer.final:
            self._in_hand.pop(token, None)
        return awaited

    def answer_many(self, answers: Sequence[tuple[str, Answer]]) -> None:
        """Answer several requests for good, as `Client.answer_many` says."""
        outgoing: dict[Link, list[tuple[str, Answer, bool]]] = {}
        for token, answer in answers:
            if (held := self._in_hand.get(token)) is not None:
                outgoing.setdefault(held.link, []).append((token, answer, not held.closed))
        messages = [
            (link, _encode(rows[start : start + MAX_BATCH]))
            for link, rows in outgoing.items()
            for start in range(0, len(rows), MAX_BATCH)
        ]
        for link, frames in messages:
            link.post_frames(frames)
        for token, _ in answers:
            self._in_hand.pop(token, None)

    def lose(self, link: Link) -> None:
        """The lease is gone: nothing of it can be answered."""
        for token, held in list(self._in_hand.items()):
            if held.link is link:
                self._cancel(token, CancelReason.LOST, closed=True)
                self._in_hand.pop(token, None)

    def _take_credit(self, held: InHand) -> bool:
        """Wait until the stream may send one more answer; False if nobody awaits it."""
        with self._changed:
            while held.credit < 1 and not held.closed:
                self._changed.wait()
            held.credit -= 1
        return not held.closed

    def _requested(self, link: Link, asked: Requested, frame: memoryview | None) -> None:
        shared = asked.shared
        parts = split_data([item.size for item in asked.items], frame)
        if any(item.shared >= len(shared) for item in asked.items):
            raise FabricError("a request without its shared part")
        received = []
        for item, data in zip(asked.items, parts, strict=True):
            self._in_hand[item.token] = InHand(link, item.credit)
            part = shared[item.shared]
            received.append(
                ReceivedIntervention(
                    item.token,
                    part.event,
                    item.attempt,
                    item.deadline,
                    {**part.payload, **item.payload},
                    part.assoc,
                    data,
                    link.name,
                )
            )
        self._on_requests(received)

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


def _encode(answers: list[tuple[str, Answer, bool]]) -> list[bytes | memoryview]:
    """Return the frames of an ANSWERED; raises FabricError for what cannot travel."""
    items, sets = [], []
    for token, (payload, data, final), awaited in answers:
        if not awaited:
            payload, data = {}, None
        check_size(data)
        items.append(AnswerItem(token, final, payload, None if data is None else len(data)))
        sets.append(data)
    if sum(item.size or 0 for item in items) > MAX_DATA:
        raise FabricError(f"data of more than {MAX_DATA} bytes")
    envelope = Answered(tuple(items)).encode()
    frame = join_data(sets)
    return [envelope] if frame is None else [envelope, frame]
